package streamstest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Disk is a small file system of one test, which can be filled.
type Disk struct {
	Dir     string
	t       testing.TB
	ballast string
}

// SmallDisk mounts a file system of a given size in bytes. It skips the test
// where this user may not mount one.
func SmallDisk(t testing.TB, bytes int64) *Disk {
	t.Helper()
	dir := t.TempDir()
	if err := mount(dir, bytes); err != nil {
		t.Skipf("a file system of the test's own cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	return &Disk{Dir: dir, t: t, ballast: filepath.Join(dir, "ballast")}
}

// Fill writes a file that leaves the given bytes free.
func (d *Disk) Fill(free int64) {
	d.t.Helper()
	f, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for {
		have, _ := embedded.DiskSpace(d.Dir)
		n := min(int64(have)-free, 1<<20)
		if n <= 0 {
			return
		}
		if _, err := f.Write(make([]byte, n)); err != nil {
			if free > 0 {
				d.t.Fatal(err)
			}
			return // full
		}
	}
}

// Clear removes what Fill wrote.
func (d *Disk) Clear() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
}

// FillStore publishes to a stream of its own until the server refuses for lack of
// capacity. FreeStore deletes that stream.
func FillStore(t testing.TB, bus *streams.Bus) {
	t.Helper()
	ctx, js := Context(t), bus.JetStream()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: filler, Subjects: []string{filler}}); err != nil {
		t.Fatal(err)
	}
	for size := 50_000; size > 0; {
		_, err := js.Publish(ctx, filler, make([]byte, size))
		switch {
		case errors.Is(jsapi.WrapFull(err), jsapi.ErrFull):
			size /= 10 // there may be room for less
		case err != nil:
			t.Fatal(err)
		}
	}
}

// FreeStore deletes what FillStore has stored.
func FreeStore(t testing.TB, bus *streams.Bus) {
	t.Helper()
	if err := bus.JetStream().DeleteStream(Context(t), filler); err != nil {
		t.Fatal(err)
	}
}

const filler = "FILLER"
