package snapshot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// empty is a server with nothing in it.
func empty(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(streamstest.Connect(t, streamstest.Server(t)))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// restored is a server that was started on the store of a restore.
func restored(t *testing.T, dir string) (jetstream.JetStream, snapshot.Manifest) {
	t.Helper()
	store := t.TempDir()
	server, err := embedded.Start(embedded.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	m, err := snapshot.Restore(streamstest.Context(t), js, dir, snapshot.RestoreOptions{})
	nc.Close()
	if err := errors.Join(err, server.Stop()); err != nil {
		t.Fatal(err)
	}
	if server, err = embedded.Start(embedded.Config{Store: store}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if js, err = jetstream.New(streamstest.Connect(t, server)); err != nil {
		t.Fatal(err)
	}
	return js, m
}

func chat(i int) event.Chat {
	return event.Chat{User: "alice", Message: fmt.Sprintf("line %d", i), Channel: "main", Rank: 1, Time: 1732645200000}
}

// fill stores events, requests, records with history, an object, and leaves a
// durable consumer in the middle of its work.
func fill(t *testing.T, bus *streams.Bus) {
	t.Helper()
	ctx, js := streamstest.Context(t), bus.JetStream()
	for i := range 300 {
		streamstest.Publish(t, bus, event.SubjectChat, chat(i), streams.WithMsgID(fmt.Sprint("line/", i)))
	}
	streamstest.Publish(t, bus, event.CommandSubject("trivia"), event.Command{Command: "trivia", User: "alice"})
	streamstest.Publish(t, bus, event.EventSubject("trivia", "later"), map[string]any{"n": 1}, streams.At(time.Now().Add(time.Hour), "later"))
	streamstest.Publish(t, bus, event.SubjectHeartbeat, event.Heartbeat{NATSConnected: true}, streams.WithTTL(streams.HeartbeatTTL))
	if err := bus.Conn().Publish("cytube.chat", []byte("malformed")); err != nil {
		t.Fatal(err)
	}
	store, err := kvstore.NewStore(js)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for i := range 50 {
		for version := range 3 {
			id := event.IntID(int64(i + 1))
			if version == 0 {
				id = ""
			}
			if _, err := store.Set(ctx, event.Set{Collection: "quotes", ID: id, Data: fmt.Appendf(nil, `{"v":%d}`, version)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := store.Delete(ctx, event.Delete{Collection: "quotes", ID: "50"}); err != nil {
		t.Fatal(err)
	}
	objects, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "packs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PutBytes(ctx, "pack.json", bytes.Repeat([]byte("question "), 50_000)); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(ctx, 100); err != nil {
		t.Fatal(err)
	}
	halfRead(ctx, t, js)
}

// halfRead leaves a durable that has acknowledged ten messages and, of those after them, one.
func halfRead(ctx context.Context, t *testing.T, js jetstream.JetStream) {
	t.Helper()
	c, err := js.CreateConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{
		Durable: "half", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour, FilterSubjects: []string{event.SubjectChat},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(20)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for msg := range batch.Messages() {
		if n++; n <= 10 || n == 15 {
			if err := msg.DoubleAck(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

type message struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Header  nats.Header
	Body    string
}

// messages is what a stream holds up to last.
func messages(t *testing.T, js jetstream.JetStream, stream string, last uint64) []message {
	t.Helper()
	ctx := streamstest.Context(t)
	c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	iterator, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer iterator.Stop()
	var all []message
	for left := c.CachedInfo().NumPending; left > 0; {
		msg, err := iterator.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		left = meta.NumPending
		if meta.Sequence.Stream <= last {
			all = append(all, message{msg.Subject(), meta.Sequence.Stream, meta.Timestamp, msg.Headers(), string(msg.Data())})
		}
	}
	return all
}

// Everything is in an empty store after a restore as it was when the backup was
// made, while writing went on: each message with its sequence, time, headers and
// body, each record with its history, each consumer's position.
func TestRestoreIntoAnEmptyStore(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t), streams.WithSource("test"))
	ctx, js := streamstest.Context(t), bus.JetStream()
	fill(t, bus)
	stopWriting := keepWriting(ctx, t, bus)
	dir := filepath.Join(t.TempDir(), "new", "backup")
	var told []string
	m, err := snapshot.Backup(ctx, js, dir, func(p snapshot.Progress) { told = append(told, p.Stream) })
	stopWriting()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Streams) < 8 || len(told) == 0 || m.Messages() < 460 || m.Size() == 0 {
		t.Errorf("the manifest lists %d streams with %d messages in %d bytes", len(m.Streams), m.Messages(), m.Size())
	}

	fresh, back := restored(t, dir)
	if diff := cmp.Diff(m.Streams, back.Streams, cmp.Transformer("JSON", func(raw json.RawMessage) (v any) { _ = json.Unmarshal(raw, &v); return v })); diff != "" {
		t.Error(diff)
	}
	for _, s := range m.Streams {
		sameStream(ctx, t, js, fresh, s)
	}
	was, is := position(t, js, "half"), position(t, fresh, "half")
	if was.AckFloor.Stream != 10 || is.AckFloor.Stream != 10 || is.Delivered.Stream != was.Delivered.Stream || is.NumAckPending != was.NumAckPending {
		t.Errorf("the consumer is at %+v with %d unacknowledged, and was at %+v with %d", is.AckFloor, is.NumAckPending, was.AckFloor, was.NumAckPending)
	}
	sameRecords(t, js, fresh)
	again := streams.NewBus(fresh.Conn(), fresh)
	if ack := streamstest.Publish(t, again, event.SubjectChat, chat(7), streams.WithMsgID("line/7")); !ack.Duplicate || ack.Ref.Seq != 8 {
		t.Errorf("a line that is stored already was acknowledged as %+v", ack)
	}
	if err := streams.Open(ctx, fresh, streams.Options{}); err != nil {
		t.Errorf("a bot cannot start on it: %v", err)
	}
}

// keepWriting publishes lines until stop is called.
func keepWriting(ctx context.Context, t *testing.T, bus *streams.Bus) (stop func()) {
	done, writing := make(chan struct{}), sync.WaitGroup{}
	writing.Go(func() {
		for i := 1000; i < 3000; i++ {
			select {
			case <-done:
				return
			default:
				e, _ := event.New(event.SubjectChat, chat(i))
				if _, err := bus.Publish(ctx, e); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() { close(done); writing.Wait() }
}

// sameStream compares a stream as it was backed up with the restored one.
func sameStream(ctx context.Context, t *testing.T, before, after jetstream.JetStream, s snapshot.Stream) {
	t.Helper()
	was, is := messages(t, before, s.Name, s.LastSeq), messages(t, after, s.Name, s.LastSeq+1)
	if diff := cmp.Diff(was, is); diff != "" || uint64(len(is)) != s.Messages {
		t.Errorf("%s holds %d messages, the manifest says %d: %s", s.Name, len(is), s.Messages, diff)
	}
	old, err := before.Stream(ctx, s.Name)
	if err != nil {
		t.Fatal(err)
	}
	now, err := after.Stream(ctx, s.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(old.CachedInfo().Config, now.CachedInfo().Config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("configuration of %s: %s", s.Name, diff)
	}
}

func position(t *testing.T, js jetstream.JetStream, durable string) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := js.Consumer(streamstest.Context(t), streams.Cytube, durable)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

func sameRecords(t *testing.T, a, b jetstream.JetStream) {
	t.Helper()
	ctx := streamstest.Context(t)
	var histories [2][][]kvstore.Revision
	var next [2]event.ID
	for i, js := range []jetstream.JetStream{a, b} {
		store, err := kvstore.NewStore(js)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for id := range 50 {
			h, err := store.History(ctx, "quotes", event.IntID(int64(id+1)))
			if err != nil {
				t.Fatal(err)
			}
			histories[i] = append(histories[i], h)
		}
		w, err := store.Set(ctx, event.Set{Collection: "quotes", Data: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		next[i] = w.ID
	}
	if diff := cmp.Diff(histories[0], histories[1]); diff != "" {
		t.Error(diff)
	}
	if next[0] != "51" || next[1] != "51" {
		t.Errorf("the next numbers are %s and %s, want 51", next[0], next[1])
	}
}

// A backup of a cluster goes into one server.
func TestReplicas(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	reseal(t, dir, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(`"num_replicas": 1`), []byte(`"num_replicas": 3`))
	})
	if _, err := snapshot.Restore(streamstest.Context(t), empty(t), dir, snapshot.RestoreOptions{}); err != nil {
		t.Error(err)
	}
}

// messagesOf returns how many messages a backup holds of a stream.
func messagesOf(m snapshot.Manifest, stream string) uint64 {
	i := slices.IndexFunc(m.Streams, func(s snapshot.Stream) bool { return s.Name == stream })
	return m.Streams[i].Messages
}
