package connect_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A bot that starts again is found by those that knew the last one, of which
// some cannot look into the store, and by those that can even where another
// program took its port.
func TestClientsFindTheNextServerOfAStore(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	dir := t.TempDir()
	start := func() *embedded.Server {
		s, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := connect.Dial(connect.Remote{Store: dir}); !errors.Is(err, connect.ErrNotRunning) {
		t.Errorf("no server: %v", err)
	}
	first := start()
	closed := make(chan struct{}, 2)
	reconnected := make(chan *nats.Conn, 10)
	watch := func(nc *nats.Conn, err error) *nats.Conn {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		nc.SetReconnectHandler(func(nc *nats.Conn) { reconnected <- nc })
		nc.SetClosedHandler(func(*nats.Conn) { closed <- struct{}{} })
		return nc
	}
	foreign := watch(nats.Connect(first.Info().URL, nats.UserInfo(first.Info().User, first.Info().Password), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond)))
	following := watch(connect.Dial(connect.Remote{Store: dir}))
	defer func() { foreign.Close(); following.Close(); <-closed; <-closed }()
	await := func(wanted ...*nats.Conn) { t.Helper(); awaitAll(ctx, t, reconnected, wanted...) }

	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := start()
	await(foreign, following)
	if second.Info().URL != first.Info().URL || second.Info().Password != first.Info().Password {
		t.Errorf("the second server is at %s, the first was at %s", second.Info().URL, first.Info().URL)
	}

	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	squatter, err := net.Listen("tcp", strings.TrimPrefix(second.Info().URL, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	third := start()
	defer third.Stop()
	await(following)
	if third.Info().URL == second.Info().URL {
		t.Error("two servers on one port")
	}
}

// awaitAll waits until all of the connections have reconnected.
func awaitAll(ctx context.Context, t *testing.T, reconnected <-chan *nats.Conn, wanted ...*nats.Conn) {
	t.Helper()
	missing := map[*nats.Conn]bool{}
	for _, nc := range wanted {
		missing[nc] = true
	}
	for len(missing) > 0 {
		select {
		case nc := <-reconnected:
			delete(missing, nc)
		case <-ctx.Done():
			t.Fatalf("%d clients did not find the next server", len(missing))
		}
	}
}

// Processes start in any order.
func TestAwait(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logged := make(chan string, 1)
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		select {
		case logged <- string(p):
		default:
		}
		return len(p), nil
	}), nil))
	type result struct {
		nc  *nats.Conn
		err error
	}
	dialled := make(chan result, 1)
	go func() {
		nc, err := connect.Await(streamstest.Context(t), connect.Remote{Store: dir, Logger: log}, time.Minute)
		dialled <- result{nc, err}
	}()
	if said := <-logged; !strings.Contains(said, "connection to NATS failed, retrying") || !strings.Contains(said, dir) {
		t.Errorf("logged %q", said)
	}
	s, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	r := <-dialled
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.nc.Close()
	if _, err := connect.Await(t.Context(), connect.Remote{URL: s.Info().URL, User: "rosey", Password: "wrong"}, time.Minute); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := connect.Await(t.Context(), connect.Remote{URL: "nats://127.0.0.1:1"}, 0); err == nil {
		t.Error("no server, and no error")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDialErrorHidesPasswords(t *testing.T) {
	t.Parallel()
	_, err := connect.Dial(connect.Remote{URL: "nats://bob:hunter2@127.0.0.1:1"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestMain(m *testing.M) { streamstest.Main(m) }
