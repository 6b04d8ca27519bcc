package audit

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// That the clock was set is shown between what was stored before and after, whatever the
// channel and the user.
func TestClockIsShown(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	line := func(text string) happening {
		return happening{event.SubjectChat, event.Chat{User: "alice", Message: text, Channel: "lounge", Rank: 1, Time: ms(1)}, ""}
	}
	happen(ctx, t, bus, []happening{
		line("before"),
		{event.SubjectClock, event.ClockSet{Direction: event.ClockBack, By: 3600, OffsetAfter: -3600, Timestamp: 1}, ""},
		line("after"),
	})
	var b bytes.Buffer
	o := Options{Format: "text", Query: Query{Channel: "Lounge", User: "ALICE"}}
	if err := Write(ctx, bus.JetStream(), &b, o); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "=== the machine's clock was set back by 1h") {
		t.Errorf("it shows\n%s", b.String())
	}
}
