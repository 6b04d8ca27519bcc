package localserver

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// comparableFrames drops what comes by the clock and blanks out what differs from one run to the next.
func comparableFrames(scene string, frames []string) (list []string) {
	for _, frame := range frames {
		args, err := eventOf(frame)
		if err != nil {
			if strings.HasPrefix(frame, "41") || strings.HasPrefix(frame, "43") || strings.HasPrefix(frame, "44") {
				list = append(list, frame)
			}
			continue
		}
		name := args[0].(string)
		leading := strings.Contains(scene, "eader") || scene == "natural-end.1"
		if name == "usercount" || name == "mediaUpdate" && !leading || name == "acp-gbanlist" {
			continue
		}
		if scene == "natural-end.1" && strings.Contains(frame, `"mediaUpdate"`) && strings.Contains(frame, `"paused":true`) {
			continue // at the clock's mercy
		}
		blank(args)
		if name == "userlist" {
			sortBy(args[1], "name")
		}
		if strings.HasPrefix(scene, "shuffle") || scene == "setPlaylistMeta.1" {
			args = withoutOrder(args)
		}
		out, _ := json.Marshal(args)
		list = append(list, string(out))
	}
	if slices.Contains([]string{"afk-timeout.1", "queue.18", "queue.20"}, scene) { // in no order, or as fast as lookups are
		slices.Sort(list)
	}
	return list
}

var banned = regexp.MustCompile(`banned \S+ \(`)

func blank(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			blank(e)
		}
	case map[string]any:
		for key, e := range v {
			switch text, _ := e.(string); {
			case key == "time" && text == "", key == "timestamp":
				v[key] = 0
			case key == "ip" && text != "*":
				v[key] = "address"
			case key == "id" && strings.Count(text, "-") == 4:
				v[key] = "uuid"
			case key == "aliases":
				v[key] = "names"
			case key == "currentTime":
				seconds, _ := e.(float64)
				v[key] = seconds < 0
			case key == "msg":
				v[key] = banned.ReplaceAllString(strings.ReplaceAll(text, "IP ", "IP address "), "banned address (")
				if strings.Contains(text, " is already banned") && strings.Contains(text, ".") || strings.Contains(text, "to ban IP") {
					v[key] = "address refused"
				}
			default:
				blank(e)
			}
		}
	}
}

func sortBy(list any, key string) {
	if rows, ok := list.([]any); ok {
		slices.SortFunc(rows, func(a, b any) int {
			return strings.Compare(fmt.Sprint(a.(map[string]any)[key]), fmt.Sprint(b.(map[string]any)[key]))
		})
	}
}

// withoutOrder takes what chance decides out of a shuffled playlist: the uids, and the order but for the first.
func withoutOrder(args []any) []any {
	switch args[0] {
	case "setCurrent":
		args[1] = "first"
	case "playlist":
		rows := args[1].([]any)
		for _, row := range rows {
			delete(row.(map[string]any), "uid")
		}
		slices.SortFunc(rows[min(1, len(rows)):], func(a, b any) int {
			return strings.Compare(fmt.Sprint(a.(map[string]any)["media"]), fmt.Sprint(b.(map[string]any)["media"]))
		})
	}
	return args
}
