package cytube_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A line that the channel heard is not said again by the next process, although the
// one that said it died before it knew.
func TestKilledBetweenSayingAndEcho(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.MessageLimit = 20 })
	kill := w.mortal()
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("said [SP]it[/SP] and a second part")
	_, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return l.User == "Rosey" })
	w.ok(err)
	kill()
	w.site.Refuse("")
	b := w.start()
	first := w.echo(ack, 1) // recorded with the chat buffer, before the bot is in
	if first.CorrelationID != w.correlation(ack) || field[string](first, "message") != "said [sp]it[/sp] and" {
		t.Errorf("got %+v", first.Envelope)
	}
	w.echo(ack, 2)
	if diff := cmp.Diff([]string{"said [SP]it[/SP] and", "a second part"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Sent == 1 })
}

// A NATS server that crashes with the bot forgets which send the bot had in hand.
// The line that the channel heard is not said again even so, although a filter of the
// channel's has made another one of it, and it belongs to its send.
func TestKilledWithTheNATSServerBetweenSayingAndEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kill := w.mortal()
	before := w.chat("[SP]before[/SP]")
	w.echo(before, 1)
	w.delivery(w.send(event.SubjectSendPM, event.SendPM{To: "nobody", Message: "refused"}))
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("[SP]in time[/SP]")
	_, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return strings.Contains(l.Text, "in time") })
	w.ok(err)
	kill()
	w.forget(sender.SendsDurable)
	w.site.Refuse("")
	after := w.chat("[SP]after[/SP]")
	w.start()
	w.echo(after, 1)
	if diff := cmp.Diff([]string{"[SP]before[/SP]", "[SP]in time[/SP]", "[SP]after[/SP]"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	causes := map[string]string{}
	for _, s := range w.stored(event.SubjectChat) {
		causes[field[string](s, "message")] = s.Meta(event.MetaCausation)
	}
	want := map[string]string{"[sp]before[/sp]": before.Ref.String(), "[sp]in time[/sp]": ack.Ref.String(), "[sp]after[/sp]": after.Ref.String()}
	if diff := cmp.Diff(want, causes); diff != "" {
		t.Errorf("what the lines name as their cause: %s", diff)
	}
}

// The next process does not say what is recorded as said.
func TestKilledBetweenEchoAndAck(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	w := newWorld(t)
	w.ok(w.join().stop()) // leaves the durable consumer
	ack := w.chat("hello there")
	c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, sender.SendsDurable)
	w.ok(err)
	_, err = c.Next(jetstream.FetchMaxWait(3 * time.Minute))
	w.ok(err)
	e, err := event.New(event.SubjectChat, event.Chat{User: "rosey", Message: "hello there", Channel: lounge, Rank: 1, Time: 1})
	w.ok(err)
	_, err = w.bus.Publish(w.ctx, e.WithMeta(event.MetaCausation, ack.Ref.String()))
	w.ok(err)
	w.join()
	w.echo(w.chat("next"), 1)
	if diff := cmp.Diff([]string{"next"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// Stopping lets what is being said be heard, and leaves the rest for the next
// time.
func TestStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) {
		s.Channels[0].Flood = cytubetest.Flood{Burst: 1, Sustained: 2}
	})
	b := w.join()
	first, second := w.chat("first"), w.chat("second")
	w.echo(first, 1)
	w.ok(b.stop())
	w.join()
	w.echo(second, 1)
	if diff := cmp.Diff([]string{"first", "second"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, sender.SendsDurable)
	w.ok(err)
	w.settled(c)
}

// settled waits until everything that a consumer was given is acknowledged.
func (w *world) settled(c jetstream.Consumer) {
	w.t.Helper()
	for ticker := time.NewTicker(5 * time.Millisecond); ; {
		info, err := c.Info(w.ctx)
		w.ok(err)
		if info.NumAckPending == 0 && info.NumPending == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			w.t.Fatalf("%d sends are not acknowledged", info.NumAckPending)
		}
	}
}
