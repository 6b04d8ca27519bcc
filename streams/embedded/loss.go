package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/reconcile"
)

// check compares the store with its inventory: it makes again what is gone, logs and
// notes the events that are, and advances the streams past their sequences. After an
// unclean shutdown the inventory is older than the last changes to the store. The error
// is about a stream that cannot be read.
func (s *Server) check(unclean bool) error {
	before, err := readInventory(s.store)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("store not checked for lost events", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoveryTimeout)
	defer cancel()
	if err := s.repairStreams(ctx, before.Streams); err != nil {
		return err
	}
	if err := s.checkFormat(ctx); err != nil {
		return err
	}
	lost, err := s.detectLoss(ctx, before.Streams, unclean)
	if err == nil {
		err = s.repairConsumers(ctx, before.Streams, unclean)
	}
	if err = errors.Join(err, s.updateInventory(lost...)); err != nil {
		s.log.Warn("store not wholly checked", "error", err)
	}
	if unclean {
		reconcile.Run(ctx, s.js, s.log)
	}
	return nil
}

// checkFormat returns an error for a store that a newer version has written.
func (s *Server) checkFormat(ctx context.Context) error {
	for _, spec := range streams.Specs() {
		stream, err := s.js.Stream(ctx, spec.Name)
		if err == nil {
			err = streams.CheckFormat(stream.CachedInfo().Config)
		}
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s in %s: %w", spec.Name, s.store, err)
		}
	}
	return nil
}

func (s *Server) detectLoss(ctx context.Context, before map[string]holding, unclean bool) (lost []Loss, err error) {
	held, err := s.holdings(ctx)
	if err != nil {
		return nil, err
	}
	before = maps.Clone(before)
	if before == nil {
		before = map[string]holding{}
	}
	for stream, seq := range s.serverLog.delivered() {
		was := before[stream]
		was.Last = max(was.Last, seq)
		before[stream] = was
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		now, exists := held[name]
		loss := Loss{Stream: name, Gone: !exists, Noticed: time.Now()}
		switch {
		case unclean && !isWatched(name): // somebody may have deleted it since, or made it anew
		case loss.Gone, unclean && !was.Created.IsZero() && !was.Created.Equal(now.Created):
			loss.Events, loss.Deleted, loss.Gone = was.Messages, exists, true
		case unclean:
			loss.Events = shortfall(now.Last, was.Last)
		default:
			loss.Events = was.missing(name, now, loss.Noticed)
		}
		if loss.Events > 0 || loss.Deleted && isRecreated(name, was, now) {
			lost = append(lost, loss)
			s.log.Error("stored events lost: files were damaged or removed since the last shutdown; rosey restore brings back a backup",
				"stream", name, "events", loss.Events, "all", loss.Gone)
		}
		switch {
		case !exists && streams.InTopology(name):
			errs = append(errs, s.makeStream(ctx, name, was.Config, was.Last+1+streams.SequenceMargin))
		case now.Last < was.Last && exists:
			errs = append(errs, reconcile.AdvanceSequence(ctx, s.js, name, was.Last))
		}
	}
	return lost, errors.Join(errs...)
}

// missing is how many events are gone that did not expire.
func (was holding) missing(stream string, now holding, at time.Time) uint64 {
	n := shortfall(now.Last, was.Last)
	if holdsExpiring(stream) {
		return n
	}
	n += shortfall(was.Deleted, now.Deleted)
	if now.Config.MaxAge == 0 || at.Sub(was.First) < now.Config.MaxAge {
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
