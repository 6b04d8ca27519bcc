package dryrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// timeout is that of requests in the sandbox, whose services are in the process.
const timeout = 2 * time.Second

// A sandbox is a small bot without a channel: a server in a temporary directory that
// listens nowhere, empty streams, the database as it was, and the plugins, which
// answer requests.
type sandbox struct {
	c         *Case
	host      host.Host
	bus       *streams.Bus
	store     *kvstore.Store
	buckets   map[string]jetstream.KeyValue // by table
	overrides []override
	stops     []func() error
	readState atomic.Bool // a plugin read streams or consumer state, which are not those of then

	mu     sync.Mutex
	now    time.Time
	opened map[string][]revision // collections in use, with what is yet to change in them
	said   map[string]time.Time  // until when what handlers were answered says what a record was

	dir  string               // of the server's store
	url  string               // of the server, if it listens
	live jetstream.JetStream  // whose changes it follows, of a shadow
	read map[string]uint64    // up to which revision of the live database, by collection
	made map[string]time.Time // of the last change of others that was made, by collection

	readCut  bool            // a subscription FromFirst read a record whose history is cut
	diverged map[string]bool // collections and subjects of which answers of then are of no use any more
}

// openTimeout limits how long the sandbox's streams and buckets take to open.
const openTimeout = 2 * time.Minute

// openSandbox opens a sandbox whose time is now, and whose server listens on an address, or
// nowhere.
func openSandbox(ctx context.Context, c *Case, now time.Time, overrides []override, listen string, log *slog.Logger) (_ *sandbox, err error) {
	s := &sandbox{
		c: c, now: now, overrides: overrides, buckets: map[string]jetstream.KeyValue{},
		opened: map[string][]revision{}, said: map[string]time.Time{}, diverged: map[string]bool{}, read: map[string]uint64{}, made: map[string]time.Time{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open a sandbox: %w", err), s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "rosey-dry-run-"); err != nil {
		return nil, err
	}
	s.onClose(func() error { return os.RemoveAll(s.dir) })
	server, err := embedded.Start(embedded.Config{Store: s.dir, Listen: listen, Holder: "a dry run"})
	if err != nil {
		return nil, err
	}
	s.url = server.Info().URL
	s.onClose(server.Stop)
	closed := make(chan struct{})
	nc, err := server.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		return nil, err
	}
	s.onClose(func() error { nc.Close(); <-closed; return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	var store *pluginsettings.Store
	// A busy machine may not answer in time.
	err = retry.Do(ctx, jsapi.RetryUnavailable(openTimeout, log), func(ctx context.Context) (err error) {
		if err = streams.Open(ctx, js, streams.Options{}); err == nil {
			s.buckets[registrations], err = router.OpenBucket(ctx, js, 1)
		}
		if err == nil {
			store, err = pluginsettings.Open(ctx, js, 1)
		}
		if err == nil {
			s.buckets[settings], err = js.KeyValue(ctx, pluginsettings.Bucket)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.store, err = kvstore.NewStore(js, kvstore.WithLogger(log)); err != nil {
		return nil, err
	}
	s.onClose(func() error { s.store.Close(); return nil })
	// Without a tracer: the spans of the sandbox would have the trace IDs of then.
	s.bus = streams.NewBus(nc, js, streams.WithLogger(log), streams.WithTimeout(timeout))
	s.host = host.Host{Bus: s.bus, Bucket: s.buckets[registrations], Settings: store, Logger: log, OnRead: func() { s.readState.Store(true) }}
	if _, err := nc.Subscribe(event.AllDatabase, func(msg *nats.Msg) { s.answer(ctx, log, msg) }); err != nil {
		return nil, err
	}
	if err := s.override(ctx); err != nil {
		return nil, err
	}
	return s, s.use(ctx, registrations, settings)
}

func (s *sandbox) onClose(f func() error) { s.stops = append(s.stops, f) }

func (s *sandbox) close() (err error) {
	for i := len(s.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stops[i]())
	}
	return err
}

func (s *sandbox) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// advance sets the clock to when an event was handled, and makes the changes of others
// until then.
func (s *sandbox) advance(ctx context.Context, e Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = e.handled()
	if err := s.set(ctx, e); err != nil {
		return err
	}
	for name := range s.opened {
		if name == settings {
			continue
		}
		if err := s.catchUp(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *sandbox) catchUp(ctx context.Context, name string) error {
	left := s.opened[name]
	for len(left) > 0 && !left[0].At.After(s.now) {
		if s.said[recordKey(name, left[0].ID)].Before(left[0].At) {
			if err := s.write(ctx, name, left[0]); err != nil {
				return fmt.Errorf("bring %s to %s: %w", name, left[0].At, err)
			}
		}
		left = left[1:]
		s.opened[name] = left
	}
	return nil
}

func (s *sandbox) write(ctx context.Context, name string, c revision) (err error) {
	bucket, ok := s.buckets[name]
	if name == settings {
		c.Data = s.overridden(string(c.ID), c.Data)
	}
	switch {
	case ok && c.Data == nil:
		err = bucket.Delete(ctx, string(c.ID))
	case ok:
		_, err = bucket.Put(ctx, string(c.ID), c.Data)
	case c.Data == nil:
		_, err = s.store.Delete(ctx, event.Delete{Collection: name, ID: c.ID})
		if event.CodeOf(err) == event.RecordNotFound {
			err = nil // the plugin did not create it this time
		}
	default:
		_, err = s.store.Set(ctx, event.Set{Collection: name, ID: c.ID, Data: c.Data})
	}
	return err
}

// use loads collections into the sandbox that it does not have yet.
func (s *sandbox) use(ctx context.Context, names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if _, ok := s.opened[name]; ok {
			continue
		}
		t, err := s.c.table(ctx, name)
		if err != nil {
			return fmt.Errorf("the past of %s: %w", name, err)
		}
		if err := s.fill(ctx, name, t); err != nil {
			return fmt.Errorf("fill %s: %w", name, err)
		}
		if s.opened[name] = slices.Clone(t.Changes); name == settings { // see set
			continue
		}
		if err := s.catchUp(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// markUsed notes that the sandbox answers from collections.
func (s *sandbox) markUsed(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.c.tables[name].used = true
	}
}

func (s *sandbox) fill(ctx context.Context, name string, t *table) error {
	if _, ok := s.buckets[name]; ok {
		for _, r := range t.Rows {
			if err := s.write(ctx, name, r); err != nil {
				return err
			}
		}
		return nil
	}
	if t.Reserved > 0 {
		if err := s.store.Reserve(ctx, name, t.Reserved); err != nil {
			return err
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	var lines bytes.Buffer
	for _, r := range t.Rows {
		line, err := withID(r)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	_, err := s.store.Import(ctx, name, bytes.NewReader(lines.Bytes()), nil, nil)
	return err
}

// withID returns a record as a line to import.
func withID(r revision) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Data, &fields); err != nil {
		return nil, fmt.Errorf("record %s: %w", r.ID, err)
	}
	id, err := r.ID.MarshalJSON()
	if err != nil {
		return nil, err
	}
	fields["id"] = id
	return json.Marshal(fields)
}

// answer answers a database request like the database service, after loading its
// collections.
func (s *sandbox) answer(ctx context.Context, log *slog.Logger, msg *nats.Msg) {
	if msg.Reply == "" {
		return
	}
	reply, err := s.respond(ctx, msg)
	if err != nil {
		reply, _ = event.AsError(err, event.DatabaseError).MarshalJSON()
	}
	if err := msg.Respond(reply); err != nil {
		log.WarnContext(ctx, "reply not sent", "subject", msg.Subject, "error", err)
	}
}

func (s *sandbox) respond(ctx context.Context, msg *nats.Msg) ([]byte, error) {
	e, err := streams.Decode(msg.Subject, msg.Header, msg.Data, time.Now())
	if err != nil {
		return nil, err
	}
	names := collections(e.Data)
	if msg.Subject == event.SubjectCollections {
		if names, err = s.c.source.names(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.use(ctx, names...); err != nil {
		return nil, err
	}
	if err := s.catchUpLive(ctx, names); err != nil {
		return nil, err
	}
	s.markUsed(names)
	ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	if id := streams.RequestID(msg.Header); id != "" {
		ctx = kvstore.WithMsgID(ctx, id)
	}
	return service.Answer(ctx, s.store, msg.Subject, e.Data), nil
}
