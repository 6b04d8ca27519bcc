package replay

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// format returns the value of a field in words. A name may say how, after a colon (see
// formats), or by what stands for a value that is true and for another: {locked?locked|open}.
func (f dataFields) format(name string) string {
	if name, choice, is := strings.Cut(name, "?"); is {
		yes, no, _ := strings.Cut(choice, "|")
		if v := f[name]; v == "" || v == "false" || v == "null" {
			return no
		}
		return yes
	}
	name, how, _ := strings.Cut(name, ":")
	if fn := formats[how]; fn != nil {
		return fn(f[name])
	}
	return f[name]
}

// formats are the ways to say a value.
var formats = map[string]func(string) string{
	"s":       seconds,
	"list":    func(v string) string { return strings.Join(elements(v), ", ") },
	"count":   func(v string) string { return strconv.Itoa(len(elements(v))) },
	"changes": changes,
	"values":  values,
	"past": func(v string) string {
		past := map[string]string{
			event.DefinitionAdd: "added", event.DefinitionUpdate: "changed", event.DefinitionRename: "renamed", event.DefinitionRemove: "removed",
			event.PositionPause: "paused at", event.PositionResume: "resumed at", event.PositionSeek: "moved to",
		}
		if p, ok := past[v]; ok {
			return p
		}
		return v
	},
	"was": func(v string) string {
		if v == "" {
			return ""
		}
		return "(it was " + v + ")"
	},
	"in": func(v string) string {
		if v == "" {
			return "all channels"
		}
		return v
	},
	"until": func(v string) string {
		if ms, err := strconv.ParseInt(v, 10, 64); err == nil && ms > 0 {
			return "until " + time.UnixMilli(ms).Local().Format(time.DateTime)
		}
		return ""
	},
	"value": value,
}

// value returns the value of a setting, which null leaves unset.
func value(v string) string {
	if v == "null" || v == "" {
		return "not set"
	}
	return scalar(json.RawMessage(v))
}

// seconds returns a number of seconds as a duration.
func seconds(v string) string {
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s < 1e9 {
		return terminal.FormatDuration(time.Duration(s * float64(time.Second)))
	}
	return v
}

// elements returns those of a JSON list as text.
func elements(v string) (all []string) {
	var list []json.RawMessage
	if json.Unmarshal([]byte(v), &list) != nil {
		return nil
	}
	for _, e := range list {
		all = append(all, scalar(e))
	}
	return all
}

// scalar returns a JSON value as text.
func scalar(raw json.RawMessage) string {
	if text := unquote(raw); text != nil {
		return string(text)
	}
	if list := elements(string(raw)); list != nil {
		return strings.Join(list, ", ")
	}
	switch text := string(raw); {
	case text == "true":
		return "on"
	case text == "false":
		return "off"
	case strings.HasPrefix(text, "{"):
		return "(" + values(text) + ")"
	default:
		return text
	}
}

// changes returns an object of what was and is, by name.
func changes(v string) string {
	var all map[string][]json.RawMessage
	if json.Unmarshal([]byte(v), &all) != nil {
		return v
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if pair := all[name]; len(pair) == 2 {
			parts = append(parts, fmt.Sprintf("%s from %s to %s", name, value(string(pair[0])), value(string(pair[1]))))
		}
	}
	return strings.Join(parts, ", ")
}

// values returns an object of values, by name.
func values(v string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(v), &all) != nil {
		return v
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, name+" "+value(string(all[name])))
	}
	return strings.Join(parts, ", ")
}

// results returns the options of a poll with their votes.
func (f dataFields) results() string {
	options, counts := elements(f["options"]), elements(f["counts"])
	var parts []string
	for i, o := range options {
		if i < len(counts) {
			o += " " + counts[i]
		}
		parts = append(parts, o)
	}
	return strings.Join(parts, ", ")
}
