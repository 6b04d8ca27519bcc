package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins/natsproxy"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
)

// A passage knows which event of the sandbox is which live one, and gives deliveries in the
// sandbox the sequence and time of the live event. Message IDs, causes, chance and ages then
// are as they are for the live version.
type passage struct {
	durables []string // the plugin's

	mu      sync.Mutex // held while an event is stored, as it may be delivered before its sequence is known
	live    map[event.Ref]Event
	sandbox map[event.Ref]uint64 // by the live reference
}

// ownOffset is added to the sequence of what the program itself has stored in the sandbox, so
// that it is no live event's.
const ownOffset = 1 << 40

func newPassage(plugin string) *passage {
	return &passage{durables: []string{streams.Durable(plugin), streams.PastDurable(plugin)}, live: map[event.Ref]Event{}, sandbox: map[event.Ref]uint64{}}
}

func (p *passage) store(e Event, publish func() (uint64, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seq, err := publish()
	if err == nil {
		p.live[event.Ref{Stream: e.Ref.Stream, Seq: seq}], p.sandbox[e.Ref] = e, seq
	}
	return err
}

func (p *passage) sandboxSeq(live event.Ref) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sandbox[live]
}

// fromServer gives a delivery the sequence and time of the live event.
func (p *passage) fromServer(f natsproxy.Frame) natsproxy.Action {
	d, ok := f.Delivered()
	if !ok || !slices.Contains(p.durables, d.Durable) {
		return natsproxy.Action{Frame: f}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.live[event.Ref{Stream: d.Stream, Seq: d.Seq}]; ok {
		return natsproxy.Action{Frame: f.As(e.Ref.Seq, e.At)}
	}
	return natsproxy.Action{Frame: f.As(d.Seq+ownOffset, d.At)}
}

// fromClient gives an acknowledgement the sequence in the sandbox.
func (p *passage) fromClient(f natsproxy.Frame) natsproxy.Action {
	d, ok := natsproxy.ParseDelivery(f.Subject())
	if !ok || !slices.Contains(p.durables, d.Durable) {
		return natsproxy.Action{Frame: f}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq, ok := p.sandbox[event.Ref{Stream: d.Stream, Seq: d.Seq}]; ok {
		return natsproxy.Action{Frame: f.As(seq, d.At)}
	}
	return natsproxy.Action{Frame: f.As(d.Seq-ownOffset, d.At)}
}

// open opens a sandbox that the program can connect to, with credentials of its own.
func (s *shadow) open(ctx context.Context, running *sync.WaitGroup) error {
	c := &Case{Plugin: s.Plugin, tables: map[string]*table{}, source: history{js: s.live, plugin: s.Plugin, from: time.Now(), every: true}}
	var err error
	if s.sandbox, err = openSandbox(ctx, c, time.Now(), nil, "127.0.0.1:0", s.Logger); err != nil {
		return err
	}
	s.js, s.sandbox.live = s.sandbox.bus.JetStream(), s.live
	provisioner := access.NewProvisioner(s.sandbox.bus, s.Logger)
	provisioner.Events = router.NewAccess(s.sandbox.buckets[registrations]).Events
	running.Go(func() {
		if err := provisioner.Serve(ctx); err != nil && ctx.Err() == nil {
			s.fail(err)
		}
	})
	running.Go(func() {
		if err := s.copySettings(ctx); err != nil && ctx.Err() == nil {
			s.fail(err)
		}
	})
	for _, subject := range []string{event.RequestSubject("*"), event.RequestSubject("*", ">")} {
		if _, err := s.sandbox.bus.Conn().Subscribe(subject, func(msg *nats.Msg) { s.answerRequest(ctx, msg) }); err != nil {
			return err
		}
	}
	return s.restrict(ctx)
}

// restrict makes credentials and a proxy for the program.
func (s *shadow) restrict(ctx context.Context) error {
	path := filepath.Join(s.sandbox.dir, s.Plugin+".creds")
	if err := access.WriteCredentials(ctx, s.js, s.sandbox.dir, s.Plugin, path); err != nil {
		return err
	}
	proxy, err := natsproxy.Start(natsproxy.Config{Server: s.sandbox.url, FromServer: s.passed.fromServer, FromClient: s.passed.fromClient})
	if err != nil {
		return err
	}
	s.sandbox.onClose(proxy.Stop)
	s.Command.Plugin, s.Command.Log = s.Plugin, s.Logger
	s.Command.Env = append(process.Environment(proxy.URL(), path, s.Plugin, nil), s.Command.Env...)
	return nil
}

// copySettings keeps the settings in the sandbox as the live ones are, until ctx ends.
func (s *shadow) copySettings(ctx context.Context) error {
	from, err := s.live.KeyValue(ctx, streams.PluginSettings)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", streams.PluginSettings, err)
	}
	to, err := s.js.KeyValue(ctx, streams.PluginSettings)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", streams.PluginSettings, err)
	}
	watcher, err := from.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", streams.PluginSettings, err)
	}
	defer func() { _ = watcher.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry := <-watcher.Updates():
			switch {
			case entry == nil:
			case entry.Operation() == jetstream.KeyValuePut:
				_, err = to.Put(ctx, entry.Key(), entry.Value())
			default:
				err = to.Delete(ctx, entry.Key())
			}
			if err != nil {
				return fmt.Errorf("copy the settings %s: %w", entry.Key(), err)
			}
		}
	}
}

// requestWait is how long a request to another plugin waits for the live version to make it, too.
const requestWait = 3 * time.Second

// answerRequest answers what the program asks of another plugin as the live version was
// answered.
func (s *shadow) answerRequest(ctx context.Context, msg *nats.Msg) {
	if msg.Reply == "" || event.PluginOf(msg.Subject) == s.Plugin {
		return
	}
	e, err := streams.Decode(msg.Subject, msg.Header, msg.Data, time.Now())
	if err != nil {
		return
	}
	reply, err := s.replyOfLive(ctx, e)
	if err != nil {
		reply, _ = event.AsError(err, event.PluginError).MarshalJSON()
	}
	_ = msg.Respond(reply)
}

// replyOfLive returns what the live version was answered to a request, and waits for that.
func (s *shadow) replyOfLive(ctx context.Context, e event.Envelope) (json.RawMessage, error) {
	unasked := event.Errorf(event.PluginError, "the live version of %s did not ask this of %s, and a new version beside it asks nothing of other plugins", s.Plugin, strings.TrimPrefix(e.Subject, "plugin."))
	cause, ok := e.Causation()
	if !ok {
		return nil, unasked
	}
	policy := retry.Policy{Initial: 50 * time.Millisecond, Max: 200 * time.Millisecond, MaxElapsed: requestWait}
	return retry.Value(ctx, policy, func(ctx context.Context) (json.RawMessage, error) {
		all, err := streams.AllExchanges(ctx, s.live, s.Plugin, cause)
		if err != nil {
			return nil, err
		}
		for _, x := range all[cause].List {
			if x.Subject == e.Subject && equalRequests(x.Subject, x.Request, e.Data) {
				return x.Reply, nil
			}
		}
		return nil, unasked
	})
}

// catchUpLive makes the changes that others have made in collections of the live database
// since they were read last.
func (s *sandbox) catchUpLive(ctx context.Context, names []string) error {
	if s.live == nil {
		return nil
	}
	for _, name := range names {
		stream, err := s.live.Stream(ctx, bucketStream+name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		last := stream.CachedInfo().State.LastSeq
		s.mu.Lock()
		known := s.read[name]
		s.read[name] = last
		s.mu.Unlock()
		if known == last {
			continue
		}
		t, err := s.c.source.read(ctx, name)
		if err != nil {
			return err
		}
		if err := s.apply(ctx, name, t.Changes); err != nil {
			return err
		}
	}
	return nil
}

// apply makes those of the changes that are not made yet.
func (s *sandbox) apply(ctx context.Context, name string, changes []revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if !c.At.After(s.made[name]) {
			continue
		}
		if err := s.write(ctx, name, c); err != nil {
			return err
		}
		s.made[name] = c.At
	}
	return nil
}
