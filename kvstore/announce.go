package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// announcements tell of every write to a bucket: its stream republishes each
// entry's headers. The server sends an announcement before it acknowledges the
// write. So whoever asks over the same connection, knowing of a write that was
// acknowledged, asks behind the write's announcement, and a view that has
// everything announced so far can answer without asking the server first.
//
// That holds for one server. In a cluster, messages of different senders may
// overtake each other, and there are no announcements.
type announcements struct {
	conn  *nats.Conn
	sub   *nats.Subscription
	heard atomic.Uint64 // the highest sequence

	// What was so at the last question to the server; see settle.
	opened     time.Time    // from which settled counts: the machine's clock may be set
	settled    atomic.Int64 // when, in ns; 0: never
	reconnects atomic.Uint64
}

// askAgain is how long announcements are relied on without a question to the
// server, should somebody have changed the stream so that it makes none.
const askAgain = time.Second

func announceSubject(collection string) string { return "$ROSEY.db." + collection + ".>" }

// announce listens for a bucket's writes, or returns nil where it cannot.
func (b *bucket) announce(ctx context.Context) *announcements {
	a, err := b.startAnnouncements(ctx)
	if err != nil {
		b.store.log.Debug("queries ask the server before they are answered", "collection", b.collection, "reason", err)
		return nil
	}
	return a
}

func (b *bucket) startAnnouncements(ctx context.Context) (*announcements, error) {
	a := &announcements{conn: b.store.js.Conn(), opened: time.Now()}
	if a.conn.ConnectedClusterName() != "" || b.replicated() {
		return nil, errors.New("the server is one of a cluster")
	}
	info, err := b.info(ctx)
	if err != nil {
		return nil, err
	}
	want := jetstream.RePublish{Source: ">", Destination: announceSubject(b.collection), HeadersOnly: true}
	switch config := info.Config; {
	case config.RePublish == nil:
		config.RePublish = &want
		if _, err := b.store.js.UpdateStream(ctx, config); err != nil {
			return nil, fmt.Errorf("have writes announced: %w", err)
		}
	case config.RePublish.Destination != want.Destination:
		return nil, fmt.Errorf("the stream republishes to %s already", config.RePublish.Destination)
	}

	probe := make(chan struct{}, 1)
	a.sub, err = a.conn.Subscribe(want.Destination, func(msg *nats.Msg) {
		seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
		if err != nil {
			select {
			case probe <- struct{}{}:
			default:
			}
			return
		}
		if seq > a.heard.Load() {
			a.heard.Store(seq)
		}
	})
	if err == nil {
		err = a.sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		// One that may not listen would hear nothing, and not know.
		err = a.conn.Publish(want.Destination[:len(want.Destination)-1]+"probe", nil)
	}
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		select {
		case <-probe:
			return a, nil
		case <-wait.Done():
			err = errors.New("announcements do not come: may this user subscribe to " + want.Destination + "?")
		}
	}
	a.stop()
	return nil, err
}

func (a *announcements) stop() {
	if a != nil && a.sub != nil {
		_ = a.sub.Unsubscribe() // fails when the connection is closed: nothing is left to stop
	}
}

type behindKey struct{}

// behindAnnouncements returns a context for a request that came over the
// connection that announcements come over.
func behindAnnouncements(ctx context.Context, conn *nats.Conn) context.Context {
	return context.WithValue(ctx, behindKey{}, conn)
}

// latest is the highest sequence of the writes that were acknowledged before ctx's
// request was made; ok is false where only the server knows.
func (a *announcements) latest(ctx context.Context) (seq uint64, ok bool) {
	if a == nil || !a.fresh() || a.conn.Stats().Reconnects != a.reconnects.Load() {
		return 0, false
	}
	if ctx.Value(behindKey{}) != a.conn {
		// Announcements that the server has sent may still be on their way.
		wait, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		if a.conn.FlushWithContext(wait) != nil {
			return 0, false
		}
	}
	if pending, _, err := a.sub.Pending(); err != nil || pending > 0 {
		return 0, false
	}
	return a.heard.Load(), true
}

// fresh reports whether the server was asked of late.
func (a *announcements) fresh() bool {
	at := a.settled.Load()
	return at > 0 && time.Since(a.opened)-time.Duration(at) <= askAgain
}

// settle begins a question to the server whether the view has everything; the
// function it returns is to be called when it had.
func (a *announcements) settle() (done func()) {
	if a == nil {
		return func() {}
	}
	reconnects, now := a.conn.Stats().Reconnects, int64(time.Since(a.opened))
	return func() {
		a.reconnects.Store(reconnects)
		a.settled.Store(now)
	}
}
