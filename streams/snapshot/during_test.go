package snapshot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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
		lines, err := bus.JetStream().Stream(ctx, streams.Cytube)
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() bool {
			c, err := bus.JetStream().Consumer(ctx, streams.Cytube, "router")
			return err == nil && c.CachedInfo().AckFloor.Stream >= lines.CachedInfo().State.LastSeq
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
