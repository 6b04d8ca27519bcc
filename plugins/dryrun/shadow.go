package dryrun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// ShadowOptions are the settings of Shadow.
type ShadowOptions struct {
	Plugin string
	// Command is the new version's program. It runs with the environment of a plugin's process, to
	// which its Env is added.
	Command process.Command
	// Wait is how long the comparison of an event waits until both versions have settled it; half
	// a minute if 0.
	Wait   time.Duration
	Logger *slog.Logger // gets what the program writes and what the sandbox logs; nil discards
	// OnReady, if set, is called once the program reads its events.
	OnReady func()
	// OnState, if set, is called when the program starts or ends.
	OnState func(process.State)
}

// A shadow is a program that gets the events of a plugin in a sandbox, beside the plugin.
type shadow struct {
	ShadowOptions
	live    jetstream.JetStream
	sandbox *sandbox
	js      jetstream.JetStream // the sandbox's
	passed  *passage
	events  chan Event
	failed  chan error
}

// Shadow runs a new version of a plugin's program beside the live one, on the same events,
// until ctx ends, and calls found with each comparison of what the two publish and write.
// Nothing that the program does leaves the sandbox: it speaks in no channel, and its records
// are written over those of the live database, which it reads as they were when it began,
// with the changes that others than the plugin have made since. What it asks of other
// plugins is answered as the live version was answered.
func Shadow(ctx context.Context, live jetstream.JetStream, o ShadowOptions, found func(Result) error) (err error) {
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.Command.Check(); err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	s := &shadow{ShadowOptions: o, live: live, passed: newPassage(o.Plugin), events: make(chan Event, 10_000), failed: make(chan error, 10)}
	subjects, err := s.liveSubjects(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
		if s.sandbox != nil {
			err = errors.Join(err, s.sandbox.close())
		}
	}()
	if err := s.open(ctx, &running); err != nil {
		return err
	}
	if err := s.run(ctx, &running); err != nil {
		return err
	}
	for stream, filters := range subjects {
		if err := s.follow(ctx, stream, filters); err != nil {
			return err
		}
	}
	if o.OnReady != nil {
		o.OnReady()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case e := <-s.events:
			r, err := s.compare(ctx, e)
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				err = found(r)
			}
			if err != nil {
				return err
			}
		}
	}
}

// liveSubjects returns what the live plugin reads, by stream. It is an error if the plugin still
// reads the past: its records are not yet what the new version would go on from.
func (s *shadow) liveSubjects(ctx context.Context) (map[string][]string, error) {
	all := map[string][]string{}
	for _, stream := range streams.ReadableStreams() {
		durables, err := s.durables(ctx, s.live, stream)
		if err != nil {
			return nil, event.Errorf(event.NATSError, "look at the consumers of %s: %w", s.Plugin, err)
		}
		for _, c := range durables {
			if streams.IsPast(c.Name) && c.NumPending > plugins.PastBatch {
				return nil, event.Errorf(event.InvalidInput, "%s still reads the past, %d events are left: try again when rosey plugin ls shows that it has", s.Plugin, c.NumPending)
			}
			all[stream] = append(all[stream], streams.FilterSubjects(c.Config)...)
		}
	}
	if len(all) == 0 {
		return nil, event.Errorf(event.InvalidInput, "there is no plugin %s that reads events: rosey plugin ls lists those that there are", s.Plugin)
	}
	return all, nil
}

// durables returns the plugin's durables on a stream, also the one that reads from the first event.
func (s *shadow) durables(ctx context.Context, js jetstream.JetStream, stream string) (all []*jetstream.ConsumerInfo, err error) {
	for _, name := range []string{streams.Durable(s.Plugin), streams.PastDurable(s.Plugin)} {
		c, err := js.Consumer(ctx, stream, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c.CachedInfo())
	}
	return all, nil
}

// run starts the program and waits until it reads its commands. A program that ends before it does
// would end again.
func (s *shadow) run(ctx context.Context, running *sync.WaitGroup) error {
	supervisor := &process.Supervisor{Command: s.Command, OnState: s.OnState}
	running.Go(func() { supervisor.Run(ctx) })
	return retry.Do(ctx, retry.Policy{Initial: 50 * time.Millisecond, Max: 50 * time.Millisecond, MaxElapsed: time.Minute}, func(ctx context.Context) error {
		reads, err := host.Reads(ctx, s.js, s.Plugin)
		if err == nil && !reads {
			st := supervisor.State()
			err = fmt.Errorf("%s does not read its commands: it is %s; it wrote: %s", s.Command.Args[0], st.Text(), strings.Join(st.Output, " / "))
			if st.LastExit != "" {
				err = retry.Permanent(err)
			}
		}
		return err
	})
}

// follow hands to the program what is stored in a live stream from now on. The filters of two
// durables may overlap, which the server does not take for one consumer.
func (s *shadow) follow(ctx context.Context, stream string, filters []string) error {
	c, err := s.live.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return event.Errorf(event.NATSError, "read stream %s: %w", stream, err)
	}
	reading, err := c.Consume(func(msg jetstream.Msg) {
		if !matchesAny(filters, msg.Subject()) {
			return
		}
		if err := s.pass(ctx, stream, msg); err != nil && ctx.Err() == nil {
			s.fail(err)
		}
	})
	if err != nil {
		return event.Errorf(event.NATSError, "read stream %s: %w", stream, err)
	}
	context.AfterFunc(ctx, reading.Stop)
	return nil
}

func matchesAny(filters []string, subject string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return event.Match(f, subject) })
}

func (s *shadow) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// pass stores a live event in the sandbox, from where the program gets it under its own
// sequence and time.
func (s *shadow) pass(ctx context.Context, stream string, msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	out := &nats.Msg{Subject: msg.Subject(), Header: nats.Header{}, Data: msg.Data()}
	for key, values := range msg.Headers() {
		if !strings.HasPrefix(key, "Nats-") {
			out.Header[key] = values
		}
	}
	e := Event{Event: replay.Event{Ref: event.Ref{Stream: stream, Seq: meta.Sequence.Stream}, At: meta.Timestamp, Subject: msg.Subject(), Header: msg.Headers(), Body: msg.Data()}}
	if err := s.passed.store(e, func() (uint64, error) {
		ack, err := s.js.PublishMsg(ctx, out)
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	}); err != nil {
		return fmt.Errorf("store %s in the sandbox: %w", e.Ref, err)
	}
	s.events <- e
	return nil
}

// compare waits until both versions have settled an event and compares what they did.
func (s *shadow) compare(ctx context.Context, e Event) (Result, error) {
	late := ""
	for name, of := range map[string]struct {
		js  jetstream.JetStream
		seq uint64
	}{"the live version": {s.live, e.Ref.Seq}, "the new version": {s.js, s.passed.sandboxSeq(e.Ref)}} {
		if !s.settled(ctx, of.js, e, of.seq) {
			late = fmt.Sprintf("%s has not settled it within %s", name, s.Wait)
		}
	}
	then, err := s.outputs(ctx, s.live, e)
	if err != nil {
		return Result{}, err
	}
	now, err := s.outputs(ctx, s.js, e)
	if err != nil {
		return Result{}, err
	}
	return Result{Event: then, Outputs: now.Recorded, Diffs: compare(then.Recorded, now.Recorded), Excluded: late}, s.forgetTimers(ctx)
}

// settled waits until those of the plugin's durables that read an event have settled it.
func (s *shadow) settled(ctx context.Context, js jetstream.JetStream, e Event, seq uint64) bool {
	policy := retry.Policy{Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond, MaxElapsed: s.Wait}
	return retry.Do(ctx, policy, func(ctx context.Context) error {
		durables, err := s.durables(ctx, js, e.Ref.Stream)
		if err == nil && len(durables) == 0 {
			err = errors.New("no durable")
		}
		for _, c := range durables {
			done := c.AckFloor.Stream >= seq || c.Delivered.Stream >= seq && c.NumPending == 0 && c.NumAckPending == 0
			if !done && matchesAny(streams.FilterSubjects(c.Config), e.Subject) {
				err = errors.New("not settled")
			}
		}
		return err
	}) == nil
}

// outputs returns the event with what a version did because of it.
func (s *shadow) outputs(ctx context.Context, js jetstream.JetStream, e Event) (Event, error) {
	c := &Case{Plugin: s.Plugin, Events: []Event{e}}
	index := map[event.Ref]int{e.Ref: 0}
	if err := c.readExchanges(ctx, js, index, e.Ref); err != nil {
		return e, err
	}
	// The sandbox stores what is handled later than the live streams store what happens.
	return c.Events[0], c.readOutputs(ctx, js, index, nil)
}

// forgetTimers deletes the timers in the sandbox: those of the live version fire.
func (s *shadow) forgetTimers(ctx context.Context) error {
	timers, err := s.js.Stream(ctx, streams.Timer)
	if err == nil {
		err = timers.Purge(ctx)
	}
	return err
}
