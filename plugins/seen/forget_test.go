package seen

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// rosey audit forget finds a person in every collection, also in what others are to be told.
func TestForget(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	types(channel, [2]string{"alice", "a secret"}, [2]string{"alicia", "hi"}, [2]string{"bob", "hi"})
	answers(t, channel, "alice", 1, "!tell carol my secret", "✉️")
	answers(t, channel, "bob", 1, "!tell alice hello", "✉️")
	answers(t, channel, "mod", 3, "!samename alicia bob", "✅")
	store, err := kvstore.NewStore(channel.Bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, record := range New().Collections {
		if _, err := store.Forget(t.Context(), name, "Alice", event.FieldsOf(reflect.TypeOf(record)), false); err != nil {
			t.Fatal(err)
		}
		raw, err := channel.Request(event.SubjectQuery, event.Query{Collection: name})
		if err != nil {
			t.Fatal(err)
		}
		if left := string(raw); strings.Contains(left, "alice") || strings.Contains(left, "secret") {
			t.Errorf("in %s there is left %s", name, left)
		}
		if name == People && !strings.Contains(string(raw), "bob") {
			t.Errorf("of bob nothing is left: %s", raw)
		}
	}
}
