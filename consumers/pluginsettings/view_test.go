package pluginsettings_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// open returns a store that is watched, as bot does it, and one of another process.
func open(t *testing.T, bus *streams.Bus) (watched, other *pluginsettings.Store) {
	t.Helper()
	stores := [2]*pluginsettings.Store{}
	for i := range stores {
		var err error
		if stores[i], err = pluginsettings.Open(t.Context(), bus.JetStream(), 1); err != nil {
			t.Fatal(err)
		}
	}
	watch(t, stores[0])
	return stores[0], stores[1]
}

// watch watches a store until the test ends.
func watch(t *testing.T, s *pluginsettings.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Watch(ctx, slog.New(slog.DiscardHandler)); ctx.Err() == nil {
			t.Errorf("watching ended: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	eventually(t, func(context.Context) error {
		if !s.Current() {
			return errors.New("it does not read from memory")
		}
		return nil
	})
}

func eventually(t *testing.T, fn func(context.Context) error) {
	t.Helper()
	if err := retry.Do(streamstest.Context(t), retry.Every(time.Millisecond), fn); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, bus *streams.Bus, s *pluginsettings.Store, channel, value string) {
	t.Helper()
	u := pluginsettings.Update{Plugin: "dice-roller", Channel: channel, Values: map[string]json.RawMessage{"sides": json.RawMessage(value)}, By: "test"}
	if _, err := s.Apply(t.Context(), bus, u); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *pluginsettings.Store, channel string) string {
	t.Helper()
	of, err := s.Load(t.Context(), "dice-roller", channel)
	if err != nil {
		t.Fatal(err)
	}
	value, _, _ := of.Value("sides")
	return string(value)
}

// await waits until a store has a value.
func await(t *testing.T, s *pluginsettings.Store, channel, want string) {
	t.Helper()
	eventually(t, func(context.Context) error {
		if have := load(t, s, channel); have != want {
			return fmt.Errorf("it has %s, not %s", have, want)
		}
		return nil
	})
}

// requests returns a function that returns how many requests about the bucket there were
// since the last call.
func requests(t *testing.T, bus *streams.Bus) func() int {
	t.Helper()
	sub, err := bus.Conn().SubscribeSync("$JS.API.>")
	if err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		if err := bus.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := sub.NextMsg(time.Millisecond); errors.Is(err, nats.ErrTimeout) {
				return n
			}
			n++
		}
	}
}

// Settings are read without a request, and what is changed is seen at once where it is
// changed, and without one elsewhere.
func TestSettingsAreReadFromMemory(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	watched, other := open(t, bus)
	set(t, bus, other, "", "6")
	await(t, watched, "", "6")
	set(t, bus, other, "Cinema", "20")
	await(t, watched, "cinema", "20")
	count := requests(t, bus)
	count()
	for _, channel := range []string{"cinema", "CINEMA", "lobby", "", "no channel"} {
		load(t, watched, channel)
	}
	if all, err := watched.List(t.Context()); err != nil || len(all) != 2 || all[0].Channel != "" || all[1].Channel != "cinema" {
		t.Errorf("all of them: %+v, %v", all, err)
	}
	if n := count(); n != 0 {
		t.Errorf("reading made %d requests", n)
	}
	set(t, bus, watched, "cinema", "12")
	if have := load(t, watched, "cinema"); have != "12" {
		t.Errorf("after a change here it has %s", have)
	}
	set(t, bus, other, "cinema", "null")
	await(t, watched, "cinema", "6")
}

// A bucket that was deleted and is made again gets what was set, is watched again, and its
// revisions count from 1.
func TestSettingsOfABucketThatWasDeleted(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	watched, other := open(t, bus)
	for _, value := range []string{"6", "8", "10"} {
		set(t, bus, other, "", value)
	}
	await(t, watched, "", "10")
	if err := bus.JetStream().DeleteKeyValue(t.Context(), pluginsettings.Bucket); err != nil {
		t.Fatal(err)
	}
	// The server may still be removing the old one's files.
	eventually(t, func(ctx context.Context) error {
		if _, err := pluginsettings.Open(ctx, bus.JetStream(), 1); err != nil {
			return err
		}
		return watched.Recreated(ctx)
	})
	await(t, other, "", "10")
	set(t, bus, other, "", "12")
	await(t, watched, "", "12")
}

// Where the connection was made anew, what was changed meanwhile is seen.
func TestSettingsAfterAReconnect(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus, elsewhere := streamstest.Bus(t, server), streamstest.Bus(t, server)
	watched, _ := open(t, bus)
	other, err := pluginsettings.Open(t.Context(), elsewhere.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"6", "8"} {
		set(t, elsewhere, other, "", value)
		await(t, watched, "", value)
		if err := bus.Conn().ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	}
	set(t, elsewhere, other, "", "10")
	await(t, watched, "", "10")
}

// What is no document is an error until it is set right, of that plugin alone.
func TestDamagedSettings(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	watched, _ := open(t, bus)
	kv, err := bus.JetStream().KeyValue(t.Context(), pluginsettings.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "trivia", "{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		if _, err := watched.Load(ctx, "trivia", "cinema"); event.CodeOf(err) != event.DatabaseError {
			return fmt.Errorf("a damaged document was read: %w", err)
		}
		return nil
	})
	set(t, bus, watched, "", "6")
	await(t, watched, "", "6")
	listed, err := watched.List(t.Context())
	if err != nil || len(listed) != 2 || listed[0].Err != nil || event.CodeOf(listed[1].Err) != event.DatabaseError {
		t.Errorf("beside a damaged document %+v, %v is listed", listed, err)
	}
	if err := kv.Delete(t.Context(), "trivia"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		_, err := watched.Load(ctx, "trivia", "cinema")
		return err
	})
}

// A damaged document is replaced by what there was before.
func TestDamageIsUndone(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	s, _ := open(t, bus)
	set(t, bus, s, "", "6")
	kv, err := bus.JetStream().KeyValue(t.Context(), pluginsettings.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "dice-roller", "{"); err != nil {
		t.Fatal(err)
	}
	revisions, err := s.History(t.Context(), "dice-roller", "")
	if err != nil || len(revisions) != 2 || revisions[1].Err == nil {
		t.Fatalf("the history is %+v, %v", revisions, err)
	}
	undo, err := pluginsettings.Undone(revisions, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), bus, undo); err != nil {
		t.Fatal(err)
	}
	await(t, s, "", "6")
}

// What a handler of platform.settings loads has the change that the event tells of.
func TestAwait(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	watched, _ := open(t, bus)
	kv, err := bus.JetStream().KeyValue(t.Context(), pluginsettings.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		want := fmt.Sprint(i)
		document, err := json.Marshal(pluginsettings.Document{Values: map[string]json.RawMessage{"sides": json.RawMessage(want)}})
		if err != nil {
			t.Fatal(err)
		}
		revision, err := kv.Put(t.Context(), pluginsettings.Key("dice-roller", "movies"), document)
		if err != nil {
			t.Fatal(err)
		}
		watched.Await(t.Context(), "dice-roller", "movies", revision)
		if got := load(t, watched, "movies"); got != want {
			t.Fatalf("revision %d: it has %s, not %s", revision, got, want)
		}
	}
}
