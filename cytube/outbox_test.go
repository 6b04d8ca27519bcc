package cytube_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// hasSender reports whether a channel has a durable consumer for its sends.
func (w *world) hasSender(channel string) bool {
	w.t.Helper()
	_, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, sender.OutboxDurable(channel))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false
	}
	w.ok(err)
	return true
}

// What waits for a channel that the bot is in no more is refused, and nothing of it
// is left; a bot that comes back into the channel begins with what is sent then.
func TestLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slowly := func(c *cytube.Config) { c.Burst, c.PerSecond = 1, 0.001 }
	kept, left := w.join(in("kept", "kept", "left")), w.join(in("left", "kept", "left"), slowly)
	first := w.sendTo("left", "heard")
	w.echoIn("left", "heard")
	var want []string
	for i := range 4 {
		want = append(want, "refused left "+w.sendTo("left", fmt.Sprint("never heard ", i)).Ref.String())
	}
	w.ok(until(w.ctx, func() bool { return w.hasSender("kept") }))
	w.ok(left.stop())
	w.ok(kept.stop())

	gone := func() []string {
		t.Helper()
		list, err := sender.VacatedChannels(w.ctx, w.bus.JetStream(), []string{"Kept"})
		w.ok(err)
		return list
	}
	if diff := cmp.Diff([]string{"left"}, gone()); diff != "" {
		t.Fatal(diff)
	}
	w.ok(sender.Vacate(w.ctx, w.bus, "left", slog.New(w.logs)))
	ends := func() (list []string) {
		for _, s := range w.stored(event.SubjectDelivery) {
			list = append(list, field[string](s, "status")+" "+field[string](s, "channel")+" "+field[string](s, "send"))
		}
		return list
	}
	if diff := cmp.Diff(want, ends()); diff != "" {
		t.Errorf("what waited for the channel: %s", diff)
	}
	if got := gone(); len(got) > 0 || w.hasSender("left") || !w.hasSender("kept") {
		t.Errorf("still there: %q", got)
	}
	w.ok(sender.Vacate(w.ctx, w.bus, "left", slog.New(w.logs))) // there is nothing to do any more

	w.join(in("left", "kept", "left"))
	w.sendTo("left", "back")
	w.echoIn("left", "back")
	if diff := cmp.Diff([]string{"heard", "back"}, w.said("left")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, ends()); diff != "" {
		t.Errorf("after %s, once the bot is back: %s", first.Ref, diff)
	}
}

// The store of an earlier release, which left each channel's sends in an outbox: what waited there is spoken, and nothing
// twice.
func TestOutboxOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	heard, waits := w.sendTo("new", "heard"), w.sendTo("new", "waits")
	e, err := event.New(event.SubjectChat, event.Chat{User: "Rosey", Message: "heard", Channel: "new", Rank: 1, Time: 1})
	w.ok(err)
	_, err = w.bus.Publish(w.ctx, e.WithMeta(event.MetaCausation, heard.Ref.String()))
	w.ok(err)
	for _, send := range []streams.Ack{heard, waits} {
		w.send(event.OutboxSubject("new"), event.Outbox{Channel: "new", Send: send.Ref.String()})
	}
	_, err = w.bus.JetStream().CreateConsumer(w.ctx, streams.Cytube, jetstream.ConsumerConfig{
		Durable: sender.OutboxDurable("new"), FilterSubject: event.OutboxSubject("new"), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	})
	w.ok(err)
	w.join(in("new"))
	w.sendTo("new", "later")
	w.echoIn("new", "later")
	if diff := cmp.Diff([]string{"waits", "later"}, w.said("new")); diff != "" {
		t.Error(diff)
	}
}

// A send that was heard before its bot died, and not acknowledged, is not recorded as
// one that was not.
func TestLeaveOfWhatWasHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := w.join(in("left"))
	send := w.sendTo("left", "heard")
	w.echoIn("left", "heard")
	w.ok(left.stop())
	// As if the acknowledgement had been lost with the bot.
	js := w.bus.JetStream()
	c, err := js.Consumer(w.ctx, streams.Cytube, sender.OutboxDurable("left"))
	w.ok(err)
	config := c.CachedInfo().Config
	w.ok(js.DeleteConsumer(w.ctx, streams.Cytube, config.Durable))
	_, err = js.CreateConsumer(w.ctx, streams.Cytube, config)
	w.ok(err)
	w.ok(sender.Vacate(w.ctx, w.bus, "left", slog.New(w.logs)))
	for _, s := range w.stored(event.SubjectDelivery) {
		t.Errorf("%s was heard, and recorded is %s", send.Ref, s.Data)
	}
	if w.hasSender("left") {
		t.Error("its consumer is still there")
	}
}

// Other processes learn who the bot of a channel is.
func TestBotOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if bot, err := cytube.BotOf(w.ctx, w.bus.JetStream(), lounge); bot != "" || err != nil {
		t.Errorf("before it joined: %q, %v", bot, err)
	}
	w.join()
	w.ok(until(w.ctx, func() bool {
		bot, err := cytube.BotOf(w.ctx, w.bus.JetStream(), "LOUNGE")
		return bot == "Rosey" && err == nil
	}))
}
