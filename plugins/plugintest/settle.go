package plugintest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// Settle waits until plugins, or all if none is named, have handled all their events,
// including those that the router has yet to route.
func (c *Channel) Settle(names ...string) {
	c.t.Helper()
	if len(names) == 0 {
		for _, p := range c.plugins {
			names = append(names, p.Name)
		}
	}
	var durables []durable
	for _, name := range names {
		durables = append(durables, c.durables(name)...)
	}
	c.settle(durables)
}

// settle waits until consumers and the router's are idle, and returns the last sequences
// delivered to them. It reads a stream once those asked for before are idle: most are not at first.
func (c *Channel) settle(durables []durable) []uint64 {
	c.t.Helper()
	durables = slices.Concat([]durable{{streams.Cytube, router.Durable}}, durables)
	var names []string
	views := map[string]*view{}
	for _, d := range durables {
		names, views[d.stream] = append(names, d.name), &view{}
	}
	// One of them may have given work to another that was idle before.
	var before, now []uint64
	c.await(strings.Join(names, ", ")+" to settle", func() bool {
		before, now = now, nil
		read := map[string]bool{}
		for _, d := range durables {
			v := views[d.stream]
			if !read[d.stream] && v.update(c.ctx, c.Bus.JetStream(), d.stream) != nil {
				return false
			}
			read[d.stream] = true
			delivered, idle := v.idle(c.ctx, c.Bus.JetStream(), d.name)
			if !idle {
				return false
			}
			now = append(now, delivered)
		}
		return slices.Equal(before, now)
	})
	return now[1:]
}

// A view is what was known of a stream and its consumers at one time.
type view struct {
	stream    jetstream.Stream
	consumers map[string]*jetstream.ConsumerInfo
	end       uint64            // the stream's last sequence
	last      map[string]uint64 // last sequences by subject, nil if they are yet to be read
}

// update reads the consumers first, lest one be taken for idle that has not seen what is
// stored after that.
func (v *view) update(ctx context.Context, js jetstream.JetStream, name string) (err error) {
	if v.stream == nil {
		if v.stream, err = js.Stream(ctx, name); err != nil {
			return err
		}
	}
	v.consumers = map[string]*jetstream.ConsumerInfo{}
	lister := v.stream.ListConsumers(ctx)
	for info := range lister.Info() {
		v.consumers[info.Name] = info
	}
	info, err := v.stream.Info(ctx)
	if err := errors.Join(lister.Err(), err); err != nil {
		return err
	}
	if end := info.State.LastSeq; end != v.end {
		v.end, v.last = end, nil
	}
	return nil
}

// idle returns the last sequence delivered to a consumer, and whether it has nothing to do.
// The server counts what is pending a moment after it has stored it.
func (v *view) idle(ctx context.Context, js jetstream.JetStream, name string) (delivered uint64, idle bool) {
	info := v.consumers[name]
	if info == nil || info.NumWaiting == 0 || info.NumPending > 0 || info.NumAckPending > 0 {
		return 0, false
	}
	delivered = info.Delivered.Stream
	if delivered >= v.end {
		return delivered, true
	}
	if v.last == nil && v.readLast(ctx, js) != nil {
		return 0, false
	}
	for subject, last := range v.last {
		if last > delivered && streams.MatchesFilter(info.Config, subject) {
			v.last = nil // it may be deleted before it is delivered
			return 0, false
		}
	}
	return delivered, true
}

// readLast reads the last message of each subject.
func (v *view) readLast(ctx context.Context, js jetstream.JetStream) error {
	found, err := jetstreamext.GetLastMsgsFor(ctx, js, v.stream.CachedInfo().Config.Name, []string{">"})
	if err != nil {
		return err
	}
	last := map[string]uint64{}
	for msg, err := range found {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return err
		}
		last[msg.Subject] = msg.Sequence
	}
	v.last = last
	return nil
}

type durable struct{ stream, name string }

// durables returns the consumers of a plugin.
func (c *Channel) durables(plugin string) (all []durable) {
	c.t.Helper()
	i := slices.IndexFunc(c.plugins, func(p plugins.Plugin) bool { return p.Name == plugin })
	if i < 0 {
		c.t.Fatalf("no plugin %s runs", plugin)
	}
	live, err := c.plugins[i].SubjectsByStream()
	past, pastErr := c.plugins[i].PastSubjectsByStream()
	if err := errors.Join(err, pastErr); err != nil {
		c.t.Fatal(err)
	}
	for _, stream := range slices.Sorted(maps.Keys(live)) {
		all = append(all, durable{stream, streams.Durable(plugin)})
	}
	for _, stream := range slices.Sorted(maps.Keys(past)) {
		all = append(all, durable{stream, streams.PastDurable(plugin)})
	}
	return all
}
