package consumers_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A power cut can take the last moments of one stream and leave those of another.
// What comes after it is not taken for what was lost.
func TestAfterAPowerCut(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a server for each case")
	for _, c := range []struct{ name, lost string }{
		{"the lines", filepath.Join(streams.Cytube, "msgs")},
		{"the lines and how far they were read", streams.Cytube},
		{"the commands", filepath.Join(streams.Plugin, "msgs")},
		{"the commands and how far they were read", streams.Plugin},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			lost := filepath.Join(store, "jetstream", "$G", "streams", c.lost)
			handle(t, store, 10)
			saved := filepath.Join(t.TempDir(), "saved")
			if err := os.CopyFS(saved, os.DirFS(lost)); err != nil {
				t.Fatal(err)
			}
			handle(t, store, 5)
			if err := errors.Join(os.RemoveAll(lost), os.CopyFS(lost, os.DirFS(saved))); err != nil {
				t.Fatal(err)
			}
			holder := filepath.Join(store, "holder")
			if _, err := os.Stat(holder); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a server that stopped is still the holder: %v", err)
			}
			if err := os.WriteFile(holder, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if answers := handle(t, store, 8); answers != 8 {
				t.Errorf("%d of 8 lines were answered", answers)
			}
		})
	}
}

// openStore starts a server on a store, until stop is called.
func openStore(t *testing.T, store string) (bus *streams.Bus, stop func()) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Open(t.Context(), js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	return streams.NewBus(nc, js), func() {
		nc.Close()
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// handle runs a router and a plugin on a store while n lines are said, and counts
// the answers.
func handle(t *testing.T, store string, n int) (answers uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	bus, stop := openStore(t, store)
	defer stop()
	var running sync.WaitGroup
	for _, hop := range []struct {
		c    consumers.Config
		to   string
		send any
	}{
		{consumers.Config{Durable: "router", Stream: streams.Cytube, Name: "router", Subjects: []string{event.SubjectChat}},
			event.CommandSubject("t"), event.Command{Command: "t", User: "alice"}},
		{consumers.Config{Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")}},
			event.SubjectSendChat, event.SendChat{Message: "answer", Channel: "main"}},
	} {
		running.Go(func() {
			err := consumers.Run(ctx, bus, hop.c, func(context.Context, streams.Stored) ([]event.Envelope, error) {
				e, err := event.New(hop.to, hop.send)
				return []event.Envelope{e}, err
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	defer running.Wait()
	defer cancel()
	sent := func() uint64 {
		s, err := bus.JetStream().Stream(ctx, streams.Cytube)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Msgs
	}
	before := sent()
	for range n {
		streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "!t", Channel: "main"})
	}
	for late := time.After(4 * time.Minute); answers < uint64(n); answers = sent() - before - uint64(n) {
		select {
		case <-late:
			return answers
		case <-time.After(5 * time.Millisecond):
		}
	}
	return answers
}
