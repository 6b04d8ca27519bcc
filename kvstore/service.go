package kvstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// ServiceName is the service's name for nats micro, and its queue group.
const ServiceName = "database"

const serviceVersion = "1.0.0"

// requestTimeout bounds the handling of one request; it is longer than the 10 s
// that the contract advises requesters to wait for a complex query.
const requestTimeout = 15 * time.Second

// A Service answers database.* requests. Several may run on one server or
// cluster; each request goes to one of them.
type Service struct {
	nc    *nats.Conn
	store *Store
	work  chan struct{}     // one slot for each request being handled
	stats map[string]*stats // by operation

	mu      sync.Mutex
	micro   micro.Service
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// New makes a Service; Start or Serve runs it.
func New(nc *nats.Conn, js jetstream.JetStream, opts ...Option) (*Service, error) {
	store, err := NewStore(js, opts...)
	if err != nil {
		return nil, err
	}
	s := &Service{nc: nc, store: store, work: make(chan struct{}, store.concurrency), stats: map[string]*stats{}}
	for name := range store.operations {
		s.stats[name] = new(stats)
	}
	return s, nil
}

// Store is the Store that the service answers from.
func (s *Service) Store() *Store { return s.store }

// Serve runs the service until ctx ends, then stops it as Stop does. It calls ready
// once requests are answered, and returns nil unless the service could not be
// started.
func (s *Service) Serve(ctx context.Context, ready func()) error {
	if err := s.Start(); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return s.Stop()
}

// Start begins to answer requests; when it returns, no request goes unheard.
func (s *Service) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.micro != nil {
		return errors.New("kvstore: the service runs already")
	}
	m, err := micro.AddService(s.nc, micro.Config{
		Name:        ServiceName,
		Version:     serviceVersion,
		Description: "Collections of records on JetStream KV",
		QueueGroup:  ServiceName,
		StatsHandler: func(e *micro.Endpoint) any {
			return s.stats[strings.TrimPrefix(e.Subject, ServiceName+".")].get()
		},
		ErrorHandler: func(_ micro.Service, e *micro.NATSError) {
			s.store.log.Error("database service", "subject", e.Subject, "error", e.Description)
		},
	})
	if err != nil {
		return fmt.Errorf("start the database service: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group := m.AddGroup(ServiceName)
	for name := range s.store.operations {
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
	ctx = behindAnnouncements(ctx, s.nc)
	header := nats.Header(r.Headers())
	if id := streams.RequestID(header); id != "" {
		ctx = WithMsgID(ctx, id)
	}
	e, err := streams.Decode(r.Subject(), header, r.Data(), start)
	ctx, span := s.store.tracer.Answer(ctx, streams.Stored{Envelope: e, Header: header, At: start})
	defer span.End()
	var reply []byte
	if err == nil {
		reply, err = s.store.answer(ctx, op, e)
	}
	if limit := s.nc.MaxPayload(); err == nil && int64(len(reply)) > limit {
		err = event.Errorf(event.InvalidInput, "%s was done, but its answer of %d bytes is larger than the server's max_payload of %d: ask for less at a time", e.Subject, len(reply), limit)
	}
	out := &nats.Msg{Subject: r.Reply(), Data: reply}
	if err != nil {
		out.Data = failed(err)
		s.report(ctx, span, op, out, event.AsError(err, event.DatabaseError))
	}
	if streams.Answerable(out.Subject) {
		if err := s.nc.PublishMsg(out); err != nil {
			s.store.log.ErrorContext(ctx, "a database request is left without its answer", "subject", e.Subject, "error", err)
		}
	}
	took := time.Since(start)
	s.stats[op].add(took, err)
	s.store.observe(op, took, err)
}

// report tells of a failure whoever looks at the reply's headers, the trace or
// the log.
func (s *Service) report(ctx context.Context, span trace.Span, op string, reply *nats.Msg, err *event.Error) {
	reply.Header = nats.Header{micro.ErrorHeader: {event.Headline(err.Message)}, micro.ErrorCodeHeader: {string(err.Code)}}
	level := slog.LevelDebug
	if err.Code != event.RecordNotFound && err.Code != event.InvalidInput && !errors.Is(err, errConflict) {
		level = slog.LevelWarn
	}
	s.store.log.Log(ctx, level, "database request failed", "operation", op, "error_code", string(err.Code), "error", err)
	_ = streams.Fail(span, err, err.Code)
}

func failed(err error) []byte {
	reply, encodeErr := event.AsError(err, event.DatabaseError).MarshalJSON()
	if encodeErr != nil {
		reply, _ = event.Errorf(event.DatabaseError, "%s", err).MarshalJSON()
	}
	return reply
}

// Stats are the figures of one operation, which nats micro stats shows as the
// endpoint's data: its own figures end where a request is handed on.
type Stats struct {
	Requests  int           `json:"requests"`
	Errors    int           `json:"errors"`
	LastError string        `json:"last_error"`
	Time      time.Duration `json:"processing_time"` // ns, of all requests
	Average   time.Duration `json:"average_processing_time"`
}

type stats struct {
	mu sync.Mutex
	Stats
	average time.Duration // of the last requests, weighted by age
}

func (s *stats) recent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.average
}

func (s *stats) add(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	s.Time += took
	s.Average = s.Time / time.Duration(s.Requests)
	s.average += (took - s.average) / 16
	if err != nil {
		s.Errors++
		s.LastError = err.Error()
	}
}

func (s *stats) get() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Stats
}
