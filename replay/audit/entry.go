// Package audit is for moderators: what was said and done in the channels, with
// the gaps in which the bot was not there to hear it, and the means to prove
// that the record was not changed and to erase a person's lines from it.
package audit

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

// The kinds of Entry.
const (
	KindChat      = "chat"
	KindPM        = "pm"
	KindJoin      = "join"
	KindLeave     = "leave"
	KindRank      = "rank"
	KindMedia     = "media" // another item plays
	KindQueue     = "queue"
	KindDelete    = "delete" // an item was taken off the playlist
	KindUp        = "up"     // the bot joined the channel
	KindGap       = "gap"    // the bot was not in the channel
	KindErasure   = "erasure"
	KindMalformed = "malformed"
)

// Query says what of the history is wanted. Its zero value means all of it.
type Query struct {
	Since, Until time.Time      // when it was stored; see replay.Filter
	Channel      string         // in any case
	User         string         // in any case; gaps and erasures are shown for every user
	Grep         *regexp.Regexp // must match what was said, or an item's title or URL
	Media        bool           // only what played, was queued or taken off the playlist
	Progress     func(replay.Progress)
}

// Entry is one thing that happened in a channel.
type Entry struct {
	Ref     event.Ref // zero for a gap that did not end yet
	At      time.Time // when it happened
	Stored  time.Time // when the bot recorded it
	Kind    string
	Channel string
	User    string
	To      string // of a private message
	Rank    *int
	Text    string // what was said, or the reason
	Action  bool   // said as /me
	Media   *Media
	Until   time.Time // of a gap; zero while it lasts
	Note    string    // what else is to be known
}

// Media is an item of the playlist.
type Media struct {
	Title    string `json:"title"`
	URL      string `json:"url"`
	Type     string `json:"type"`
	Duration int    `json:"duration"` // seconds
	QueuedBy string `json:"queued_by"`
}

// subjects are what happens in a channel, as far as it was heard there: what the
// bot says is in the history when the channel heard it.
var subjects = []string{
	event.SubjectChat, event.SubjectPM, event.SubjectUserJoin, event.SubjectUserLeave, event.SubjectUserRank,
	event.SubjectMediaChange, event.SubjectMediaQueue, event.SubjectMediaDelete, event.SubjectConnection, event.SubjectErasure,
}

var mediaSubjects = []string{
	event.SubjectMediaChange, event.SubjectMediaQueue, event.SubjectMediaDelete, event.SubjectConnection, event.SubjectErasure,
}

// History returns what happened, in the order it was stored, and the gaps. The
// error that ends it is replay.Read's.
func History(ctx context.Context, js jetstream.JetStream, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		rq := replay.Query{Filter: replay.Filter{Subjects: subjects, Since: q.Since, Until: q.Until}, Progress: q.Progress}
		if q.Media {
			rq.Subjects = mediaSubjects
		}
		g := gaps{q: q, open: map[string]Entry{}, seen: map[string]time.Time{}}
		for e, err := range replay.Read(ctx, js, rq) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			entry := read(e)
			show := q.match(entry)
			if entry.Kind == KindUp || entry.Kind == KindGap {
				entry, show = g.connection(entry)
			}
			g.heard(entry)
			if show && !yield(entry, nil) {
				return
			}
		}
		for _, entry := range g.rest() {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

func (q Query) match(e Entry) bool {
	if q.Channel != "" && e.Kind != KindErasure && !strings.EqualFold(e.Channel, q.Channel) {
		return false
	}
	if e.Kind == KindErasure {
		return true
	}
	if q.User != "" && !strings.EqualFold(e.User, q.User) && !strings.EqualFold(e.To, q.User) {
		return false
	}
	if q.Grep == nil || q.Grep.MatchString(e.Text) {
		return true
	}
	return e.Media != nil && (q.Grep.MatchString(e.Media.Title) || q.Grep.MatchString(e.Media.URL))
}

// read makes an entry of an event. One of the wrong shape becomes a malformed
// entry with its body as text.
func read(e replay.Event) Entry {
	s, err := e.Decode()
	entry := Entry{Ref: e.Ref, At: e.At, Stored: e.At}
	if err == nil {
		err = entry.fill(s.Envelope)
	}
	if err != nil {
		return Entry{Ref: e.Ref, At: e.At, Stored: e.At, Kind: KindMalformed, Text: string(e.Body), Note: err.Error()}
	}
	for _, key := range []string{event.MetaBackfill, event.MetaBuffered} {
		if s.Metadata[key] == true {
			entry.note("recorded later, from the room's buffer")
		}
	}
	return entry
}

func (e *Entry) note(text string) {
	if e.Note != "" {
		text = e.Note + "; " + text
	}
	e.Note = text
}

// readers make an entry of each subject's payload.
var readers = map[string]func(*Entry, event.Envelope) error{
	event.SubjectChat: reader(func(e *Entry, p event.Chat) {
		e.Kind, e.Channel, e.User, e.Text, e.Rank = KindChat, p.Channel, p.User, p.Message, &p.Rank
		e.At = time.UnixMilli(p.Time)
		e.Action = string(p.Extra["action"]) == "true"
		if string(p.Extra["shadow"]) == "true" {
			e.note("muted in secret: only its author and moderators saw it")
		}
	}),
	event.SubjectPM: reader(func(e *Entry, p event.PM) {
		e.Kind, e.Channel, e.User, e.To, e.Text, e.Rank = KindPM, p.Channel, p.User, p.To, p.Message, &p.Rank
		e.At = time.UnixMilli(p.Time)
	}),
	event.SubjectUserJoin: reader(func(e *Entry, p event.UserJoin) {
		e.Kind, e.Channel, e.User, e.Rank = KindJoin, p.Channel, p.User, &p.Rank
	}),
	event.SubjectUserLeave: reader(func(e *Entry, p event.UserLeave) {
		e.Kind, e.Channel, e.User = KindLeave, p.Channel, p.User
	}),
	event.SubjectUserRank: reader(func(e *Entry, p event.UserRank) {
		e.Kind, e.Channel, e.User, e.Rank = KindRank, p.Channel, p.User, &p.Rank
	}),
	event.SubjectMediaChange: reader(func(e *Entry, p event.MediaChange) {
		e.Kind, e.Channel, e.User = KindMedia, p.Channel, p.QueuedBy
		e.Media = &Media{p.Title, p.URL, p.Type, p.Duration, p.QueuedBy}
	}),
	event.SubjectMediaQueue: reader(func(e *Entry, p event.MediaQueue) {
		e.Kind, e.Channel, e.User = KindQueue, p.Channel, p.QueuedBy
		e.Media = &Media{p.Title, p.URL, p.Type, p.Duration, p.QueuedBy}
	}),
	event.SubjectMediaDelete: reader(func(e *Entry, p event.MediaDelete) {
		e.Kind, e.Channel, e.User = KindDelete, p.Channel, p.QueuedBy
		e.Media = &Media{p.Title, p.URL, p.Type, p.Duration, p.QueuedBy}
	}),
	event.SubjectConnection: reader(func(e *Entry, p event.Connection) {
		e.Kind, e.Channel, e.Text = KindUp, p.Channel, p.Reason
		if p.State == event.StateDown {
			e.Kind = KindGap
		}
	}),
	event.SubjectErasure: reader(func(e *Entry, p event.Erasure) {
		n := 0
		for _, seqs := range p.Events {
			n += len(seqs)
		}
		e.Kind, e.Text, e.Note = KindErasure, p.Reason, strconv.Itoa(n)+" events were erased"
	}),
}

func reader[T any](fill func(*Entry, T)) func(*Entry, event.Envelope) error {
	return func(e *Entry, env event.Envelope) error {
		p, err := event.As[T](env)
		if err == nil {
			fill(e, p)
		}
		return err
	}
}

func (e *Entry) fill(env event.Envelope) error {
	r, ok := readers[env.Subject]
	if !ok {
		return fmt.Errorf("%s is not part of the history", env.Subject)
	}
	return r(e, env)
}

// gaps turns connections that went down and came up into gaps.
type gaps struct {
	q    Query
	open map[string]Entry     // by channel, since it went down
	seen map[string]time.Time // by channel, when the bot last heard anything there
}

func (g *gaps) heard(e Entry) {
	if e.Channel != "" {
		g.seen[strings.ToLower(e.Channel)] = e.Stored
	}
}

// connection handles a connection that went down or came up. The gap is shown
// once it is over, where it is over.
func (g *gaps) connection(e Entry) (Entry, bool) {
	name := strings.ToLower(e.Channel)
	wanted := g.q.Channel == "" || strings.EqualFold(g.q.Channel, e.Channel)
	if e.Kind == KindGap {
		if _, already := g.open[name]; !already {
			g.open[name] = e
		}
		return e, false
	}
	if gap, ok := g.open[name]; ok {
		delete(g.open, name)
		gap.Until, gap.Stored, gap.Ref = e.At, e.Stored, e.Ref
		return gap, wanted
	}
	if last, ok := g.seen[name]; ok {
		// It came up without having gone down: the bot was killed.
		return Entry{Ref: e.Ref, At: last, Stored: e.Stored, Kind: KindGap, Channel: e.Channel, Until: e.At,
			Text: "the bot did not get to record that it left"}, wanted
	}
	return e, wanted && g.q.User == "" && g.q.Grep == nil
}

// rest are the gaps that last.
func (g *gaps) rest() []Entry {
	var out []Entry
	for _, e := range g.open {
		if g.q.Channel == "" || strings.EqualFold(g.q.Channel, e.Channel) {
			out = append(out, e)
		}
	}
	return out
}
