package texttemplate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"text/template"
	"time"

	"github.com/rosey-bot/rosey/internal/timeparse"
)

// known are the functions that there are, by name: those below and some of text/template.
var known = func() map[string]any {
	all := map[string]any{}
	for name := range functions(nil) {
		all[name] = true
	}
	for _, name := range []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"} {
		all[name] = true
	}
	return all
}()

// functions returns the functions beside those of text/template. What each returns is bounded,
// as a template can call it with its own result again and again.
func functions(random *rand.Rand) template.FuncMap {
	return template.FuncMap{
		"lower": func(s any) string { return limit(strings.ToLower(shown(s))) },
		"upper": func(s any) string { return limit(strings.ToUpper(shown(s))) },
		"trim":  func(s any) string { return strings.TrimSpace(shown(s)) },
		"cut":   func(n int64, s any) string { return cut(int(min(n, maxOutput)), shown(s)) },
		"replace": func(from, to string, s any) string {
			if from == "" {
				return shown(s)
			}
			return limit(strings.ReplaceAll(shown(s), from, to))
		},
		"default": func(otherwise, v any) any {
			if r := reflect.ValueOf(v); !r.IsValid() || r.IsZero() || r.Kind() == reflect.Slice && r.Len() == 0 {
				return otherwise
			}
			return v
		},
		"join": func(separator string, list any) (string, error) {
			l, ok := list.([]string)
			if !ok {
				return "", errors.New("it joins a list only")
			}
			return limit(strings.Join(l, separator)), nil
		},
		"plural": func(one, many string, n any) string {
			word := many
			if fmt.Sprint(n) == "1" {
				word = one
			}
			return limit(shown(n) + " " + word)
		},
		"pick": func(of ...any) (any, error) {
			if len(of) == 1 {
				if list, ok := of[0].([]string); ok {
					of = nil
					for _, s := range list {
						of = append(of, s)
					}
					if len(of) == 0 {
						return "", nil
					}
				}
			}
			if len(of) == 0 {
				return nil, errors.New("it needs something to pick from")
			}
			return of[random.IntN(len(of))], nil
		},
		"duration": func(v any) (string, error) {
			d, ok := v.(time.Duration)
			if !ok {
				return "", errors.New("it shows a duration only")
			}
			return timeparse.Short(d), nil
		},
		"date": date,
	}
}

// date returns a time in a layout of Go, {{date "15:04" .at}}, and perhaps a zone:
// {{date "15:04" "Europe/Berlin" .at}}.
func date(layout string, of ...any) (string, error) {
	if len(of) == 0 || len(of) > 2 {
		return "", errors.New(`it is written as date "15:04" .at or date "15:04" "Europe/Berlin" .at`)
	}
	t, ok := of[len(of)-1].(time.Time)
	if !ok {
		return "", errors.New("it shows a time only")
	}
	if len(of) == 1 {
		return limit(t.UTC().Format(layout)), nil
	}
	zone, ok := timeparse.Zone(fmt.Sprint(of[0]))
	if !ok {
		return "", fmt.Errorf("there is no time zone %v", of[0])
	}
	return limit(t.In(zone).Format(layout)), nil
}

// shown returns a value as a template shows it.
func shown(v any) string { return limit(fmt.Sprint(v)) }
