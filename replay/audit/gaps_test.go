package audit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Gaps are shown whatever part of the history is asked for: the bot is away from between
// events 3 and 5, and was killed between events 7 and 8.
func TestGapsInAnyRange(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	connection := func(state string) happening {
		return happening{event.SubjectConnection, event.Connection{Channel: "lounge", State: state, Reason: "x", Time: ms(0)}, ""}
	}
	film := happening{event.SubjectMediaChange, event.MediaChange{Title: "Film", URL: "u", Type: "yt", Channel: "lounge"}, ""}
	line := func(text, channel string) happening {
		return happening{event.SubjectChat, event.Chat{User: "alice", Message: text, Channel: channel}, ""}
	}
	refs := happen(ctx, t, bus, []happening{
		connection(event.StateUp), film, connection(event.StateDown), line("elsewhere", "attic"), connection(event.StateUp),
		line("back?", "lounge"), line("hello", "lounge"), connection(event.StateUp), line("bye", "lounge"),
	})
	at := map[uint64]time.Time{}
	for e, err := range replay.Read(ctx, bus.JetStream(), replay.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		at[e.Ref.Seq] = e.At
	}
	left, killed := fmt.Sprint("away ", refs[2], " ", at[3].UnixNano()), fmt.Sprint("away ", refs[7], " ", at[7].UnixNano())
	for name, c := range map[string]struct {
		q    Query
		want []string
	}{
		"everything":                    {Query{}, []string{left, killed}},
		"since it was away":             {Query{Since: at[4]}, []string{left, killed}},
		"while it was away":             {Query{Since: at[4], Until: at[5]}, []string{left}},
		"since it came back":            {Query{Since: at[5].Add(1)}, []string{killed}},
		"until it was killed":           {Query{Since: at[6], Until: at[8]}, []string{killed}},
		"before it was killed":          {Query{Since: at[6], Until: at[7]}, nil},
		"media only":                    {Query{Media: true}, []string{left, killed}},
		"media only, since it was away": {Query{Media: true, Since: at[4]}, []string{left, killed}},
		"somebody else":                 {Query{User: "nobody", Since: at[4]}, []string{left, killed}},
		"another channel":               {Query{Channel: "attic"}, nil},
	} {
		var got []string
		for e, err := range readHistory(ctx, bus.JetStream(), c.q) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == KindGap {
				got = append(got, fmt.Sprint("away ", e.Ref, " ", e.At.UnixNano()))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: the gaps are %v, want %v", name, got, c.want)
		}
	}
}
