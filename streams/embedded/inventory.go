package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/reconcile"
)

// inventoryFile is the file in a store that says what it held at the last shutdown.
const inventoryFile = "inventory.json"

// An inventory is what a store held when its server stopped. A server that finds a
// stream's files damaged keeps what it can read of them, often without a log line
// (nats-server 2.15.2): only by comparison does the next one notice the loss.
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

// A Loss is what a stream held when its server stopped, and no longer when the next
// one started.
type Loss struct {
	Stream  string    `json:"stream"`
	Events  uint64    `json:"events"` // that are gone
	Gone    bool      `json:"gone"`   // the whole stream is
	Noticed time.Time `json:"noticed"`
}

// lossesKept is how long a Loss is reported.
const lossesKept = 30 * 24 * time.Hour

// Losses returns the losses that were detected in a store in the last 30 days, the
// latest last. It may be called while a server has the store. The error wraps
// fs.ErrNotExist while no server has stopped on the store.
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
		return inventory{}, fmt.Errorf("read the store's inventory in %s: %w", path, err)
	}
	i.Lost = slices.DeleteFunc(i.Lost, func(l Loss) bool { return time.Since(l.Noticed) > lossesKept })
	return i, nil
}

func (s *Server) states() (jetstream.JetStream, []monitor.StreamState, error) {
	js, err := jetstream.New(s.own)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), streams.DefaultTimeout)
	defer cancel()
	states, err := monitor.Streams(ctx, js)
	return js, states, err
}

// saveInventory writes the inventory, with new losses besides those in it. One that
// cannot be read is replaced.
func (s *Server) saveInventory(lost ...Loss) error {
	i, _ := readInventory(s.store)
	_, states, err := s.states()
	if err != nil {
		return fmt.Errorf("write the store's inventory: %w", err)
	}
	i = inventory{Streams: map[string]holding{}, Lost: append(i.Lost, lost...)}
	for _, st := range states {
		i.Streams[st.Name] = holding{Last: st.LastSeq, Messages: st.Messages, Deleted: st.Deleted, First: st.First}
	}
	return connect.WriteStoreFile(filepath.Join(s.store, inventoryFile), i)
}

// detectLoss logs what is gone since the inventory was written, and advances the
// streams past the lost sequences. Its failure keeps no server from running. After
// an unclean shutdown the inventory is older than the last changes to the store.
func (s *Server) detectLoss(unclean bool) {
	before, err := readInventory(s.store)
	if err == nil {
		err = s.compare(before.Streams, unclean)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("store not checked for lost events", "error", err)
	}
}

func (s *Server) compare(before map[string]holding, unclean bool) error {
	js, states, err := s.states()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoveryTimeout)
	defer cancel()
	var lost []Loss
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, now := before[name], monitor.StreamState{Name: name}
		i := slices.IndexFunc(states, func(st monitor.StreamState) bool { return st.Name == name })
		if i >= 0 {
			now = states[i]
		}
		loss := Loss{Stream: name, Gone: i < 0, Noticed: time.Now()}
		switch {
		case unclean && !streams.InTopology(name): // a bucket may have been deleted since, or made anew
		case loss.Gone:
			loss.Events = was.Messages
		case unclean:
			loss.Events = shortfall(now.LastSeq, was.Last)
		default:
			loss.Events = was.missing(now, loss.Noticed)
		}
		if loss.Events > 0 {
			lost = append(lost, loss)
			s.log.Error("stored events lost: files were damaged or removed since the last shutdown; rosey restore brings back a backup",
				"stream", name, "events", loss.Events, "all", loss.Gone)
		}
		if now.LastSeq < was.Last && !loss.Gone {
			errs = append(errs, reconcile.AdvanceSequence(ctx, js, name, was.Last))
		}
	}
	if len(lost) > 0 {
		errs = append(errs, s.saveInventory(lost...))
	}
	return errors.Join(errs...)
}

// missing is how many events are gone that did not expire.
func (was holding) missing(now monitor.StreamState, at time.Time) uint64 {
	n := shortfall(now.LastSeq, was.Last)
	if holdsExpiring(now.Name) {
		return n
	}
	n += shortfall(was.Deleted, now.Deleted)
	if now.MaxAge == 0 || at.Sub(was.First) < now.MaxAge {
		n = max(n, shortfall(now.Messages, was.Messages))
	}
	return n
}

// shortfall is by how much got falls short of want, or 0.
func shortfall(got, want uint64) uint64 { return max(got, want) - got }

// holdsExpiring reports whether single events of a stream expire, also as the
// server starts: heartbeats, timers, and events that a plugin gave a TTL.
func holdsExpiring(stream string) bool {
	return stream == streams.Platform || stream == streams.Timer || stream == streams.Plugin
}

// reconcile calls reconcile.Run after an unclean shutdown.
func (s *Server) reconcile() {
	ctx, cancel := context.WithTimeout(context.Background(), recoveryTimeout)
	defer cancel()
	js, err := jetstream.New(s.own)
	if err != nil {
		s.log.Warn("streams not reconciled", "error", err)
		return
	}
	reconcile.Run(ctx, js, s.log)
}
