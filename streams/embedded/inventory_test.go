package embedded_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A stream of several files, so that the first, the last and one between them can be damaged.
const (
	inventoryEvents = 32
	inventoryBucket = "notes"
	inventoryBytes  = 120_000 // nats-server makes blocks of 32 kB for a stream created with this limit (2.15.2)
)

// filledStore is a store that was stopped, with a bucket and inventoryEvents lines.
func filledStore(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	s := startStore(t, store, nil)
	bus := storeLines(t, s, jetstream.S2Compression)
	kv, err := bus.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: inventoryBucket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	stop(t, bus, s)
	return store
}

// storeLines stores inventoryEvents lines in several blocks. The limit that makes these
// small is gone afterwards.
func storeLines(t *testing.T, s *embedded.Server, compression jetstream.StoreCompression) *streams.Bus {
	t.Helper()
	js, err := jetstream.New(streamstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	config := streams.Unlimited(streams.Cytube)
	config.Compression, config.MaxBytes = compression, inventoryBytes
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	bus := streamstest.Bus(t, s)
	for n := range inventoryEvents {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: line(n), Channel: "main"})
	}
	return bus
}

func startStore(t *testing.T, store string, log *slog.Logger) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(embedded.Config{Store: store, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, bus *streams.Bus, s *embedded.Server) {
	t.Helper()
	if bus != nil {
		bus.Conn().Close()
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// Damage to any of a store's files is detected once, and reported for a while; the sequences
// of lost events are not used again.
func TestInventory(t *testing.T) {
	t.Parallel()
	whole := filledStore(t)
	for name, tc := range map[string]struct {
		damage func(t *testing.T, cytube string) // is given the stream's directory
		stream string                            // that lost something
		gone   bool
	}{
		"nothing":                      {damage: func(*testing.T, string) {}},
		"its index":                    {damage: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "msgs", "index.db")) }},
		"the last file cut off":        {damage: func(t *testing.T, dir string) { cut(t, lastBlock(t, dir)) }, stream: streams.Cytube},
		"the last file scribbled over": {damage: func(t *testing.T, dir string) { scribble(t, lastBlock(t, dir)) }, stream: streams.Cytube},
		"the last file removed":        {damage: func(t *testing.T, dir string) { remove(t, lastBlock(t, dir)) }, stream: streams.Cytube},
		"the first file removed":       {damage: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "msgs", "1.blk")) }, stream: streams.Cytube},
		"a file between removed":       {damage: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "msgs", "2.blk")) }, stream: streams.Cytube},
		"the stream's settings":        {damage: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "meta.inf")) }},
		"the settings emptied":         {damage: func(t *testing.T, dir string) { empty(t, filepath.Join(dir, "meta.inf")) }},
		"their checksum emptied":       {damage: func(t *testing.T, dir string) { empty(t, filepath.Join(dir, "meta.sum")) }},
		"the whole stream":             {damage: remove, stream: streams.Cytube, gone: true},
		"a bucket":                     {damage: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "..", "KV_"+inventoryBucket)) }, stream: "KV_" + inventoryBucket, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			if err := os.CopyFS(store, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			tc.damage(t, filepath.Join(store, "jetstream", "$G", "streams", streams.Cytube))
			// Twice: a loss is noticed once, and remembered.
			for _, said := range []bool{tc.stream != "", false} {
				var log bytes.Buffer
				s := startStore(t, store, slog.New(slog.NewTextHandler(&log, nil)))
				bus := streamstest.Bus(t, s)
				lost, err := embedded.Losses(store)
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(log.String(), "stored events lost"); got != said {
					t.Errorf("the log says so: %v, want %v:\n%s", got, said, &log)
				}
				switch {
				case tc.stream == "":
					if len(lost) > 0 {
						t.Errorf("lost %+v", lost)
					}
				case len(lost) != 1 || lost[0].Stream != tc.stream || lost[0].Gone != tc.gone || lost[0].Events == 0 || lost[0].Events > inventoryEvents:
					t.Errorf("lost %+v", lost)
				}
				ack := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "bob", Message: "after", Channel: "main"})
				if ack.Ref.Seq <= inventoryEvents {
					t.Errorf("the next event is %s", ack.Ref)
				}
				stop(t, bus, s)
			}
		})
	}
}

// leaveKilled makes a store that was stopped one whose server was killed, with an earlier inventory.
func leaveKilled(t *testing.T, store string, inventory []byte) {
	t.Helper()
	for name, content := range map[string][]byte{"inventory.json": inventory, "holder": []byte("rosey (pid 1)")} {
		if err := os.WriteFile(filepath.Join(store, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What goes while the bot runs, or because it is old, is no loss, also when the bot
// was killed before it could take note.
func TestInventoryOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"stopped": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := streamstest.Context(t)
			store := filledStore(t)
			s := startStore(t, store, nil)
			bus := streamstest.Bus(t, s)
			js := bus.JetStream()
			cytube, err := js.Stream(ctx, streams.Cytube)
			if err != nil {
				t.Fatal(err)
			}
			for _, seq := range []uint64{1, 2, inventoryEvents / 2} {
				if err := cytube.SecureDeleteMsg(ctx, seq); err != nil {
					t.Fatal(err)
				}
			}
			if err := js.DeleteKeyValue(ctx, inventoryBucket); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: inventoryBucket}); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(filepath.Join(store, "inventory.json"))
			if err != nil {
				t.Fatal(err)
			}
			stop(t, bus, s)
			if killed {
				leaveKilled(t, store, before)
			}
			s = startStore(t, store, nil)
			defer func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			}()
			if lost, err := embedded.Losses(store); err != nil || len(lost) > 0 {
				t.Errorf("lost %+v, %v", lost, err)
			}
		})
	}
}

// A collection that somebody deletes is a loss: whoever kills the bot after that, and
// whether it was made again before.
func TestInventoryOfADeletedCollection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ killed, remade bool }{
		"stopped": {false, false}, "killed": {true, false}, "made again and killed": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, store := streamstest.Context(t), t.TempDir()
			s := startStore(t, store, nil)
			bus := streamstest.Bus(t, s)
			quotes := jetstream.KeyValueConfig{Bucket: streams.CollectionPrefix + "quotes"}
			kv, err := bus.JetStream().CreateKeyValue(ctx, quotes)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kv.PutString(ctx, "1", "{}"); err != nil {
				t.Fatal(err)
			}
			stop(t, bus, s)
			s = startStore(t, store, nil)
			bus = streamstest.Bus(t, s)
			inventory := filepath.Join(store, "inventory.json")
			before := read(t, inventory)
			if err := bus.JetStream().DeleteKeyValue(ctx, quotes.Bucket); err != nil {
				t.Fatal(err)
			}
			if c.remade {
				if _, err := bus.JetStream().CreateKeyValue(ctx, quotes); err != nil {
					t.Fatal(err)
				}
			}
			stop(t, bus, s)
			if c.killed {
				write(t, inventory, before)
				write(t, filepath.Join(store, "holder"), []byte("rosey (pid 1)"))
			}
			stop(t, nil, startStore(t, store, nil))
			lost, err := embedded.Losses(store)
			if err != nil || len(lost) != 1 || !strings.Contains(lost[0].String(), "all 1 entries of bucket db_quotes") {
				t.Errorf("lost %v, %v", lost, err)
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A note that cannot be read costs one comparison, and keeps nobody from stopping.
func TestInventoryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	stop(t, nil, startStore(t, store, nil))
	if _, err := embedded.Losses(store); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(store, "inventory.json")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Losses(store); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("garbage is read: %v", err)
	}
	var log bytes.Buffer
	stop(t, nil, startStore(t, store, slog.New(slog.NewTextHandler(&log, nil))))
	if !strings.Contains(log.String(), "store not checked") {
		t.Errorf("the log says nothing: %s", &log)
	}
	if _, err := embedded.Losses(store); err != nil {
		t.Error(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func empty(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

func lastBlock(t *testing.T, stream string) string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(stream, "msgs", "*.blk"))
	if err != nil || len(blocks) < 3 {
		t.Fatalf("blocks %v, %v", blocks, err)
	}
	return slices.Max(blocks)
}

func cut(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func scribble(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2; i < len(b); i++ {
		b[i] ^= 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
