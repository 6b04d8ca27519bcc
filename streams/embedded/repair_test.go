package embedded_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const (
	readerName  = "reader"
	readerLines = 20
	readerAcked = 7
)

var readerConfig = jetstream.ConsumerConfig{Durable: readerName, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: event.AllCytube}

// consumedStore is a store that was stopped, with a durable consumer that has
// acknowledged readerAcked of readerLines events.
func consumedStore(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	for range readerLines {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main"})
	}
	c, err := bus.Durable(t.Context(), streams.Cytube, readerConfig)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(readerAcked)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, bus, s)
	return store
}

// Whatever of a durable's files is torn, it goes on where it was.
func TestTornConsumerFiles(t *testing.T) {
	t.Parallel()
	whole := consumedStore(t)
	for name, tc := range map[string]struct {
		file   string
		damage func(t *testing.T, path string)
	}{
		"position cut":     {"o.dat", func(t *testing.T, path string) { truncate(t, path, 4) }},
		"position zeroed":  {"o.dat", zero},
		"position emptied": {"o.dat", empty},
		"position gone":    {"o.dat", remove},
		"settings emptied": {"meta.inf", empty},
		"settings gone":    {"meta.inf", remove},
		"checksum gone":    {"meta.sum", remove},
		"folder gone":      {"", remove},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			if err := os.CopyFS(store, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			tc.damage(t, filepath.Join(streamDir(store, streams.Cytube), "obs", readerName, tc.file))
			for range 2 { // the repair lasts
				log := &said{}
				s := startStore(t, store, slog.New(slog.NewTextHandler(log, nil)))
				bus := streamstest.Bus(t, s)
				c, err := bus.Durable(t.Context(), streams.Cytube, readerConfig)
				if err != nil {
					t.Fatal(err)
				}
				if info := c.CachedInfo(); info.AckFloor.Stream != readerAcked || info.NumPending != readerLines-readerAcked {
					t.Errorf("acknowledged to %d, pending %d", info.AckFloor.Stream, info.NumPending)
				}
				stop(t, bus, s)
			}
		})
	}
}

// Without an inventory a durable goes on from its checkpoint.
func TestTornConsumerWithACheckpoint(t *testing.T) {
	t.Parallel()
	store := consumedStore(t)
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	var keeping sync.WaitGroup
	keeping.Go(func() { _ = streams.KeepCheckpoints(ctx, bus.JetStream(), slog.New(slog.DiscardHandler)) })
	for settled := uint64(0); settled < readerAcked; {
		var err error
		if settled, err = streams.Settled(ctx, bus.JetStream(), streams.Cytube, readerName); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	keeping.Wait()
	stop(t, bus, s)
	remove(t, filepath.Join(store, "inventory.json"))
	zero(t, filepath.Join(streamDir(store, streams.Cytube), "obs", readerName, "o.dat"))
	s = startStore(t, store, nil)
	bus = streamstest.Bus(t, s)
	c, err := bus.Durable(t.Context(), streams.Cytube, readerConfig)
	if err != nil {
		t.Fatal(err)
	}
	if info := c.CachedInfo(); info.AckFloor.Stream != readerAcked {
		t.Errorf("acknowledged to %d", info.AckFloor.Stream)
	}
	stop(t, bus, s)
}

// A bucket's stream whose settings are torn is made again as the inventory has them.
func TestTornBucket(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	kv, err := bus.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b", History: 7, Storage: jetstream.FileStorage})
	if err == nil {
		_, err = kv.PutString(t.Context(), "key", "value")
	}
	if err != nil {
		t.Fatal(err)
	}
	stop(t, bus, s)
	truncate(t, filepath.Join(streamDir(store, "KV_b"), "meta.sum"), 4)
	s = startStore(t, store, nil)
	bus = streamstest.Bus(t, s)
	if kv, err = bus.JetStream().KeyValue(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), "key")
	status, statusErr := kv.Status(t.Context())
	if err != nil || statusErr != nil || string(entry.Value()) != "value" || status.History() != 7 {
		t.Errorf("%v, %v, %v", entry, err, statusErr)
	}
	stop(t, bus, s)
}

// Events that the files lost before the first inventory are known from the consumers that
// they were delivered to.
func TestLossThatConsumersProve(t *testing.T) {
	t.Parallel()
	store := consumedStore(t)
	if err := os.Remove(filepath.Join(store, "inventory.json")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(streamDir(store, streams.Cytube), "msgs")
	zero(t, filepath.Join(dir, "1.blk"))
	remove(t, filepath.Join(dir, "index.db"))
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	lost, err := embedded.Losses(store)
	if err != nil || len(lost) != 1 || lost[0].Stream != streams.Cytube || lost[0].Events != readerAcked {
		t.Errorf("lost %+v, %v", lost, err)
	}
	if ack := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "bob", Message: "after", Channel: "main"}); ack.Ref.Seq <= readerAcked {
		t.Errorf("the next event is %s", ack.Ref)
	}
	stop(t, bus, s)
}

// A stream that somebody deletes while the server runs is reported as lost afterwards.
func TestDeletedStream(t *testing.T) {
	t.Parallel()
	store := consumedStore(t)
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	if err := bus.JetStream().DeleteStream(t.Context(), streams.Cytube); err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(t.Context(), bus.JetStream(), streams.Options{}); err != nil {
		t.Fatal(err)
	}
	stop(t, bus, s)
	lost, err := embedded.Losses(store)
	if err != nil || len(lost) != 1 || lost[0].Stream != streams.Cytube || lost[0].Events != readerLines || !lost[0].Deleted {
		t.Errorf("lost %+v, %v", lost, err)
	}
}

// So is one that was deleted before anything of it was noted, and made again by the bot: on
// the first start on a store, and where it was empty before.
func TestDeletedStreamOfUnknownEvents(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, store := streamstest.Context(t), t.TempDir()
			for _, lost := range []int{1, 2} {
				s := startStore(t, store, nil)
				bus := streamstest.Bus(t, s)
				before, err := os.ReadFile(filepath.Join(store, "inventory.json"))
				if err != nil {
					t.Fatal(err)
				}
				deleteBesideAMaintainer(ctx, t, bus, streams.PluginRequest)
				if stop(t, bus, s); killed && lost == 2 {
					leaveKilled(t, store, before)
					stop(t, nil, startStore(t, store, nil))
				}
				if told, err := embedded.Losses(store); err != nil || len(told) != lost || told[lost-1].Stream != streams.PluginRequest || !told[lost-1].Deleted {
					t.Errorf("lost %+v, %v", told, err)
				}
			}
		})
	}
}

// deleteBesideAMaintainer deletes a stream and waits until it is there again.
func deleteBesideAMaintainer(ctx context.Context, t *testing.T, bus *streams.Bus, name string) {
	t.Helper()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() { _ = streams.NewMaintainer(bus, streams.Options{}, slog.New(slog.DiscardHandler)).Run(ctx) }()
	js := bus.JetStream()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	changed := stream.CachedInfo().Config
	changed.MaxMsgSize = 150
	if _, err := js.UpdateStream(ctx, changed); err != nil {
		t.Fatal(err)
	}
	until := func(done func(*jetstream.StreamInfo) bool) {
		for ctx.Err() == nil {
			if s, err := js.Stream(ctx, name); err == nil && done(s.CachedInfo()) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal(ctx.Err())
	}
	until(func(i *jetstream.StreamInfo) bool { return i.Config.MaxMsgSize != 150 }) // the Maintainer has seen it
	if err := js.DeleteStream(ctx, name); err != nil {
		t.Fatal(err)
	}
	until(func(i *jetstream.StreamInfo) bool { return i.Created.After(stream.CachedInfo().Created) })
}

// A stream whose events the server cannot read keeps everybody from the store, who would
// take it for empty.
func TestUnreadableStream(t *testing.T) {
	t.Parallel()
	store := consumedStore(t)
	dir := streamDir(store, streams.Cytube)
	remove(t, filepath.Join(dir, "meta.inf"))
	remove(t, filepath.Join(dir, "msgs"))
	if err := os.WriteFile(filepath.Join(dir, "msgs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Start(embedded.Config{Store: store})
	if err == nil || !strings.Contains(err.Error(), "rosey restore") || !strings.Contains(err.Error(), dir) {
		t.Errorf("a damaged store starts: %v", err)
	}
}

func streamDir(store, stream string) string {
	return filepath.Join(store, "jetstream", "$G", "streams", stream)
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func zero(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.WriteFile(path, make([]byte, info.Size()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
