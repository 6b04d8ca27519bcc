package embedded_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A server that is killed between the tombstone of an event and the overwriting of its bytes
// leaves these in the file: the next start overwrites them, and nothing else.
func TestErasureOfAKilledServer(t *testing.T) {
	t.Parallel()
	for name, seq := range map[string]uint64{
		"in a compressed block": 2, "at the beginning of the stream": 1, "in the last block": inventoryEvents, "at the end of a block": 0,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := filledStore(t)
			if seq == 0 {
				seq = lastOfFirstBlock(t, store)
			}
			eraseHalf(t, store, seq)
			for round := range 2 {
				log := &said{}
				s := startStore(t, store, slog.New(slog.NewTextHandler(log, nil)))
				bus := streamstest.Bus(t, s)
				wantAllBut(t, bus, seq)
				if n := strings.Count(log.String(), fmt.Sprintf(`"erasure of a killed process finished" stream=CYTUBE seq=%d`, seq)); n != 1-round || strings.Contains(log.String(), "not finished") {
					t.Errorf("start %d:\n%s", round, log)
				}
				if round == 0 {
					stop(t, bus, s)
				}
				if blocks := blocksWith(t, store, beginning(int(seq)-1)); len(blocks) > 0 {
					t.Errorf("start %d: the text is in %v", round, blocks)
				}
				if round == 1 {
					stop(t, bus, s)
				}
			}
		})
	}
}

// eraseHalf leaves a store as a server does that is killed while it erases an event.
func eraseHalf(t *testing.T, store string, seq uint64) {
	t.Helper()
	blocks := blocksWith(t, store, beginning(int(seq)-1))
	if len(blocks) != 1 {
		t.Fatalf("event %d is in %v", seq, blocks)
	}
	before := read(t, blocks[0])
	s := startStore(t, store, nil)
	bus := streamstest.Bus(t, s)
	stream, err := bus.JetStream().Stream(t.Context(), streams.Cytube)
	if err == nil {
		err = stream.SecureDeleteMsg(t.Context(), seq)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop(t, bus, s)
	if last := lastBlock(t, streamDir(store, streams.Cytube)); last == blocks[0] { // the tombstone is in it
		before = append(before, read(t, last)[len(before):]...)
	}
	write(t, blocks[0], before)
	write(t, blocks[0]+".tmp", before)
	write(t, filepath.Join(store, "holder"), []byte("a killed server (pid 1)"))
	if blocks := blocksWith(t, store, beginning(int(seq)-1)); len(blocks) != 2 {
		t.Fatalf("the text is in %v: the test does not do what it says", blocks)
	}
}

// wantAllBut checks that all lines are there but one, and that the stream counts them so.
func wantAllBut(t *testing.T, bus *streams.Bus, erased uint64) {
	t.Helper()
	n := 0
	for msg, err := range streams.Messages(t.Context(), bus.JetStream(), streams.Selection{Stream: streams.Cytube}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; msg.Sequence == erased || !bytes.Contains(msg.Data, []byte(line(int(msg.Sequence)-1))) {
			t.Errorf("event %d is not what was stored", msg.Sequence)
		}
	}
	stream, err := bus.JetStream().Stream(t.Context(), streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; n != inventoryEvents-1 || state.Msgs != inventoryEvents-1 || state.LastSeq != inventoryEvents {
		t.Errorf("read %d events of %+v", n, state)
	}
}

// lastOfFirstBlock returns the sequence of the last event in the first block of CYTUBE.
func lastOfFirstBlock(t *testing.T, store string) (seq uint64) {
	t.Helper()
	block := plainBlock(t, filepath.Join(streamDir(store, streams.Cytube), "msgs", "1.blk"))
	for n := range inventoryEvents {
		if bytes.Contains(block, []byte(beginning(n))) {
			seq = uint64(n + 1)
		}
	}
	return seq
}

// blocksWith returns the files of CYTUBE's blocks that hold a text.
func blocksWith(t *testing.T, store, text string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(streamDir(store, streams.Cytube), "msgs", "*.blk*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if bytes.Contains(plainBlock(t, file), []byte(text)) {
			found = append(found, file)
		}
	}
	return found
}

// plainBlock returns what a block's file holds, decompressed.
func plainBlock(t *testing.T, file string) []byte {
	t.Helper()
	raw := read(t, file)
	var info server.CompressionInfo
	if n, _ := info.UnmarshalMetadata(raw); n > 0 {
		var err error
		if raw, err = info.Algorithm.Decompress(raw[n:]); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}
