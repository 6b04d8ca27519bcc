package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// held starts a server with a stream LOG of the subjects log.>, which allows direct
// gets or not, and returns a function that stores n messages on a subject, whose bodies are their sequences.
func held(t *testing.T, direct bool) (jetstream.JetStream, jetstream.Stream, func(subject string, n int)) {
	t.Helper()
	js, err := jetstream.New(streamstest.Connect(t, streamstest.Server(t)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "LOG", Subjects: []string{"log.>"}, AllowDirect: direct})
	if err != nil {
		t.Fatal(err)
	}
	seq := 0
	return js, s, func(subject string, n int) {
		t.Helper()
		for range n {
			seq++
			if _, err := js.PublishAsync(subject, fmt.Append(nil, seq), jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
	}
}

// noConsumers fails the test where a stream has any.
func noConsumers(t *testing.T, s jetstream.Stream) {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := info.State.Consumers; n != 0 {
		t.Errorf("%d consumers are left", n)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"by direct gets": true, "one by one": false} {
		t.Run(name, func(t *testing.T) { t.Parallel(); testSelections(t, direct) })
	}
}

func testSelections(t *testing.T, direct bool) {
	ctx := streamstest.Context(t)
	js, s, put := held(t, direct)
	put("log.a", 2)
	put("log.b", 1)
	third, err := s.GetMsg(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	put("log.b.c", 1)
	put("log.a", 2)
	for _, seq := range []uint64{5, 6} {
		if seq == 5 {
			put("log.d", 1)
		}
		if err := s.DeleteMsg(ctx, seq); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		s    streams.Selection
		want string
	}{
		"all, though the last of a subject are gone": {streams.Selection{}, "1a=1 2a=2 3b=3 4b.c=4 7d=7"},
		"of one subject":            {streams.Selection{Subjects: []string{"log.a"}}, "1a=1 2a=2"},
		"of several":                {streams.Selection{Subjects: []string{"log.b.>", "log.d"}}, "4b.c=4 7d=7"},
		"of none that there is":     {streams.Selection{Subjects: []string{"log.x", "log.y"}}, ""},
		"since a time":              {streams.Selection{Since: third.Time}, "3b=3 4b.c=4 7d=7"},
		"since a time, of subjects": {streams.Selection{Since: third.Time, Subjects: []string{"log.a", "log.b"}}, "3b=3"},
		"since a time to come":      {streams.Selection{Since: time.Now().Add(time.Hour)}, ""},
		"between sequences":         {streams.Selection{From: 2, To: 4}, "2a=2 3b=3 4b.c=4"},
		"up to one to come":         {streams.Selection{From: 4, To: 9}, "4b.c=4 7d=7"},
		"of overlapping subjects":   {streams.Selection{Subjects: []string{"log.>", "log.a", "log.*"}, To: 3}, "1a=1 2a=2 3b=3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.s.Stream = "LOG"
			var got []string
			for msg, err := range streams.Messages(ctx, js, c.s) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%d%s=%s", msg.Sequence, strings.TrimPrefix(msg.Subject, "log."), msg.Data))
				if msg.Time.IsZero() {
					t.Error("not stored at any time")
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Reading ends, whatever happens to the stream meanwhile, and leaves no consumer.
func TestMessagesEnd(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "reads thousands of events")
	const stored = 2000 // more than a consumer sends at once
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		meanwhile   func(ctx context.Context, s jetstream.Stream, n int, more func()) error // with the n-th that is read
		least, most int                                                                     // messages that are read
		want        error
	}{
		"while others are stored": {func(_ context.Context, _ jetstream.Stream, _ int, more func()) error {
			more()
			return nil
		}, stored, stored, nil},
		"while the rest is deleted": {func(ctx context.Context, s jetstream.Stream, n int, _ func()) error {
			if n == 1 {
				return s.Purge(ctx)
			}
			return nil
		}, 1, stored - 1, nil},
		"while the rest is replaced by others": {func(ctx context.Context, s jetstream.Stream, n int, more func()) error {
			if n == 1 {
				more()
				return s.Purge(ctx, jetstream.WithPurgeKeep(1))
			}
			return nil
		}, 1, stored - 1, nil},
		"when the caller has enough": {func(_ context.Context, _ jetstream.Stream, n int, _ func()) error {
			if n == 3 {
				return boom
			}
			return nil
		}, 3, 3, boom},
	} {
		for _, direct := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, direct %t", name, direct), func(t *testing.T) {
				t.Parallel()
				ctx := streamstest.Context(t)
				js, s, put := held(t, direct)
				put("log.a", stored)
				read := func() (n int, err error) {
					for _, err := range streams.Messages(ctx, js, streams.Selection{Stream: "LOG"}) {
						if err != nil {
							return n, err
						}
						n++
						if err := c.meanwhile(ctx, s, n, func() { put("log.a", 1) }); err != nil {
							return n, err
						}
					}
					return n, nil
				}
				n, err := read()
				if !errors.Is(err, c.want) || n < c.least || n > c.most {
					t.Errorf("%d messages, %v; want %d to %d, %v", n, err, c.least, c.most, c.want)
				}
				noConsumers(t, s)
			})
		}
	}
}

// Replicas that lag behind the leader hide nothing that was acknowledged.
func TestMessagesOfLaggingReplicas(t *testing.T) {
	streamstest.Slow(t, "runs a cluster")
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, servers := streamstest.Cluster(t)
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "LOG", Subjects: []string{"log.>"}, Replicas: 3, AllowDirect: true})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(n int) {
		t.Helper()
		for range n {
			if _, err := js.Publish(ctx, "log.a", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(3)
	defer streamstest.Lag(t, servers, s)()
	publish(3)
	for range 20 { // any replica may answer
		var got []uint64
		for msg, err := range streams.Messages(ctx, js, streams.Selection{Stream: "LOG", Subjects: []string{"log.a"}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, msg.Sequence)
		}
		if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6}, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

// A server that leaves a request unanswered, as a busy one does and one of a cluster that
// elects a leader, is asked again.
func TestMessagesOfASilentServer(t *testing.T) {
	streamstest.Slow(t, "waits for an answer")
	t.Parallel()
	js, _, put := held(t, true)
	put("log.a", 3)
	var asked atomic.Int32
	sub, err := js.Conn().Subscribe("silent.>", func(m *nats.Msg) {
		rest, _ := strings.CutPrefix(m.Subject, "silent.")
		if strings.HasPrefix(rest, "STREAM.MSG.GET.") && asked.Add(1) == 1 {
			return
		}
		_ = js.Conn().PublishMsg(&nats.Msg{Subject: jetstream.DefaultAPIPrefix + rest, Reply: m.Reply, Data: m.Data, Header: m.Header})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	silent, err := jetstream.NewWithAPIPrefix(js.Conn(), "silent")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range streams.Messages(t.Context(), silent, streams.Selection{Stream: "LOG", Since: time.Unix(1, 0)}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 3 || asked.Load() < 2 {
		t.Errorf("%d messages were read, the server was asked %d times", n, asked.Load())
	}
}

func TestMessagesFail(t *testing.T) {
	t.Parallel()
	js, s, put := held(t, true)
	put("log.a", 2000)
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	defer cancel()
	n := 0
	var last error
	for _, err := range streams.Messages(ctx, js, streams.Selection{Stream: "LOG"}) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || n != 1 {
		t.Errorf("%d messages were read with a context that had ended, then %v", n, last)
	}
	noConsumers(t, s)
	for _, err := range streams.Messages(streamstest.Context(t), js, streams.Selection{Stream: "OTHER"}) {
		if !errors.Is(err, jetstream.ErrStreamNotFound) || !strings.Contains(err.Error(), "OTHER") {
			t.Errorf("of no stream: %v", err)
		}
	}
}
