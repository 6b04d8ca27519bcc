package embedded_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// line is the text of the n-th event.
func line(n int) string { return strings.Repeat(fmt.Sprintf("line-%d ", n), 300) }

// beginning returns what no other line holds, in the few bytes that are found fast.
func beginning(n int) string { return line(n)[:60] }

// What an earlier release stored is compressed at a start, reads as before, and can be erased.
func TestHistoryIsCompressed(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	storeUncompressed(t, store)
	blocks := func() (size int) {
		files, _ := filepath.Glob(filepath.Join(store, "jetstream", "$G", "streams", streams.Cytube, "msgs", "*.blk"))
		if len(files) < 3 {
			t.Fatalf("the stream has %d blocks", len(files))
		}
		for _, f := range files[:len(files)-1] {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			size += int(info.Size())
		}
		return size
	}
	before := blocks()
	var log bytes.Buffer
	for round := range 2 {
		s, err := embedded.Start(embedded.Config{Store: store, Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		bus := streamstest.Bus(t, s)
		readLines(t, bus, round)
		stream, err := bus.JetStream().Stream(t.Context(), streams.Cytube)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SecureDeleteMsg(t.Context(), uint64(round+1)); err != nil {
			t.Fatal(err)
		}
		stop(t, bus, s)
		if after := blocks(); after > before/2 {
			t.Errorf("%d bytes before, %d after", before, after)
		}
	}
	if n := strings.Count(log.String(), "history compressed"); n != 1 || strings.Contains(log.String(), "not compressed") {
		t.Errorf("compressed %d times:\n%s", n, log.String())
	}
	wantErased(t, filepath.Join(store, "jetstream", "$G", "streams", streams.Cytube, "msgs", "1.blk"))
}

// storeUncompressed makes a store as releases without compression did.
func storeUncompressed(t *testing.T, store string) {
	t.Helper()
	s := startStore(t, store, nil)
	stop(t, storeLines(t, s, jetstream.NoCompression), s)
}

// readLines checks that all events are there but the first ones, which were erased.
func readLines(t *testing.T, bus *streams.Bus, erased int) {
	t.Helper()
	n := erased
	for msg, err := range streams.Messages(t.Context(), bus.JetStream(), streams.Selection{Stream: streams.Cytube}) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(msg.Data, []byte(line(n))) {
			t.Fatalf("event %d is not what was stored", n)
		}
		n++
	}
	if n != inventoryEvents {
		t.Errorf("read up to %d", n)
	}
}

// wantErased checks that a block is compressed and has the third line and not the first two.
func wantErased(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var info server.CompressionInfo
	n, err := info.UnmarshalMetadata(raw)
	if err != nil || n == 0 {
		t.Fatalf("not compressed: %v", err)
	}
	if raw, err = info.Algorithm.Decompress(raw[n:]); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{false, false, true} {
		if got := bytes.Contains(raw, []byte(beginning(n))); got != want {
			t.Errorf("line %d is on the disk: %v", n, got)
		}
	}
}
