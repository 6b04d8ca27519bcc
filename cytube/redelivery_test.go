package cytube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/streams"
)

// A NATS server that crashes may forget that a send was delivered and
// acknowledged, and deliver it as if for the first time.
func TestDeliveredAnewIsNotSaidAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	w.echo(w.chat("one"), 1)
	w.echo(w.chat("two"), 1)
	started := w.logged("sender stopped, restarting")
	w.ok(w.bus.JetStream().DeleteConsumer(w.ctx, streams.Cytube, sender.SendsDurable))
	started() // with a new consumer, which begins at the beginning
	w.echo(w.chat("three"), 1)
	if diff := cmp.Diff([]string{"one", "two", "three"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// forget has the NATS server forget what a durable consumer was given.
func (w *world) forget(durable string) {
	w.t.Helper()
	c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, durable)
	w.ok(err)
	w.ok(w.bus.JetStream().DeleteConsumer(w.ctx, streams.Cytube, durable))
	_, err = w.bus.JetStream().CreateConsumer(w.ctx, streams.Cytube, c.CachedInfo().Config)
	w.ok(err)
}
