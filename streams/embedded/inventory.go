package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// inventoryFile is the file in a store that says what it holds.
const inventoryFile = "inventory.json"

// inventoryInterval is how often the inventory is written. After a power cut, a durable
// whose files are torn goes on from where it was then.
const inventoryInterval = time.Minute

// An inventory is what a store held lately. A server that finds a stream's files damaged
// keeps what it can read of them, often without a log line (nats-server 2.15.2): only by
// comparison does the next one notice the loss, and make again what is gone.
type inventory struct {
	Streams map[string]holding `json:"streams"`
	Lost    []Loss             `json:"lost,omitempty"`
}

// A holding is what a stream held.
type holding struct {
	Last      uint64                  `json:"last"`     // sequence
	Messages  uint64                  `json:"messages"` // that are there
	Deleted   uint64                  `json:"deleted"`  // between the first and the last
	First     time.Time               `json:"first"`    // when the oldest was stored
	Created   time.Time               `json:"created,omitzero"`
	Config    *jetstream.StreamConfig `json:"config,omitempty"`
	Consumers map[string]durable      `json:"consumers,omitempty"`

	consumed bool // it has consumers, durable or not
}

type durable struct {
	Floor   uint64                   `json:"floor"` // all up to here were acknowledged
	Created time.Time                `json:"created"`
	Config  jetstream.ConsumerConfig `json:"config"`
}

// A Loss is what a stream held and no longer holds.
type Loss struct {
	Stream  string    `json:"stream"`
	Events  uint64    `json:"events"`            // that are gone, 0 if nobody knows how many
	Gone    bool      `json:"gone"`              // the whole stream is
	Deleted bool      `json:"deleted,omitempty"` // by somebody while the server ran
	Noticed time.Time `json:"noticed"`
}

// String says what is gone, since when and why.
func (l Loss) String() string {
	kind, name, what := "stream", l.Stream, humanize.Comma(int64(l.Events))+" events"
	if bucket, ok := strings.CutPrefix(l.Stream, jsapi.BucketStream("")); ok {
		kind, name, what = "bucket", "bucket "+bucket, humanize.Comma(int64(l.Events))+" entries"
	}
	switch {
	case l.Events == 0:
		what = "an unknown number of events"
	case l.Gone:
		what = "all " + what
	}
	cause := "the store's files were damaged or removed"
	switch {
	case l.Deleted:
		cause = "the " + kind + " was deleted while the bot ran"
	case l.Gone:
		cause += ", or the " + kind + " was deleted before the bot was killed"
	}
	return fmt.Sprintf("%s of %s are gone, which was noticed %s: %s", what, name, humanize.Time(l.Noticed), cause)
}

// lossesKept is how long a Loss is reported.
const lossesKept = 30 * 24 * time.Hour

// Losses returns the losses that were detected in a store in the last 30 days, the
// latest last. It may be called while a server has the store. The error wraps
// fs.ErrNotExist while no server has run on the store.
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

func (s *Server) holdings(ctx context.Context) (map[string]holding, error) {
	all := map[string]holding{}
	lister := s.js.ListStreams(ctx)
	for info := range lister.Info() {
		all[info.Config.Name] = holding{
			Last: info.State.LastSeq, Messages: info.State.Msgs, Deleted: uint64(info.State.NumDeleted), First: info.State.FirstTime,
			Created: info.Created, Config: &info.Config, Consumers: map[string]durable{},
			consumed: info.State.Consumers > 0,
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	for name, h := range all {
		if !h.consumed {
			continue
		}
		stream, err := s.js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open stream %s: %w", name, err)
		}
		lister := stream.ListConsumers(ctx)
		for info := range lister.Info() {
			if info.Config.Durable != "" {
				h.Consumers[info.Name] = durable{Floor: info.AckFloor.Stream, Created: info.Created, Config: info.Config}
			}
		}
		if err := lister.Err(); err != nil {
			return nil, fmt.Errorf("list consumers of %s: %w", name, err)
		}
	}
	return all, nil
}

// updateInventory writes what the store holds, with new losses: those given and the
// events of streams that somebody has deleted since the last time.
func (s *Server) updateInventory(lost ...Loss) error {
	ctx, cancel := context.WithTimeout(context.Background(), streams.DefaultTimeout)
	defer cancel()
	now, err := s.holdings(ctx)
	if err != nil {
		return fmt.Errorf("write the store's inventory: %w", err)
	}
	known := map[string]holding{}
	maps.Copy(known, s.held)
	for name := range now {
		if _, ok := known[name]; !ok && s.held != nil && isRecreated(name, holding{Created: s.began}, now[name]) {
			known[name] = holding{Created: s.began}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		was := known[name]
		if !isWatched(name) || was.Created.Equal(now[name].Created) {
			continue
		}
		events, recreated := was.Messages, isRecreated(name, was, now[name])
		if recreated {
			events += now[name].Config.FirstSeq - (was.Last + 1 + streams.SequenceMargin)
		}
		bucket, _ := strings.CutPrefix(name, jsapi.BucketStream(""))
		if dropped, err := streams.IsDropped(ctx, s.js, bucket); err == nil && dropped {
			continue
		}
		if events > 0 || recreated {
			s.log.Error("stream deleted, contents lost; rosey restore brings back a backup", "stream", name, "events", events)
			lost = append(lost, Loss{Stream: name, Events: events, Gone: true, Deleted: true, Noticed: time.Now()})
		}
	}
	i, _ := readInventory(s.store) // one that cannot be read is replaced
	s.held = now
	return connect.WriteStoreFile(filepath.Join(s.store, inventoryFile), inventory{now, append(i.Lost, lost...)})
}

// isRecreated reports whether a Maintainer recreated a stream of the topology, which then
// begins after all sequences that it had. One that was restored is as old as its backup.
func isRecreated(name string, was, now holding) bool {
	return streams.InTopology(name) && now.Config != nil && now.Created.After(was.Created) && now.Config.FirstSeq >= was.Last+1+streams.SequenceMargin
}

// isWatched reports whether it is a loss that a stream was deleted: it holds events, or
// records that nothing else does.
func isWatched(stream string) bool {
	bucket, isBucket := strings.CutPrefix(stream, jsapi.BucketStream(""))
	return streams.InTopology(stream) || isBucket && streams.HoldsRecords(bucket)
}

func (s *Server) watchInventory(ctx context.Context) {
	for tick := time.NewTicker(inventoryInterval); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			if err := s.updateInventory(); err != nil {
				s.log.Warn("inventory not written", "error", err)
			}
		}
	}
}
