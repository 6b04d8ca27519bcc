package router_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
)

// What the router answers to a misspelt command, and to one that stands for none or for too many in
// turn, is said in the words of the channel.
func TestAnswersInTheWordsOfAChannel(t *testing.T) {
	t.Parallel()
	var store *pluginsettings.Store
	registered := map[string]string{"dice-roller": `{"name":"dice-roller","version":"1.0.0","commands":[
		"roll",{"name":"lost","runs":"nothing"},{"name":"round","runs":"round"}]}`}
	f := runWith(t, registered, func(r *router.Router, js jetstream.JetStream) {
		var err error
		if store, err = pluginsettings.Open(t.Context(), js, 1); err != nil {
			t.Fatal(err)
		}
		r.Settings, r.Suggestions = store, router.NewSuggestionsEvery(js, time.Nanosecond)
	})
	lines := [][2]string{{"alice", "!rol"}, {"alice", "!lost"}, {"alice", "!round"}}
	plain := f.suggestions(lines...)
	want := []string{
		"alice: did you mean !roll?", "❌ !lost stands for !nothing, which is no command",
		"❌ !round stands for commands that stand for one another: that ends after 3",
	}
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Error(diff)
	}
	for _, words := range []struct {
		suggestion, alias string
		want              []string
	}{
		{ // the defaults of package texts
			"{{if not .private}}{{.user}}: {{end}}did you mean {{.command}}?",
			"❌ {{.command}} stands for {{if .other}}{{.other}}, which is no command{{else}}commands that stand for one another: that ends after {{.most}}{{end}}",
			plain,
		},
		{"{{.user}}, meintest du {{.command}}?", "", []string{"alice, meintest du !roll?"}},
		{"{{.usr}}", "", plain[:1]}, // cannot be used
	} {
		values := map[string]json.RawMessage{}
		values["suggestion"], _ = json.Marshal(words.suggestion)
		values["alias"], _ = json.Marshal(words.alias)
		if _, err := store.Apply(t.Context(), f.bus, pluginsettings.Update{Plugin: event.SharedTexts, Channel: "main", Values: values}); err != nil {
			t.Fatal(err)
		}
		before := len(f.suggestions())
		if diff := cmp.Diff(words.want, f.suggestions(lines...)[before:]); diff != "" {
			t.Error(diff)
		}
	}
}
