package consumers

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// The IDs are stored: processes of other versions must derive the same.
func TestMessageIDs(t *testing.T) {
	t.Parallel()
	ids := NewMessageIDs("plugin-t", event.Ref{Stream: "PLUGIN", Seq: 7})
	for i, want := range []string{"plugin-t/PLUGIN:7/1", "plugin-t/PLUGIN:7/early/1", "plugin-t/PLUGIN:7/2", "plugin-t/PLUGIN:7/early/2"} {
		if got := ids.Next([]string{"", "early"}[i%2]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
