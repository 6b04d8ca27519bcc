package plugintest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// A failing is a test that records its errors.
type failing struct {
	testing.TB
	errors []string
}

func (f *failing) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

// A plugin is held to marks on what it has of the user of a command.
func TestCheckValues(t *testing.T) {
	t.Parallel()
	type payload struct {
		User   string         `json:"user" mark:"person"`
		Text   string         `json:"text" mark:"text"`
		Scores map[string]int `json:"scores" mark:"person"`
		Who    string         `json:"who"`
	}
	of := event.Ref{Stream: streams.Plugin, Seq: 3}
	commands := map[event.Ref]event.Command{of: {User: "alice", RawMessage: "!quote add hello there"}}
	e := streams.Stored{Envelope: event.Envelope{Subject: "plugin.x.event.y"}.WithMeta(event.MetaCausation, of.String())}
	for _, c := range []struct {
		declared any
		data     string
		want     []string
	}{
		{payload{}, `{"user":"alice","text":"hello there","scores":{"alice":1},"who":"bob"}`, nil},
		{payload{}, `{"who":"Alice"}`, []string{"who"}},
		{payload{}, `{"list":[{"n":"hello there"}]}`, []string{"list.n"}},
		{nil, `{"user":"alice","text":"there"}`, []string{"user"}},
	} {
		f := &failing{TB: t}
		channel := &Channel{t: f}
		channel.checkValues(plugins.Plugin{Name: "x"}, commands, e, "Emits[y]", c.declared, json.RawMessage(c.data))
		var fields []string
		for _, text := range f.errors {
			var subject, name, field string
			if _, err := fmt.Sscanf(text, "%s of plugin %s field %s of", &subject, &name, &field); err != nil {
				t.Fatal(text, err)
			}
			fields = append(fields, field)
		}
		slices.Sort(fields)
		if diff := cmp.Diff(c.want, fields); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.data, diff)
		}
	}
}
