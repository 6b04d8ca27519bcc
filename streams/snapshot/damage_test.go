package snapshot_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

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
