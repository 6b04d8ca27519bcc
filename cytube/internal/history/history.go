// Package history reads back what was recorded of a channel.
package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Reader reads the stream CYTUBE for one channel. It is safe for concurrent use.
type Reader struct {
	js      jetstream.JetStream
	channel string

	mu     sync.Mutex
	cytube jetstream.Stream   // see stream
	bucket jetstream.KeyValue // see checkpoints
}

// New returns a Reader for a channel, which is in lower case.
func New(js jetstream.JetStream, channel string) *Reader { return &Reader{js: js, channel: channel} }

// Events returns the events of a subject with sequences from one to another, or to the
// end if that is 0, in order. It passes over malformed events and over retried dead
// letters, which are in the stream a second time.
func (r *Reader) Events(ctx context.Context, subject string, from, to uint64) iter.Seq2[streams.Stored, error] {
	return r.events(ctx, []string{subject}, from, to)
}

func (r *Reader) events(ctx context.Context, subjects []string, from, to uint64) iter.Seq2[streams.Stored, error] {
	return func(yield func(streams.Stored, error) bool) {
		for msg, err := range streams.Messages(ctx, r.js, streams.Selection{Stream: streams.Cytube, Subjects: subjects, From: from, To: to}) {
			if err != nil {
				yield(streams.Stored{}, err)
				return
			}
			if s, err := streams.ReadRaw(streams.Cytube, msg); err == nil && s.Meta(event.MetaRetryFor) == "" && !yield(s, nil) {
				return
			}
		}
	}
}

// firstWindow is how many sequences the first window holds.
const firstWindow = 256

// window is a range of sequences, both inclusive.
type window struct{ from, to uint64 }

// windows goes back from the stream's end to its beginning. Each window is four times
// as long as the one before, so that a search for what is recent reads little.
func (r *Reader) windows(ctx context.Context) iter.Seq2[window, error] {
	return func(yield func(window, error) bool) {
		stream, err := r.js.Stream(ctx, streams.Cytube)
		if err != nil {
			yield(window{}, fmt.Errorf("open stream %s: %w", streams.Cytube, err))
			return
		}
		first, end := stream.CachedInfo().State.FirstSeq, stream.CachedInfo().State.LastSeq
		for length := uint64(firstWindow); end >= first && end > 0; length *= 4 {
			w := window{from: first, to: end}
			if end-first >= length {
				w.from = end - length + 1
			}
			if !yield(w, nil) {
				return
			}
			end = w.from - 1
		}
	}
}

// line returns the line that an event of the channel records.
func (r *Reader) line(s streams.Stored) (*channel.Line, bool) {
	if s.Subject == event.SubjectPM {
		p, err := event.As[event.PM](s.Envelope)
		return &channel.Line{PM: true, User: p.User, To: p.To, Text: p.Message, HTML: p.HTML, Time: p.Time}, err == nil && p.Channel == r.channel
	}
	c, err := event.As[event.Chat](s.Envelope)
	return &channel.Line{
		User: c.User, Text: c.Message, HTML: c.HTML, Action: string(c.Extra["action"]) == "true", Time: c.Time,
	}, err == nil && c.Channel == r.channel
}

// Erased are the lines that were erased on request and must not be recorded again.
type Erased struct {
	fingerprints map[string]bool
	keys         []streams.ErasureKey // of the channel
}

// Has reports whether a line of the channel was erased.
func (e Erased) Has(line event.Chat) bool {
	if e.fingerprints[line.Fingerprint(nil)] {
		return true
	}
	return slices.ContainsFunc(e.keys, func(k streams.ErasureKey) bool { return e.fingerprints[line.Fingerprint(k.Key)] })
}

// DropKeys erases the keys of the fingerprints, without which they tell nothing of the
// lines: the channel's chat buffer cannot repeat these any more.
func (e Erased) DropKeys(ctx context.Context) (err error) {
	for _, k := range e.keys {
		err = errors.Join(err, k.Drop(ctx))
	}
	return err
}

// Erased reads which lines were erased.
func (r *Reader) Erased(ctx context.Context) (erased Erased, err error) {
	erased.fingerprints = map[string]bool{}
	for s, err := range r.Events(ctx, event.SubjectErasure, 0, 0) {
		if err != nil {
			return erased, err
		}
		if p, err := event.As[event.Erasure](s.Envelope); err == nil {
			for _, l := range p.Lines {
				erased.fingerprints[l] = true
			}
		}
	}
	if len(erased.fingerprints) > 0 {
		erased.keys, err = streams.ErasureKeys(ctx, r.js, r.channel)
	}
	return erased, err
}

// LastConnection returns the latest event about the bot's connection to the channel and
// where it is stored, zero values if none is stored.
func (r *Reader) LastConnection(ctx context.Context) (event.Connection, event.Ref, error) {
	return last(ctx, r, event.SubjectConnection, func(c event.Connection) string { return c.Channel })
}

func last[P any](ctx context.Context, r *Reader, subject string, channelOf func(P) string) (latest P, ref event.Ref, err error) {
	for w, err := range r.windows(ctx) {
		if err != nil || ref.Seq > 0 {
			return latest, ref, err
		}
		for s, err := range r.Events(ctx, subject, w.from, w.to) {
			if err != nil {
				return latest, ref, err
			}
			if p, err := event.As[P](s.Envelope); err == nil && channelOf(p) == r.channel {
				latest, ref = p, s.Ref
			}
		}
	}
	return latest, ref, nil
}

// Outcomes is what is recorded about the sends from a sequence on.
type Outcomes struct {
	From      uint64
	Delivered map[event.Ref]bool         // sends with a cytube.delivery
	Heard     map[event.Ref]map[int]bool // the parts of a send, from 1, that lines of any channel name as their cause
	Uncaused  []Uncaused                 // lines of the bot's in the channel that name no cause
}

// Uncaused is a line that names no cause, and where it is stored.
type Uncaused struct {
	*channel.Line
	Seq uint64
}

// Outcomes reads what is recorded about the sends from a sequence on, of which self is
// the bot's name.
func (r *Reader) Outcomes(ctx context.Context, from uint64, self string) (*Outcomes, error) {
	o := &Outcomes{From: from, Delivered: map[event.Ref]bool{}, Heard: map[event.Ref]map[int]bool{}}
	for s, err := range r.events(ctx, []string{event.SubjectDelivery, event.SubjectChat, event.SubjectPM}, from, 0) {
		if err != nil {
			return nil, err
		}
		if s.Subject == event.SubjectDelivery {
			if d, err := event.As[event.Delivery](s.Envelope); err == nil {
				if ref, err := event.ParseRef(d.Send); err == nil {
					o.Delivered[ref] = true
				}
			}
			continue
		}
		cause, caused := s.Causation()
		switch l, here := r.line(s); {
		case !caused && here && l.User == self:
			o.Uncaused = append(o.Uncaused, Uncaused{l, s.Ref.Seq})
		case caused && o.Heard[cause] == nil:
			o.Heard[cause] = map[int]bool{partOf(s): true}
		case caused:
			o.Heard[cause][partOf(s)] = true
		}
	}
	return o, nil
}

// partOf returns an echo's metadata.part, 1 if it has none.
func partOf(s streams.Stored) int {
	n, err := strconv.Atoi(fmt.Sprint(s.Metadata[event.MetaPart]))
	if err != nil {
		return 1
	}
	return n
}

// ErrNotFound is returned for an event that is not stored any more.
var ErrNotFound = errors.New("the event is not stored")

// Event returns an event of any stream.
func (r *Reader) Event(ctx context.Context, ref event.Ref) (streams.Stored, error) {
	for msg, err := range streams.Messages(ctx, r.js, streams.Selection{Stream: ref.Stream, From: ref.Seq, To: ref.Seq}) {
		if err != nil {
			return streams.Stored{}, err
		}
		return streams.ReadRaw(ref.Stream, msg)
	}
	return streams.Stored{}, fmt.Errorf("%w: %s", ErrNotFound, ref)
}

// get returns a message, nil if the stream's leader has none. A direct get takes a tenth
// of the time of Messages, but a replica that lags does not find the message.
func (r *Reader) get(ctx context.Context, seq uint64) (*jetstream.RawStreamMsg, error) {
	stream, err := r.stream(ctx)
	if err != nil {
		return nil, err
	}
	msg, err := stream.GetMsg(ctx, seq)
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return msg, err
	}
	for msg, err := range streams.Messages(ctx, r.js, streams.Selection{Stream: streams.Cytube, From: seq, To: seq}) {
		return msg, err
	}
	return nil, nil
}

// stream returns the stream CYTUBE, which is looked up once.
func (r *Reader) stream(ctx context.Context) (jetstream.Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cytube == nil {
		s, err := r.js.Stream(ctx, streams.Cytube)
		if err != nil {
			return nil, err
		}
		r.cytube = s
	}
	return r.cytube, nil
}
