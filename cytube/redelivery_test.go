package cytube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
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
	started := w.logged("the sender stopped; it will start again")
	w.ok(w.bus.JetStream().DeleteConsumer(w.ctx, streams.Cytube, cytube.DefaultDurable))
	started() // with a new consumer, which begins at the beginning
	w.echo(w.chat("three"), 1)
	if diff := cmp.Diff([]string{"one", "two", "three"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}
