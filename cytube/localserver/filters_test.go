package localserver_test

import (
	"encoding/json"
	"slices"
	"testing"
)

// Who moves an emote puts it elsewhere, and who moves a filter has two change places, as on a
// real server. The server sends no frame of it: the next list has the order.
func TestMoves(t *testing.T) {
	t.Parallel()
	s, c := ruled(t)
	list := []object{}
	for _, name := range []string{"a", "b", "c", "d"} {
		list = append(list, object{"name": name, "source": name, "flags": "g", "replace": name, "image": name})
	}
	names := func(frame string) (names []string) {
		var all []struct{ Name string }
		_, arg := c.next(frame)
		try(t, json.Unmarshal([]byte(arg), &all))
		for _, d := range all {
			names = append(names, d.Name)
		}
		return names
	}
	c.emit("importFilters", list)
	names("chatFilters")
	c.emit("moveFilter", object{"from": 0, "to": 3})
	c.emit("requestChatFilters", object{})
	if got := names("chatFilters"); !slices.Equal(got, []string{"d", "b", "c", "a"}) {
		t.Errorf("filters: %v", got)
	}
	c.emit("moveFilter", object{"from": 0, "to": 4})
	c.expect("errorMsg", `{"alert":true,"msg":"Filter move failed: Argument out of range"}`)
	c.emit("importEmotes", list)
	names("emoteList")
	c.emit("moveEmote", object{"from": 0, "to": 2})
	late := connect(t, s)
	late.emit("login", object{"name": "late"})
	late.emit("joinChannel", object{"name": lobby})
	c = late
	if got := names("emoteList"); !slices.Equal(got, []string{"b", "c", "a", "d"}) {
		t.Errorf("emotes: %v", got)
	}
}
