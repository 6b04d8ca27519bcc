package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// After which erased event ever Forget is broken off, the next run erases the rest: what
// was made because of a person's events is found as long as it is there.
func TestForgetBrokenOffIsCompleted(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "breaks off after each event")
	ctx := streamstest.Context(t)
	store := t.TempDir()
	bus := streamstest.Bus(t, streamstest.ServerOn(t, store))
	w := &marked{t: t, bus: bus, refs: map[string]event.Ref{}, stored: map[string]uint64{}}
	key, o := newKey(t), ForgetOptions{Answers: true}
	const events = 7
	for n := range events {
		w.conversation(fmt.Sprintf("secret-%d", n))
		if files := filesWith(t, store, fmt.Sprintf("secret-%d", n)); len(files) < 4 {
			t.Fatalf("before, only %v hold the text: the test looks in the wrong place", files)
		}
		left := n
		broken := streams.NewBus(bus.Conn(), breaking{bus.JetStream(), &left})
		if _, err := Forget(ctx, broken, key, "mallory", o); !errors.Is(err, errBroken) {
			t.Fatalf("broken off after %d: %v", n, err)
		}
		done, err := Forget(ctx, bus, key, "mallory", o)
		if err != nil || done.Total() != events-n {
			t.Errorf("broken off after %d, the next run erased %+v, %v", n, done, err)
		}
		if left := w.left(); len(left) > 0 {
			t.Errorf("broken off after %d, %q are left", n, left)
		}
		for stream := range w.stored { // the erasures are events of CYTUBE
			w.stored[stream] = lastOf(t, bus, stream)
		}
	}
	if files := filesWith(t, store, "secret-"); len(files) > 0 {
		t.Errorf("the text is left in %v", files)
	}
}

// Snapshots of channels, which name who was there, go also if the run that erased the
// events did not get to them.
func TestForgetBrokenOffBeforeSnapshots(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "mallory", Message: "hi", Channel: "lounge", Time: 1})
	js := bus.JetStream()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: streams.ChannelSnapshots}); err != nil {
		t.Fatal(err)
	}
	left := 1
	if _, err := Forget(ctx, streams.NewBus(bus.Conn(), breaking{js, &left}), newKey(t), "mallory", ForgetOptions{}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	for _, dryRun := range []bool{true, false} {
		if _, err := Forget(ctx, bus, newKey(t), "mallory", ForgetOptions{DryRun: dryRun}); !errors.Is(err, replay.ErrNoMatch) {
			t.Error(err)
		}
		if _, err := js.Stream(ctx, streams.ChannelSnapshots); errors.Is(err, jetstream.ErrStreamNotFound) == dryRun {
			t.Errorf("dry run %t: %v", dryRun, err)
		}
	}
}

// conversation stores a line of mallory's, its command, and what that led to.
func (w *marked) conversation(name string) {
	w.store(name+" line", event.SubjectChat, name, "", map[string]any{"user": "mallory", "message": "!x", "channel": "lounge", "rank": 1, "time": 1})
	w.store(name+" command", event.CommandSubject("p"), name, name+" line", map[string]any{"command": "x", "args": []string{}, "user": "mallory", "channel": "lounge", "rank": 1, "raw_message": "!x"})
	w.store(name+" request", event.RequestSubject("other"), name, name+" command", map[string]any{})
	w.store(name+" get", event.SubjectGet, name, name+" command", map[string]any{"collection": "c", "id": 1})
	w.store(name+" event", event.EventSubject("p", "done"), name, name+" command", map[string]any{})
	w.store(name+" answer", event.SubjectSendChat, name, name+" command", map[string]any{"message": "done"})
	w.store(name+" answer to the event", event.SubjectSendChat, name, name+" event", map[string]any{"message": "done"})
}

var errBroken = errors.New("broken off")

// breaking is a JetStream whose streams erase no more than *left events, and which deletes
// none.
type breaking struct {
	jetstream.JetStream
	left *int
}

func (b breaking) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := b.JetStream.Stream(ctx, name)
	return breakingStream{s, b.left}, err
}

func (breaking) DeleteStream(context.Context, string) error { return errBroken }

type breakingStream struct {
	jetstream.Stream
	left *int
}

func (s breakingStream) SecureDeleteMsg(ctx context.Context, seq uint64) error {
	if *s.left == 0 {
		return errBroken
	}
	*s.left--
	return s.Stream.SecureDeleteMsg(ctx, seq)
}

func lastOf(t *testing.T, bus *streams.Bus, stream string) uint64 {
	t.Helper()
	s, err := bus.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// filesWith returns the files below dir that hold a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
