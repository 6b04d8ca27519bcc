package snapshot_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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
