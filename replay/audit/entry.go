// Package audit is for moderators: what was said and done in the channels, with
// the gaps in which the bot was not there to hear it, and the means to prove
// that the record was not changed and to erase a person's lines from it.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
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
	KindOnline    = "up"     // the bot joined the channel
	KindGap       = "gap"    // the bot was not in the channel
	KindErasure   = "erasure"
	KindClock     = "clock" // the clock of the bot's machine was set
	KindMalformed = "malformed"
	KindRetry     = "retry" // of a dead letter: what it is about is an entry of its own, so this is none of the history
)

// The kinds of what a moderator or the site did are the event.Action constants,
// but for a rank that was given to somebody absent, which is KindRank too. Those of other
// changes of a channel are their subjects without cytube., such as poll.open.

// Query says what of the history is wanted. Its zero value means all of it.
type Query struct {
	Since, Until time.Time      // when it was stored; see replay.Filter
	Channel      string         // in any case
	User         string         // in any case; gaps and erasures are shown for every user
	Grep         *regexp.Regexp // must match what was said, or an item's title or URL
	Media        bool           // only what played, was queued or taken off the playlist
	Public       bool           // without private messages
	Progress     func(replay.Progress)
}

// Entry is one thing that happened in a channel.
type Entry struct {
	Ref     event.Ref `json:"-"`
	At      time.Time `json:"-"` // when it happened
	Stored  time.Time `json:"-"` // when the bot recorded it
	Kind    string    `json:"kind"`
	Channel string    `json:"channel,omitempty"`
	User    string    `json:"user,omitempty"`
	To      string    `json:"to,omitempty"` // of a private message
	By      string    `json:"by,omitempty"` // who kicked, banned, muted…; "" when the server did not say
	Rank    *int      `json:"rank,omitempty"`
	Text    string    `json:"text,omitempty"`   // what was said, or the reason
	Action  bool      `json:"action,omitempty"` // said as /me
	Media   *Media    `json:"media,omitempty"`
	Until   time.Time `json:"until,omitzero"` // of a gap; zero while it lasts
	Note    string    `json:"note,omitempty"` // what else is to be known

	CorrelationID string    `json:"-"` // of the event
	Cause         event.Ref `json:"-"` // the event that caused it, if one is named

	buffered bool // recorded when the bot joined, and may have happened before
}

// Media is an item of the playlist.
type Media struct {
	Title    string `json:"title"`
	URL      string `json:"url"`
	Type     string `json:"type"`
	Duration int    `json:"duration"` // seconds
	QueuedBy string `json:"queued_by"`
}

// changes are the further events of a channel that people make. What comes many times a
// minute, or only says how the channel was found, is not among them: cytube.user.count,
// cytube.poll.update, cytube.state and cytube.unknown.
var changes = []string{
	event.SubjectMediaMove, event.SubjectMediaTemp, event.SubjectMediaShuffle, event.SubjectMediaClear, event.SubjectMediaLock, event.SubjectMediaLeader,
	event.SubjectMediaStop, event.SubjectMediaVote, event.SubjectMediaPosition, event.SubjectPollOpen, event.SubjectPollClose, event.SubjectUserAFK,
	event.SubjectUserAliases, event.SubjectMOTD, event.SubjectCSS, event.SubjectJS, event.SubjectOptions, event.SubjectPermissions, event.SubjectEmote,
	event.SubjectFilter, event.SubjectAnnouncement, event.SubjectDrinks, event.SubjectBans, event.SubjectRanks,
}

// subjects are what happens in a channel, as far as it was heard there: what the
// bot says is in the history when the channel heard it.
var subjects = slices.Concat(changes, []string{
	event.SubjectChat, event.SubjectPM, event.SubjectUserJoin, event.SubjectUserLeave, event.SubjectUserRank,
	event.SubjectMediaChange, event.SubjectMediaQueue, event.SubjectMediaDelete, event.AllModeration, event.SubjectConnection, event.SubjectErasure,
})

var mediaSubjects = []string{
	event.SubjectMediaChange, event.SubjectMediaQueue, event.SubjectMediaDelete, event.SubjectConnection, event.SubjectErasure,
}

// readHistory returns what happened, in the order it was stored, and the gaps where they
// began: first those that had begun before the range. The error that ends it is
// replay.Read's.
func readHistory(ctx context.Context, js jetstream.JetStream, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := q.history(ctx, js, func(e Entry) bool { return yield(e, nil) }); err != nil {
			yield(Entry{}, err)
		}
	}
}

func (q Query) history(ctx context.Context, js jetstream.JetStream, yield func(Entry) bool) error {
	rq := replay.Query{Filter: replay.Filter{Subjects: append([]string{event.SubjectClock}, q.subjects()...), Since: q.Since, Until: q.Until}, Progress: q.Progress}
	if err := rq.Validate(); err != nil {
		return err
	}
	p, err := readPresence(ctx, js, q)
	if err != nil {
		return err
	}
	before, after, err := p.outside(ctx)
	if err != nil {
		return err
	}
	for _, gap := range before {
		if !yield(gap) {
			return nil
		}
	}
	for e, err := range replay.Read(ctx, js, rq) {
		if err != nil {
			return err
		}
		if entry, show, err := p.observe(ctx, e); err != nil || show && !yield(entry) {
			return err
		}
	}
	for _, gap := range after {
		if !yield(gap) {
			return nil
		}
	}
	return nil
}

func (q Query) subjects() []string {
	if q.Media {
		return mediaSubjects
	}
	return subjects
}

// observe returns an event's entry and whether the query selects it.
func (p *presence) observe(ctx context.Context, e replay.Event) (entry Entry, show bool, err error) {
	entry = newEntry(e)
	if entry.Kind == KindOnline || entry.Kind == KindGap {
		return p.entry(ctx, e.Ref.Seq)
	}
	return entry, entry.Kind != KindRetry && p.q.match(entry, e), nil
}

// match reports whether the query selects the entry of an event.
func (q Query) match(e Entry, of replay.Event) bool {
	if e.Kind == KindErasure || e.Kind == KindClock {
		return true
	}
	if q.Public && e.Kind == KindPM || q.Channel != "" && !strings.EqualFold(e.Channel, q.Channel) || q.User != "" && !of.Names(q.User, nil) {
		return false
	}
	if q.Grep == nil || replay.MatchText(q.Grep, e.Text) {
		return true
	}
	return e.Media != nil && (replay.MatchText(q.Grep, e.Media.Title) || replay.MatchText(q.Grep, e.Media.URL))
}

// newEntry makes an entry of an event of the history. One of the wrong shape becomes a malformed
// entry with its body as text.
func newEntry(e replay.Event) Entry {
	s, err := e.Decode()
	entry := Entry{Ref: e.Ref, At: e.At, Stored: e.At}
	if err == nil {
		err = entry.fill(s.Envelope, e)
	}
	if err != nil {
		return Entry{Ref: e.Ref, At: e.At, Stored: e.At, Kind: KindMalformed, Text: string(e.Body), Note: err.Error(), CorrelationID: s.CorrelationID}
	}
	if s.Meta(event.MetaRetryFor) != "" {
		entry.Kind = KindRetry
	}
	entry.CorrelationID = s.CorrelationID
	entry.Cause, _ = s.Causation()
	for _, key := range []string{event.MetaBackfill, event.MetaBuffered} {
		if s.Metadata[key] == true {
			entry.note("recorded later, from the channel's buffer")
			entry.buffered = true
		}
	}
	entry.buffered = entry.buffered || s.Metadata[event.MetaFound] == true
	return entry
}

func (e *Entry) note(text string) {
	if e.Note != "" {
		text = e.Note + "; " + text
	}
	e.Note = text
}

// kinds are those of the subjects of one kind each.
var kinds = map[string]string{
	event.SubjectChat: KindChat, event.SubjectPM: KindPM, event.SubjectUserJoin: KindJoin, event.SubjectUserLeave: KindLeave, event.SubjectUserRank: KindRank,
	event.SubjectMediaChange: KindMedia, event.SubjectMediaQueue: KindQueue, event.SubjectMediaDelete: KindDelete, event.SubjectConnection: KindOnline,
}

// payload has the fields of every subject of the history but cytube.erasure. Decode has
// checked that those that a subject must have are there.
type payload struct {
	Channel  string `json:"channel"`
	User     string `json:"user"`
	To       string `json:"to"`
	By       string `json:"by"`
	Message  string `json:"message"`
	Reason   string `json:"reason"`
	State    string `json:"state"`
	Time     int64  `json:"time"` // ms
	Title    string `json:"title"`
	URL      string `json:"url"`
	Type     string `json:"type"`
	Duration int    `json:"duration"` // seconds
	QueuedBy string `json:"queued_by"`

	event.Extra `json:"-"`
}

func (e *Entry) fill(env event.Envelope, of replay.Event) error {
	action := event.Match(event.AllModeration, env.Subject)
	kind, ok := kinds[env.Subject]
	switch {
	case env.Subject == event.SubjectErasure:
		return e.fillErasure(env)
	case env.Subject == event.SubjectClock:
		e.Kind, e.Text = KindClock, replay.Describe(of).Text
		return nil
	case slices.Contains(changes, env.Subject):
		return e.fillChange(env, of)
	case action:
		kind = strings.TrimPrefix(env.Subject, event.ModerationSubject(""))
	case !ok:
		return fmt.Errorf("%s is not part of the history", env.Subject)
	}
	p, err := event.As[payload](env)
	if err != nil {
		return err
	}
	e.Kind, e.Channel, e.User, e.To, e.By, e.Text = kind, p.Channel, cmp.Or(p.User, p.QueuedBy), p.To, p.By, cmp.Or(p.Message, p.Reason)
	if rank, err := strconv.ParseFloat(string(p.Extra["rank"]), 64); err == nil {
		whole := int(math.Floor(rank))
		e.Rank = &whole
	}
	if action || kind == KindChat || kind == KindPM {
		e.At = time.UnixMilli(p.Time)
	}
	switch kind {
	case event.ActionBan:
		if p.Extra["id"] != nil {
			e.note("the ban before, with the reason that the list of bans has")
		}
	case KindChat:
		e.Action = string(p.Extra["action"]) == "true"
		if string(p.Extra["shadow"]) == "true" {
			e.note("muted in secret: only its author and moderators saw it")
		}
	case KindMedia, KindQueue, KindDelete:
		e.Media = &Media{p.Title, p.URL, p.Type, p.Duration, p.QueuedBy}
	case KindOnline:
		if p.State == event.StateDown {
			e.Kind = KindGap
		}
	}
	return nil
}

// fillChange fills the entry of one of changes. Its kind is the subject without cytube.
func (e *Entry) fillChange(env event.Envelope, of replay.Event) error {
	p, err := event.As[struct {
		Channel string `json:"channel"`
		User    string `json:"user"`
		By      string `json:"by"`

		event.Extra `json:"-"`
	}](env)
	e.Kind, e.Channel, e.User, e.By = strings.TrimPrefix(env.Subject, "cytube."), p.Channel, p.User, p.By
	e.Text = replay.Describe(of).Text
	if env.Metadata[event.MetaFound] == true {
		e.note("found when the bot joined")
	}
	return err
}

func (e *Entry) fillErasure(env event.Envelope) error {
	p, err := event.As[event.Erasure](env)
	n := 0
	for _, seqs := range p.Events {
		n += len(seqs)
	}
	e.Kind, e.Text, e.Note = KindErasure, p.Reason, strconv.Itoa(n)+" event(s) erased"
	return err
}
