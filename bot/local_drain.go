package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// poll is the policy that waits for a condition.
var poll = retry.Every(10 * time.Millisecond)

// drainTimeout limits how long the local channel waits at the end of its input for what
// the input caused.
const drainTimeout = 30 * time.Second

// errBusy is returned by what poll repeats.
var errBusy = errors.New("not done yet")

// drain waits until every line said is recorded, every consumer has settled its last
// event, but for those of plugins in other processes that are away and those that still
// read what was stored before, and every line of the channel is printed.
func (l *localChannel) drain(ctx context.Context, life *lifecycle, recorded *atomic.Int64, before map[consumerKey]uint64) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	busy, last := "", uint64(0)
	for _, drained := range []func(context.Context) bool{
		func(context.Context) bool { l.mu.Lock(); defer l.mu.Unlock(); return int(recorded.Load()) >= l.said },
		func(ctx context.Context) bool {
			name, seq, err := unsettledConsumer(ctx, life, before)
			quiet := err == nil && name == "" && seq == last
			if err == nil {
				busy = name
			}
			last = seq
			return quiet
		},
		func(context.Context) bool { l.mu.Lock(); defer l.mu.Unlock(); return l.printed >= l.site.ChatLines() },
	} {
		err := retry.Do(ctx, poll, func(ctx context.Context) error {
			if drained(ctx) {
				return nil
			}
			return errBusy
		})
		switch {
		case err == nil:
		case !errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil
		case busy != "":
			return fmt.Errorf("not everything was done within %s, not by %s: see rosey status", drainTimeout, busy)
		default:
			return fmt.Errorf("not everything was done within %s: see rosey status", drainTimeout)
		}
	}
	return nil
}

// unsettledConsumer returns the name of a consumer that has not settled the last event
// for it, or "", and the sum of the streams' last sequences. The server counts a pending
// event for a consumer only after it acknowledged it to the publisher, so that the
// consumer's own count is not enough.
func unsettledConsumer(ctx context.Context, life *lifecycle, before map[consumerKey]uint64) (busy string, last uint64, err error) {
	js := life.bus.JetStream()
	err = monitor.EachConsumer(ctx, js, func(info *jetstream.ConsumerInfo) {
		plugin, ofPlugin := streams.PluginOf(info.Name)
		here := !ofPlugin || slices.Contains(life.running(), plugin)
		inPast := info.AckFloor.Stream < before[consumerKey{info.Stream, info.Name}]
		if busy == "" && !info.Paused && !inPast && (here || monitor.HasReader(info)) && !settled(ctx, js, info) {
			busy = info.Name
		}
	})
	for _, name := range []string{streams.Cytube, streams.Plugin} {
		if s, serr := js.Stream(ctx, name); serr == nil {
			last += s.CachedInfo().State.LastSeq
		} else {
			err = errors.Join(err, serr)
		}
	}
	return busy, last, err
}

// consumerKey names a consumer. Those of one plugin have the same name on every stream.
type consumerKey struct{ stream, name string }

// unreadPast returns up to where the past goes for consumers that have not read all of it.
func unreadPast(ctx context.Context, js jetstream.JetStream) (map[consumerKey]uint64, error) {
	unread := map[consumerKey]uint64{}
	var errs []error
	err := monitor.EachConsumer(ctx, js, func(info *jetstream.ConsumerInfo) {
		if !streams.IsPast(info.Name) || settled(ctx, js, info) {
			return
		}
		s, err := js.Stream(ctx, info.Stream)
		if err != nil {
			errs = append(errs, err)
			return
		}
		unread[consumerKey{info.Stream, info.Name}] = s.CachedInfo().State.LastSeq
	})
	return unread, errors.Join(append(errs, err)...)
}

// settled reports whether a consumer has settled the last event that matches its filters.
func settled(ctx context.Context, js jetstream.JetStream, info *jetstream.ConsumerInfo) bool {
	stream, err := js.Stream(ctx, info.Stream)
	if err != nil {
		return false
	}
	for _, filter := range streams.FilterSubjects(info.Config) {
		event, err := stream.GetLastMsgForSubject(ctx, filter)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil || event.Sequence > info.AckFloor.Stream:
			return false
		}
	}
	return true
}
