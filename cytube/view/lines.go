package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Lines returns a part, in JSON, for people: a line for each element of a list or object,
// or for each line of a text. They are not safe for a terminal.
func Lines(part string, value json.RawMessage) (lines []string) {
	v := New("")
	if string(value) == "null" || v.setPart(part, value) != nil {
		return nil
	}
	switch part {
	case PartPlaylist:
		for _, i := range v.Playlist {
			lines = append(lines, fmt.Sprintf("%5d  %s", i.UID, i))
		}
	case PartUsers:
		for _, u := range v.Users {
			lines = append(lines, u.String())
		}
	case PartBans:
		for _, b := range v.Bans {
			lines = append(lines, banLine(b))
		}
	case PartRanks:
		for _, r := range v.Ranks {
			lines = append(lines, fmt.Sprintf("%-20s  rank %v", r.Name, r.Rank))
		}
	case PartPoll:
		lines = append(lines, fmt.Sprintf("%s  by %s", v.Poll.Title, v.Poll.By))
		for i, option := range v.Poll.Options {
			count := 0
			if i < len(v.Poll.Counts) {
				count = v.Poll.Counts[i]
			}
			lines = append(lines, fmt.Sprintf("%4d  %s", count, option))
		}
	case PartMOTD, PartCSS, PartJS, PartLeader:
		if t := strings.TrimSpace(text(value)); t != "" {
			lines = strings.Split(t, "\n")
		}
	case PartLock:
		lines = []string{map[bool]string{true: "locked", false: "open to all"}[*v.Lock]}
	default:
		all, order := elements(part, value)
		if order == nil {
			order = slices.Sorted(maps.Keys(all))
		}
		for _, key := range order {
			lines = append(lines, fmt.Sprintf("%-26s  %s", key, short(part, all[key])))
		}
	}
	return lines
}

// String returns the item in a line.
func (i Item) String() string {
	length := "live"
	if i.Duration > 0 {
		length = (time.Duration(i.Duration) * time.Second).String()
	}
	temp := ""
	if i.Temp {
		temp = "  temporary"
	}
	return fmt.Sprintf("%s (%s)  %s  %s%s", i.Title, length, i.QueuedBy, i.URL, temp)
}

// String returns the user in a line.
func (u User) String() string {
	line := fmt.Sprintf("%-20s  rank %d", u.Name, u.Rank)
	if u.AFK {
		line += "  away"
	}
	switch u.Mute {
	case event.ActionMute:
		line += "  muted"
	case event.ActionShadowMute:
		line += "  muted in secret"
	}
	return line
}

func banLine(b event.Ban) string {
	what := "name"
	if b.Address {
		what = "address"
	}
	return strings.TrimSpace(fmt.Sprintf("%-20s  %-7s  by %s  %s", b.Name, what, b.By, b.Reason))
}

// short returns the value of an element of a part for people, without what its name says
// already.
func short(part string, value json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return text(value)
	}
	switch part {
	case PartEmotes:
		return text(fields["image"])
	case PartFilters:
		state := ""
		if string(fields["active"]) == "false" {
			state = "  inactive"
		}
		return fmt.Sprintf("/%s/%s → %s%s", text(fields["source"]), text(fields["flags"]), text(fields["replace"]), state)
	case PartPlaylist:
		var i Item
		_ = json.Unmarshal(value, &i)
		return i.String()
	case PartUsers:
		var u User
		_ = json.Unmarshal(value, &u)
		return u.String()
	case PartPoll:
		return text(fields["title"])
	case PartRanks:
		return "rank " + text(fields["rank"])
	case PartBans:
		var b event.Ban
		_ = json.Unmarshal(value, &b)
		return banLine(b)
	}
	return string(value)
}
