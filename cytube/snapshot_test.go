package cytube_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A bot that had to read much of the past as it joined leaves a snapshot, however soon it ends:
// the next one does not read as much.
func TestJoinSavesWhatItRead(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "stores thousands of events")
	w := newWorld(t)
	js := w.bus.JetStream()
	for n := range 2100 { // of another channel, as the bot of a quiet one finds it
		body := fmt.Appendf(nil, `{"user":"user%d","channel":"elsewhere","rank":1,"time":1}`, n)
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: event.SubjectUserRank, Data: body}); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	w.join()
	raw, err := streams.ChannelSnapshot(w.ctx, js, lounge, time.Time{})
	if err != nil || raw == nil {
		t.Errorf("snapshot of %d bytes, %v", len(raw), err)
	}
}
