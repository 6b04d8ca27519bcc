package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
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

// Between the copies of two streams a plugin goes on answering. After the
// restore every command that is in the backup has one answer all the same.
func TestWhatIsHandledDuringABackupIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	answer := func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		e, err := event.New(event.SubjectSendChat, event.SendChat{Message: d.Ref.String(), Channel: "main"})
		return []event.Envelope{e}, err
	}
	plugin := consumers.Config{Durable: "plugin-trivia", Stream: streams.Plugin, Name: "trivia", Subjects: []string{event.CommandSubject("trivia")}}
	run := func(bus *streams.Bus, until func() bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		running.Go(func() {
			if err := consumers.Run(ctx, bus, plugin, answer); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		await(t, until)
		cancel()
		running.Wait()
	}
	handled := func(js jetstream.JetStream, n uint64) func() bool {
		return func() bool {
			c, err := js.Consumer(ctx, streams.Plugin, plugin.Durable)
			return err == nil && c.CachedInfo().AckFloor.Stream >= n
		}
	}
	commands := func(n int) {
		for range n {
			streamstest.Publish(t, bus, event.CommandSubject("trivia"), event.Command{Command: "answer", User: "alice"})
		}
	}
	commands(20)
	run(bus, handled(bus.JetStream(), 20))
	dir := filepath.Join(t.TempDir(), "backup")
	var once sync.Once
	m, err := snapshot.Backup(ctx, bus.JetStream(), dir, func(p snapshot.Progress) {
		if p.Stream == streams.Database { // CYTUBE is copied, PLUGIN is not
			once.Do(func() { commands(20); run(bus, handled(bus.JetStream(), 40)) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if messagesOf(m, streams.Cytube) != 20 || messagesOf(m, streams.Plugin) != 40 {
		t.Fatalf("the backup has %d answers and %d commands: the test does not test anything", messagesOf(m, streams.Cytube), messagesOf(m, streams.Plugin))
	}
	fresh, _ := restored(t, dir)
	run(streams.NewBus(fresh.Conn(), fresh), handled(fresh, 40))
	answers := answersIn(t, fresh)
	for seq := range 40 {
		if ref := fmt.Sprintf("PLUGIN:%d", seq+1); answers[ref] != 1 {
			t.Errorf("%s has %d answers", ref, answers[ref])
		}
	}
}

// answersIn counts the sends by their text.
func answersIn(t *testing.T, js jetstream.JetStream) map[string]int {
	t.Helper()
	answers := map[string]int{}
	for _, msg := range messages(t, js, streams.Cytube, 1<<62) {
		var e struct{ Data event.SendChat }
		if err := json.Unmarshal([]byte(msg.Body), &e); err != nil {
			t.Fatal(err)
		}
		answers[e.Data.Message]++
	}
	return answers
}

// A line that was said after its stream was copied is not in the backup, and may
// have caused a command that is. What is said after the restore is not taken for
// that line.
func TestWhatCameDuringABackupIsNotMistaken(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx := streamstest.Context(t)
	route := func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		e, err := event.New(event.CommandSubject("trivia"), event.Command{Command: "trivia", User: d.Ref.String()})
		return []event.Envelope{e}, err
	}
	router := consumers.Config{Durable: "router", Stream: streams.Cytube, Name: "router", Subjects: []string{event.SubjectChat}}
	say := func(bus *streams.Bus, n int, commands uint64) {
		t.Helper()
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		running.Go(func() {
			if err := consumers.Run(ctx, bus, router, route); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		for i := range n {
			streamstest.Publish(t, bus, event.SubjectChat, chat(i))
		}
		await(t, func() bool {
			c, err := bus.JetStream().Consumer(ctx, streams.Cytube, "router")
			return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
		})
		cancel()
		running.Wait()
		s, err := bus.JetStream().Stream(t.Context(), streams.Plugin)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().State.Msgs; got != commands {
			t.Errorf("there are %d commands, want %d", got, commands)
		}
	}
	say(bus, 3, 3)
	dir := filepath.Join(t.TempDir(), "backup")
	var once sync.Once
	m, err := snapshot.Backup(ctx, bus.JetStream(), dir, func(p snapshot.Progress) {
		if p.Stream == streams.Database { // CYTUBE is copied, PLUGIN is not
			once.Do(func() { say(bus, 4, 7) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if messagesOf(m, streams.Cytube) != 3 || messagesOf(m, streams.Plugin) != 7 {
		t.Fatalf("the backup has %d lines and %d commands: the test does not test anything", messagesOf(m, streams.Cytube), messagesOf(m, streams.Plugin))
	}
	fresh, _ := restored(t, dir)
	say(streams.NewBus(fresh.Conn(), fresh), 5, 12)
	if lines := messages(t, fresh, streams.Cytube, 1<<62); len(lines) != 8 {
		t.Errorf("there are %d lines, want 8", len(lines))
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	late := time.After(4 * time.Minute)
	for !ok() {
		select {
		case <-late:
			t.Fatal("timed out")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// small makes a backup of a few events.
func small(t *testing.T) (dir string, js jetstream.JetStream) {
	t.Helper()
	bus := streamstest.Bus(t, streamstest.Server(t))
	for i := range 200 {
		streamstest.Publish(t, bus, event.SubjectChat, chat(i))
	}
	dir = filepath.Join(t.TempDir(), "backup")
	if _, err := snapshot.Backup(streamstest.Context(t), bus.JetStream(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir, bus.JetStream()
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup that is not what was written is refused before anything is restored,
// with an error that names the file.
func TestDamage(t *testing.T) {
	t.Parallel()
	fresh := empty(t)
	whole, _ := small(t)
	for name, c := range map[string]struct {
		harm func(dir string)
		is   error
		says string
	}{
		"a flipped bit": {func(dir string) {
			edit(t, filepath.Join(dir, "CYTUBE.snapshot"), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, snapshot.ErrDamaged, "CYTUBE.snapshot"},
		"a cut file": {func(dir string) {
			edit(t, filepath.Join(dir, "CYTUBE.snapshot"), func(b []byte) []byte { return b[:len(b)-10] })
		}, snapshot.ErrDamaged, "CYTUBE.snapshot"},
		"a missing file": {func(dir string) { os.Remove(filepath.Join(dir, "PLUGIN.snapshot")) }, snapshot.ErrDamaged, "PLUGIN.snapshot is missing"},
		"another manifest": {func(dir string) {
			edit(t, filepath.Join(dir, "manifest.json"), func(b []byte) []byte { return bytes.Replace(b, []byte("CYTUBE"), []byte("cytube"), 1) })
		}, snapshot.ErrDamaged, "manifest.json"},
		"no manifest": {func(dir string) { os.Remove(filepath.Join(dir, "manifest.json")) }, snapshot.ErrDamaged, "manifest.json"},
		"mangled sums": {func(dir string) {
			edit(t, filepath.Join(dir, "SHA256SUMS"), func(b []byte) []byte { return b[3:] })
		}, snapshot.ErrDamaged, "SHA256SUMS"},
		"unfinished":        {func(dir string) { os.Remove(filepath.Join(dir, "SHA256SUMS")) }, snapshot.ErrNoBackup, "never finished"},
		"another directory": {func(dir string) { os.RemoveAll(dir); os.Mkdir(dir, 0o700) }, snapshot.ErrNoBackup, "name the directory"},
		"no directory":      {func(dir string) { os.RemoveAll(dir) }, snapshot.ErrNoBackup, "name the directory"},
		"a newer layout": {func(dir string) {
			reseal(t, dir, func(b []byte) []byte { return bytes.Replace(b, []byte(`"layout": 1`), []byte(`"layout": 2`), 1) })
		}, nil, "layout 2"},
		"a stream that is a path": {func(dir string) {
			reseal(t, dir, func(b []byte) []byte { return bytes.Replace(b, []byte(`"CYTUBE"`), []byte(`"../CYTUBE"`), 1) })
		}, snapshot.ErrDamaged, "../CYTUBE"},
		"a configuration that is none": {func(dir string) {
			reseal(t, dir, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"config": {`), []byte(`"config": 1, "x": {`), 1)
			})
		}, snapshot.ErrDamaged, "configuration of CYTUBE"},
	} {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		c.harm(dir)
		_, err := snapshot.Restore(streamstest.Context(t), fresh, dir, snapshot.RestoreOptions{})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
		if names := streamNames(t, fresh); len(names) > 0 {
			t.Errorf("%s: there are streams %v", name, names)
		}
	}
}

// reseal changes the manifest and its checksum with it.
func reseal(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, "manifest.json")
	sum := func() []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, "%x", sha256.Sum256(b))
	}
	old := sum()
	edit(t, path, change)
	edit(t, filepath.Join(dir, "SHA256SUMS"), func(b []byte) []byte { return bytes.Replace(b, old, sum(), 1) })
}

func streamNames(t *testing.T, js jetstream.JetStream) (names []string) {
	t.Helper()
	lister := js.StreamNames(streamstest.Context(t))
	for name := range lister.Name() {
		names = append(names, name)
	}
	if err := lister.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// Nothing that holds events is ever overwritten; what is empty is replaced.
func TestRestoreOverwritesNothing(t *testing.T) {
	t.Parallel()
	dir, source := small(t)
	ctx := streamstest.Context(t)
	_, err := snapshot.Restore(ctx, source, dir, snapshot.RestoreOptions{})
	if !errors.Is(err, snapshot.ErrNotEmpty) || !strings.Contains(err.Error(), "CYTUBE hold events already") {
		t.Errorf("over the source: %v", err)
	}
	if n := len(messages(t, source, streams.Cytube, 1<<62)); n != 200 {
		t.Errorf("the source has %d messages now", n)
	}
	bus := streamstest.Bus(t, streamstest.Server(t)) // its streams exist
	if _, err := snapshot.Restore(ctx, bus.JetStream(), dir, snapshot.RestoreOptions{}); err != nil {
		t.Errorf("over empty streams: %v", err)
	}
	if n := len(messages(t, bus.JetStream(), streams.Cytube, 1<<62)); n != 200 {
		t.Errorf("%d messages were restored", n)
	}
}

// A backup or a restore that is broken off leaves nothing behind.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	dir, source := small(t)
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	other := filepath.Join(t.TempDir(), "other")
	_, err := snapshot.Backup(ctx, source, other, func(p snapshot.Progress) {
		if p.Stream == streams.Plugin {
			cancel()
		}
	})
	if _, statErr := os.Stat(other); !errors.Is(err, context.Canceled) || !os.IsNotExist(statErr) {
		t.Errorf("backup: %v, and the directory: %v", err, statErr)
	}
	// The server makes a stream while its last piece is on the way, or a moment
	// later. Each try has a server of its own: one that is still removing the files
	// of a stream gets them mixed up with those of another of the name.
	for _, at := range streamNames(t, source) {
		fresh := empty(t)
		ctx, cancel := context.WithCancel(streamstest.Context(t))
		_, err := snapshot.Restore(ctx, fresh, dir, snapshot.RestoreOptions{Progress: func(p snapshot.Progress) {
			if !p.Checking && p.Stream == at {
				cancel()
			}
		}})
		if names := streamNames(t, fresh); !errors.Is(err, context.Canceled) || len(names) > 0 {
			t.Errorf("restore up to %s: %v, and there are streams %v", at, err, names)
		}
	}
}

func TestBackupMistakes(t *testing.T) {
	t.Parallel()
	dir, source := small(t)
	ctx := streamstest.Context(t)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		dir:                               "holds a backup already",
		full:                              "has files in it",
		filepath.Join(full, "letter.txt"): "not a directory",
	} {
		if _, err := snapshot.Backup(ctx, source, path, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("into %s: %v, want an error that says %q", path, err, says)
		}
	}
	if _, err := snapshot.Verify(ctx, dir, nil); err != nil {
		t.Errorf("the backup that was there: %v", err)
	}
	if _, err := snapshot.Backup(ctx, empty(t), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "nothing to back up") {
		t.Errorf("of an empty server: %v", err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, "SHA256SUMS": 0o600, "CYTUBE.snapshot": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}

// Streams for looking at cannot be changed, and nothing in them expires.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	ctx, fresh := streamstest.Context(t), empty(t)
	if _, err := snapshot.Restore(ctx, fresh, dir, snapshot.RestoreOptions{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if n := len(messages(t, fresh, streams.Cytube, 1<<62)); n != 200 {
		t.Errorf("%d messages can be read", n)
	}
	s, err := fresh.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; !c.Sealed || c.MaxAge != 0 {
		t.Errorf("sealed %v, max age %s", c.Sealed, c.MaxAge)
	}
	e, err := event.New(event.SubjectChat, chat(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := streams.NewBus(fresh.Conn(), fresh).Publish(ctx, e); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("a line was stored: %v", err)
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
