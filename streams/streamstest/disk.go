package streamstest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
)

// A Disk is a small file system of a test's own, and how to fill it.
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

// Fill takes all of the disk but what is to stay free.
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

// Clear gives back what Fill took.
func (d *Disk) Clear() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
}

// Stuff fills a server's store through its Bus until that says that the store is
// full. What it stores is in a stream of its own; Unstuff takes it away.
func Stuff(t testing.TB, bus *streams.Bus) {
	t.Helper()
	ctx, js := Context(t), bus.JetStream()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stuffing, Subjects: []string{stuffing}}); err != nil {
		t.Fatal(err)
	}
	for size := 50_000; size > 0; {
		_, err := js.Publish(ctx, stuffing, make([]byte, size))
		switch {
		case errors.Is(streams.WrapFull(err), streams.ErrFull):
			size /= 10 // there may be room for less
		case err != nil:
			t.Fatal(err)
		}
	}
}

// Unstuff takes away what Stuff has stored.
func Unstuff(t testing.TB, bus *streams.Bus) {
	t.Helper()
	if err := bus.JetStream().DeleteStream(Context(t), stuffing); err != nil {
		t.Fatal(err)
	}
}

const stuffing = "STUFFING"
