package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A backup that a killed process left is replaced; a finished one is kept, and a damaged
// one is reported, as it is all that is left of what was.
func TestEnsure(t *testing.T) {
	t.Parallel()
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	dir := snapshot.OfFormat(t.TempDir(), 0)
	sums := filepath.Join(dir, "SHA256SUMS")
	for _, step := range []struct {
		before func() error
		made   bool
		err    error
	}{
		{func() error { return nil }, true, nil},
		{func() error { return nil }, false, nil},
		{func() error { return os.Remove(sums) }, true, nil},
		{func() error { return errors.Join(os.Remove(sums), os.Remove(filepath.Join(dir, "manifest.json"))) }, true, nil},
		{func() error { return os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{}"), 0o600) }, false, snapshot.ErrDamaged},
	} {
		if err := step.before(); err != nil {
			t.Fatal(err)
		}
		made, err := snapshot.Ensure(t.Context(), js, dir)
		if made != step.made || !errors.Is(err, step.err) {
			t.Errorf("made %t, %v; want %t, %v", made, err, step.made, step.err)
		}
	}
}
