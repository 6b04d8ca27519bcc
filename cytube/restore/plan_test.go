package restore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/cytube/view"
)

func parsed(t *testing.T, text string) *view.View {
	t.Helper()
	v := view.New("lounge")
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
	return v
}

func items(ids ...string) string {
	list := []view.Item{}
	for i, id := range ids {
		list = append(list, view.Item{UID: i, Title: id, URL: "https://youtube.com/watch?v=" + id + "0000000000", Type: "yt"})
	}
	raw, _ := json.Marshal(list)
	return string(raw)
}

// ordered is a channel with filters in their order.
func ordered(names ...string) string {
	list := []string{}
	for _, name := range names {
		list = append(list, fmt.Sprintf(`{"name":%q,"source":"x"}`, name))
	}
	return `{"filters":[` + strings.Join(list, ",") + `],"ordered":["filters"]}`
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, now, then string
		part            string
		want            []string
	}{
		{"unknown then", `{"emotes":[]}`, `{}`, "emotes", []string{"~ emotes : no event says what it was then"}},
		{"unknown now", `{}`, `{"bans":[]}`, "bans", []string{"~ bans : no event says what it is now: the bot may lack the rank to see it"}},
		{"same", `{"motd":"x"}`, `{"motd":"x"}`, "motd", nil},
		{"text", `{"motd":"x"}`, `{"motd":""}`, "motd", []string{"- motd "}},
		{"new option", `{"options":{"a":1,"b":2}}`, `{"options":{"a":2}}`, "options", []string{"~ options a"}},
		{"password", `{"options":{"password":false}}`, `{"options":{"password":true}}`, "options", []string{"~ options password: passwords are not recorded"}},
		{"no password", `{"options":{"password":true}}`, `{"options":{"password":false}}`, "options", []string{"~ options password"}},
		{"rank", `{"ranks":[{"name":"a","rank":3},{"name":"b","rank":2}]}`, `{"ranks":[{"name":"a","rank":2}]}`, "ranks", []string{"~ ranks a", "- ranks b"}},
		{"bans", `{"bans":[{"name":"A"},{"name":"b","address":true}]}`, `{"bans":[{"name":"c","reason":"r"},{"name":"d","address":true},{"name":"a"},{"name":"a","address":true}]}`, "bans", []string{
			"+ bans a", "- bans b", "+ bans c", "+ bans d: an address is not recorded, and is banned again only together with its name",
		}},
		{"filters moved", ordered("b", "a"), ordered("a", "b"), "filters", []string{"~ filters order"}},
		{"filters gone", ordered(), ordered("b", "a"), "filters", []string{"+ filters b", "+ filters a"}},
		{"filters behind others", ordered("x", "b", "c"), ordered("c", "a", "b"), "filters", []string{"- filters x", "+ filters a", "~ filters order"}},
		{"order not known", ordered("b", "a"), strings.Replace(ordered("a", "b"), `,"ordered":["filters"]`, "", 1), "filters", nil},
		{"a filter that is called order", ordered("order"), strings.Replace(ordered("order"), `"x"`, `"y"`, 1), "filters", []string{"~ filters order"}},
		{"ranks in another order", `{"ranks":[{"name":"a","rank":3},{"name":"b","rank":2}]}`, `{"ranks":[{"name":"b","rank":2},{"name":"a","rank":3}]}`, "ranks", nil},
		{"cleared", `{"playlist":[]}`, `{"playlist":` + items("a", "b") + `}`, "playlist", []string{"+ playlist a", "+ playlist b"}},
		{"one move", `{"playlist":` + items("d", "a", "b", "c") + `}`, `{"playlist":` + items("a", "b", "c", "d") + `}`, "playlist", []string{"~ playlist d"}},
		{"insert", `{"playlist":` + items("a", "x", "c") + `}`, `{"playlist":` + items("a", "b", "c") + `}`, "playlist", []string{"- playlist x", "+ playlist b", "~ playlist c"}},
		{"twice", `{"playlist":` + items("a") + `}`, `{"playlist":` + items("a", "a") + `}`, "playlist", []string{"+ playlist a"}},
		{"embed", `{"playlist":[]}`, `{"playlist":[{"uid":1,"title":"e","url":"cu:abc","type":"cu"}]}`, "playlist", []string{"+ playlist e: the server does not tell the address of a custom embed"}},
		{"gone site", `{"playlist":[]}`, `{"playlist":[{"uid":1,"title":"e","url":"x","type":"us"}]}`, "playlist", []string{"+ playlist e: Ustream is gone"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, s := range restore.Plan(parsed(t, test.now), parsed(t, test.then), "rosey", []string{test.part}) {
				key := s.Key
				var i view.Item
				for _, raw := range []json.RawMessage{s.Old, s.New} {
					if json.Unmarshal(raw, &i) == nil && i.Title != "" {
						key = i.Title
					}
				}
				line := fmt.Sprintf("%s %s %s", s.Op, s.Part, key)
				if s.Cannot != "" {
					line += ": " + s.Cannot
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the bot may do is judged by its rank, and by the permissions that it can restore.
func TestPlanOfARank(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rank  int
		parts []string
		want  []string
	}{
		{2, []string{"motd"}, []string{"the bot has rank 2, and motdedit needs 5"}},
		{3, []string{"motd"}, []string{"the bot has rank 3, and motdedit needs 5"}},
		{3, []string{"motd", "permissions"}, []string{"", ""}},
		{2, []string{"motd", "permissions"}, []string{"the bot has rank 2, and this needs 3", "the bot has rank 2, and motdedit needs 5"}},
	} {
		now := parsed(t, fmt.Sprintf(`{"motd":"x","permissions":{"motdedit":5},"users":[{"name":"Rosey","rank":%d}]}`, test.rank))
		var got []string
		for _, s := range restore.Plan(now, parsed(t, `{"motd":"y","permissions":{"motdedit":3}}`), "rosey", test.parts) {
			got = append(got, s.Cannot)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("rank %d, %v: %s", test.rank, test.parts, diff)
		}
	}
}
