package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// inventoryFile is the file in a store that says what it held when it was stopped.
const inventoryFile = "inventory.json"

// An inventory is what a store held when its server stopped. A server that finds a
// stream's files damaged keeps what it can read of them, often without a word
// (nats-server 2.15.2): by the inventory the next one knows that something is gone.
type inventory struct {
	Streams map[string]holding `json:"streams"`
	Lost    []Loss             `json:"lost,omitempty"`
}

// A holding is how much a stream held.
type holding struct {
	Last     uint64    `json:"last"`     // sequence
	Messages uint64    `json:"messages"` // that are there
	Deleted  uint64    `json:"deleted"`  // between the first and the last
	First    time.Time `json:"first"`    // when the oldest was stored
}

// A Loss is what a stream held when its server stopped, and not when the next one
// began.
type Loss struct {
	Stream  string    `json:"stream"`
	Events  uint64    `json:"events"` // that are gone
	Gone    bool      `json:"gone"`   // the whole stream is
	Noticed time.Time `json:"noticed"`
}

// remembered is for how long a Loss is told of.
const remembered = 30 * 24 * time.Hour

// Losses are what was noticed to be gone from a store in the last 30 days, the latest
// last. It can be asked while a server has the store. The error wraps fs.ErrNotExist
// while no server has stopped on the store.
func Losses(store string) ([]Loss, error) {
	i, err := readInventory(store)
	return i.Lost, err
}

func readInventory(store string) (i inventory, err error) {
	path := filepath.Join(store, inventoryFile)
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &i)
	}
	if err != nil {
		return inventory{}, fmt.Errorf("read what the store held in %s: %w", path, err)
	}
	i.Lost = slices.DeleteFunc(i.Lost, func(l Loss) bool { return time.Since(l.Noticed) > remembered })
	return i, nil
}

// stock lists what the streams hold.
func (s *Server) stock() (jetstream.JetStream, []State, error) {
	js, err := JetStream(s.own)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), DefaultTimeout)
	defer cancel()
	states, err := States(ctx, js)
	return js, states, err
}

// takeStock writes the inventory, with what was lost besides what it says already. One
// that cannot be read gives way.
func (s *Server) takeStock(lost ...Loss) error {
	i, _ := readInventory(s.store)
	_, states, err := s.stock()
	if err != nil {
		return fmt.Errorf("note what the store holds: %w", err)
	}
	i = inventory{Streams: map[string]holding{}, Lost: append(i.Lost, lost...)}
	for _, st := range states {
		i.Streams[st.Name] = holding{Last: st.LastSeq, Messages: st.Messages, Deleted: st.Deleted, First: st.First}
	}
	return writePrivate(filepath.Join(s.store, inventoryFile), i)
}

// checkStock tells the log of what is gone since the inventory was written, and takes
// the streams past the sequences of that. Nobody is kept from running by it. Torn says
// that the last server did not stop, and the inventory is older than what it did.
func (s *Server) checkStock(torn bool, log *slog.Logger) {
	before, err := readInventory(s.store)
	if err == nil {
		err = s.compare(before.Streams, torn, log)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("it cannot be told whether the store holds what it held", "error", err)
	}
}

func (s *Server) compare(before map[string]holding, torn bool, log *slog.Logger) error {
	js, states, err := s.stock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	var lost []Loss
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, now := before[name], State{Name: name}
		i := slices.IndexFunc(states, func(st State) bool { return st.Name == name })
		if i >= 0 {
			now = states[i]
		}
		loss := Loss{Stream: name, Gone: i < 0, Noticed: time.Now()}
		switch {
		case torn && !isOurs(name): // a bucket may have been deleted since, or made anew
		case loss.Gone:
			loss.Events = was.Messages
		case torn:
			loss.Events = less(now.LastSeq, was.Last)
		default:
			loss.Events = was.missing(now, loss.Noticed)
		}
		if loss.Events > 0 {
			lost = append(lost, loss)
			log.Error("events are gone that the store held when it was stopped: its files were damaged or removed; rosey restore brings back a backup",
				"stream", name, "events", loss.Events, "all", loss.Gone)
		}
		if now.LastSeq < was.Last && !loss.Gone {
			errs = append(errs, Pass(ctx, js, name, was.Last))
		}
	}
	if len(lost) > 0 {
		errs = append(errs, s.takeStock(lost...))
	}
	return errors.Join(errs...)
}

// missing is how many events are gone that did not go because of their age.
func (was holding) missing(now State, at time.Time) uint64 {
	n := less(now.LastSeq, was.Last)
	if expiring(now.Name) {
		return n
	}
	n += less(was.Deleted, now.Deleted)
	if now.MaxAge == 0 || at.Sub(was.First) < now.MaxAge {
		n = max(n, less(now.Messages, was.Messages))
	}
	return n
}

// less is by how much a is less than b.
func less(a, b uint64) uint64 { return max(a, b) - a }

// expiring reports whether single events of a stream go by themselves, also as the
// server begins: heartbeats, timers, and what a plugin has given a time to live.
func expiring(stream string) bool { return stream == Platform || stream == Timer || stream == Plugin }
