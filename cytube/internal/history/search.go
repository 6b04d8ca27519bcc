package history

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Search finds which lines of a chat buffer are recorded. A bot records a buffer in
// order and then what follows it: whatever comes before a recorded line is recorded too,
// or was erased or removed by retention. So Search goes back from the stream's end to the
// latest line of the buffer that is recorded, but not after the channel's checkpoint.
//
// Search keeps its progress: Run may be called again after an error.
type Search struct {
	// Latest is the latest line that is recorded, without its Seq. It is valid after Run.
	Latest Checkpoint
	// Joined reports whether the bot was in the channel before. It is valid after Run.
	Joined bool

	r      *Reader
	lines  []*channel.Line
	counts map[channel.LineKey]int // of the buffer's lines, how often each is recorded

	prepared bool
	first    uint64           // where the search ends
	window   window           // searched last
	latest   channel.LineKey  // of Latest, if a window held it
	found    bool             // what is before the window is of interest no more, but for equal lines
	done     bool             // so is that
	anchor   *channel.LineKey // of the checkpoint's line
	anchored int              // how many lines had that key
	removed  int64            // time of the checkpoint's line, if retention has removed it
}

// NewSearch returns a Search for the lines of a buffer, of which there must be one.
func (r *Reader) NewSearch(lines []*channel.Line) *Search {
	s := &Search{r: r, lines: lines, counts: map[channel.LineKey]int{}}
	for _, l := range lines {
		s.counts[l.Key()] = 0
	}
	return s
}

// maxWindow bounds what is read again after an error, in sequences.
const maxWindow = 1 << 16

// clockSkew is by how much the clocks of the channel's server and of the streams may
// differ.
const clockSkew = 24 * time.Hour

// Run searches. It returns how many lines from the buffer's beginning are recorded.
func (s *Search) Run(ctx context.Context) (recorded int, err error) {
	if !s.prepared {
		if err := s.prepare(ctx); err != nil {
			return 0, err
		}
		s.prepared = true
	}
	for length := uint64(firstWindow); !s.done && s.window.from > s.first; length = min(4*length, maxWindow) {
		if s.found {
			length = firstWindow
		}
		next := window{from: s.first, to: s.window.from - 1}
		if next.to-s.first >= length {
			next.from = next.to - length + 1
		}
		if err := s.read(ctx, next); err != nil {
			return 0, err
		}
		s.window, s.done, s.found = next, s.found, s.recorded() > 0
	}
	s.meetAnchor()
	if n := s.counts[s.latest]; n > 0 {
		s.Latest.N = n
	}
	return max(s.recorded(), s.removedLines()), nil
}

// meetAnchor counts the lines that were recorded up to the checkpoint's.
func (s *Search) meetAnchor() {
	if s.anchor == nil {
		return
	}
	if _, buffered := s.counts[*s.anchor]; buffered {
		s.counts[*s.anchor] += s.anchored
	}
	s.anchor = nil
}

// Count returns how often a line was recorded, as far as the search went.
func (s *Search) Count(key channel.LineKey) int { return s.counts[key] }

// prepare looks where the search ends: at the channel's checkpoint or, without one, as in
// the store of an earlier release, where the stream held what was said before the buffer.
func (s *Search) prepare(ctx context.Context) error {
	stream, err := s.r.js.Stream(ctx, streams.Cytube)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	s.window.from, s.first = state.LastSeq+1, max(state.FirstSeq, 1)
	c, ok, err := s.r.Checkpoint(ctx)
	if err != nil && !errors.As(err, new(*jetstream.APIError)) { // as where the account may have no more buckets
		return err
	}
	if s.Joined = ok; ok && c.Seq <= state.LastSeq {
		valid, err := s.resume(ctx, c, state.FirstSeq)
		if err != nil || valid {
			return err
		}
	}
	oldest := int64(0)
	for _, l := range s.lines {
		if l.Time > 0 && (oldest == 0 || l.Time < oldest) { // a line without a time says nothing
			oldest = l.Time
		}
	}
	if oldest == 0 {
		return nil
	}
	since, err := streams.SequenceSince(ctx, s.r.js, stream, time.UnixMilli(oldest).Add(-clockSkew))
	s.first = max(s.first, since)
	return err
}

// resume begins from a checkpoint. It reports false if the line that the checkpoint names
// is gone and no retention has taken it: then others may be gone as well.
func (s *Search) resume(ctx context.Context, c Checkpoint, first uint64) (valid bool, err error) {
	if c.Line >= first && c.Line > 0 {
		raw, err := s.r.get(ctx, c.Line)
		if err != nil || raw == nil {
			return false, err
		}
		stored, err := streams.ReadRaw(streams.Cytube, raw)
		if err != nil {
			return false, nil //nolint:nilerr // a damaged event is as good as gone
		}
		l, ok := s.r.line(stored)
		if !ok || l.Time != c.Time {
			return false, nil
		}
		key := l.Key()
		s.anchor, s.anchored = &key, c.N
	} else {
		s.removed = c.Time
	}
	s.Latest, s.first = c, max(s.first, c.Seq+1)
	return true, nil
}

// read counts the lines of a window. It changes nothing if it fails.
func (s *Search) read(ctx context.Context, w window) error {
	found := map[channel.LineKey]int{}
	var latest Checkpoint
	var key channel.LineKey // of latest
	joined := false
	for e, err := range s.r.Events(ctx, event.SubjectChat, w.from, w.to) {
		if err != nil {
			return err
		}
		l, ok := s.r.line(e)
		if !ok {
			continue
		}
		joined = joined || e.Metadata[event.MetaBackfill] != true
		if _, wanted := s.counts[l.Key()]; wanted {
			found[l.Key()]++
			latest, key = Checkpoint{Line: e.Ref.Seq, Time: l.Time}, l.Key()
		}
	}
	for key, n := range found {
		s.counts[key] += n
	}
	s.Joined = s.Joined || joined
	if latest.Line > s.Latest.Line {
		s.Latest, s.latest = latest, key
	}
	return nil
}

// recorded returns how many lines there are up to the latest that is recorded.
func (s *Search) recorded() (n int) {
	seen := map[channel.LineKey]int{}
	for i, l := range s.lines {
		if seen[l.Key()]++; seen[l.Key()] <= s.counts[l.Key()] {
			n = i + 1
		}
	}
	return n
}

// removedLines returns how many lines there are up to the checkpoint's, if retention has
// removed that.
func (s *Search) removedLines() (n int) {
	for i, l := range s.lines {
		if s.removed > 0 && l.Time == s.removed {
			n = i + 1
		}
	}
	return n
}
