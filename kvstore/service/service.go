// Package service answers the contract's database.* requests from a kvstore.Store, as
// a NATS micro service.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// Name is the service's name for nats micro, and its queue group.
const Name = "database"

const version = "1.0.0"

// requestTimeout bounds the handling of one request.
const requestTimeout = kvstore.RequestTimeout

// concurrency is how many requests one Service handles at a time.
const concurrency = 64

// Options are the settings of a Service. The zero value is fit for use.
type Options struct {
	Tracer streams.Tracer // handles every request under a span, unless it is nil
	// Observe, if set, is called after each request was answered, with the operation's
	// name ("get", "set", …), the time it took and its error.
	Observe func(op string, d time.Duration, err error)
	// Access, if set, says who may use which collection.
	Access Access
}

// A Service answers database.* requests. Several may run on one server or
// cluster; each request goes to one of them.
type Service struct {
	nc    *nats.Conn
	store *kvstore.Store
	opts  Options
	work  chan struct{}     // one slot for each request being handled
	stats map[string]*stats // by operation

	mu      sync.Mutex
	micro   micro.Service
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// New makes a Service that answers from store; Start or Serve runs it, and Stop closes
// the store.
func New(nc *nats.Conn, store *kvstore.Store, opts Options) *Service {
	if opts.Tracer == nil {
		opts.Tracer = streams.NoTracer{}
	}
	if opts.Observe == nil {
		opts.Observe = func(string, time.Duration, error) {}
	}
	s := &Service{nc: nc, store: store, opts: opts, work: make(chan struct{}, concurrency), stats: map[string]*stats{}}
	for name := range operations {
		s.stats[name] = new(stats)
	}
	return s
}

// Store returns the Store that the service answers from.
func (s *Service) Store() *kvstore.Store { return s.store }

// Serve runs the service until ctx ends, then stops it as Stop does. It calls ready
// once requests are answered, and returns nil unless the service could not be
// started.
func (s *Service) Serve(ctx context.Context, ready func()) error {
	if err := s.Start(); err != nil {
		return err
	}
	ready()
	policy := jsapi.RetryUnavailable(0, s.store.Logger())
	if err := retry.Do(ctx, policy, s.store.Recover); err != nil && ctx.Err() == nil {
		s.store.Logger().WarnContext(ctx, "deleted collections not recovered", "error", err)
	}
	<-ctx.Done()
	return s.Stop()
}

// Start begins to answer requests; when it returns, no request goes unheard.
func (s *Service) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.micro != nil {
		return errors.New("the database service runs already")
	}
	m, err := micro.AddService(s.nc, micro.Config{
		Name:        Name,
		Version:     version,
		Description: "Collections of records on JetStream KV",
		QueueGroup:  Name,
		StatsHandler: func(e *micro.Endpoint) any {
			return s.stats[strings.TrimPrefix(e.Subject, Name+".")].get()
		},
		ErrorHandler: func(_ micro.Service, e *micro.NATSError) {
			s.store.Logger().Error("database service", "subject", e.Subject, "error", e.Description)
		},
	})
	if err != nil {
		return fmt.Errorf("start the database service: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group := m.AddGroup(Name)
	for name := range operations {
		err := group.AddEndpoint(name, micro.HandlerFunc(func(r micro.Request) { s.accept(ctx, name, r) }))
		if err != nil {
			cancel()
			return errors.Join(fmt.Errorf("start the database service: %s: %w", name, err), m.Stop())
		}
	}
	if err := s.nc.FlushTimeout(5 * time.Second); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("start the database service: %w", err), m.Stop())
	}
	s.micro, s.cancel = m, cancel
	return nil
}

// Stop takes no more requests, answers those that it has, and closes the store.
func (s *Service) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.micro == nil {
		return nil
	}
	err := s.micro.Stop()
	s.drained()
	s.running.Wait()
	s.cancel()
	s.store.Close()
	s.micro = nil
	if err != nil {
		return fmt.Errorf("stop the database service: %w", err)
	}
	return nil
}

// drained waits until every request that reached this connection before the
// service stopped has been accepted.
func (s *Service) drained() {
	if s.nc.FlushTimeout(requestTimeout) != nil {
		return // nothing comes or goes any more
	}
	done := make(chan struct{})
	if s.nc.Barrier(func() { close(done) }) != nil {
		return
	}
	select {
	case <-done:
	case <-time.After(requestTimeout): // another subscription of the connection is stuck
	}
}

// inlineBelow is what an operation on one record takes, on average, where it is
// not worth a goroutine of its own.
const inlineBelow = 250 * time.Microsecond

// accept hands a request to a goroutine, because what takes long must not hold
// up the requests behind it. On a fast store single records do not take long.
func (s *Service) accept(ctx context.Context, op string, r micro.Request) {
	if (op == "get" || op == "set" || op == "delete") && s.stats[op].recent() < inlineBelow {
		s.serve(ctx, op, r)
		return
	}
	s.work <- struct{}{}
	s.running.Add(1)
	go func() {
		defer func() {
			<-s.work
			s.running.Done()
		}()
		s.serve(ctx, op, r)
	}()
}

func (s *Service) serve(ctx context.Context, op string, r micro.Request) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	header := nats.Header(r.Headers())
	if id := streams.RequestID(header); id != "" {
		ctx = kvstore.WithMsgID(ctx, id)
		if since, err := time.Parse(time.RFC3339Nano, header.Get(streams.HeaderEarlier)); err == nil {
			ctx = kvstore.WithEarlier(ctx, since)
		}
	}
	e, err := streams.Decode(r.Subject(), header, r.Data(), start)
	if s.opts.Access != nil {
		ctx = withRequester(ctx, requester{s.opts.Access, header.Get(streams.HeaderPublisher), e.Meta(event.MetaSource)})
	}
	ctx, span := s.opts.Tracer.Answer(ctx, streams.Stored{Envelope: e, Header: header, At: start})
	defer span.End()
	var reply []byte
	if err == nil {
		reply, err = answer(ctx, s.store, operations[op], e)
	}
	if limit := s.nc.MaxPayload(); err == nil && int64(len(reply)) > limit {
		err = event.Errorf(event.InvalidInput, "%s was done, but its answer of %d bytes is larger than the server's max_payload of %d: ask for less at a time", e.Subject, len(reply), limit)
	}
	out := &nats.Msg{Subject: r.Reply(), Data: reply}
	if err != nil {
		out.Data = failed(err)
		s.report(ctx, span, op, out, event.AsError(err, event.DatabaseError))
	}
	if streams.CanReply(out.Subject) {
		if err := s.nc.PublishMsg(out); err != nil {
			s.store.Logger().ErrorContext(ctx, "reply not sent", "subject", e.Subject, "error", err)
		}
	}
	took := time.Since(start)
	s.stats[op].add(took, err)
	s.opts.Observe(op, took, err)
}

// report tells of a failure whoever looks at the reply's headers, the trace or
// the log.
func (s *Service) report(ctx context.Context, span trace.Span, op string, reply *nats.Msg, err *event.Error) {
	reply.Header = nats.Header{micro.ErrorHeader: {event.Headline(err.Message)}, micro.ErrorCodeHeader: {string(err.Code)}}
	level := slog.LevelDebug
	if err.Code != event.RecordNotFound && err.Code != event.InvalidInput && !errors.Is(err, kvstore.ErrConflict) {
		level = slog.LevelWarn
	}
	s.store.Logger().Log(ctx, level, "database request failed", "operation", op, "error_code", string(err.Code), "error", err)
	_ = propagation.RecordError(span, err, err.Code)
}

func failed(err error) []byte {
	reply, encodeErr := event.AsError(err, event.DatabaseError).MarshalJSON()
	if encodeErr != nil {
		reply, _ = event.Errorf(event.DatabaseError, "%s", err).MarshalJSON()
	}
	return reply
}
