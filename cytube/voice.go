package cytube

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
)

// voice is what the sender and the recorder share: the sender says one message
// at a time, the recorder sees what the server makes of it.
type voice struct {
	mu      sync.Mutex
	conn    *socketio.Conn // nil while there is no session to speak in
	changed chan struct{}  // closed, and replaced, when conn or a limit changes
	least   flood          // the bot's own limit, which holds everywhere
	own     flood          // the limit for chat
	pm      flood          // the limit for private messages
	pace    pacer
	hold    time.Time // the server wants silence until then

	pending *utterance
	orphans []*utterance // parts of what a process that died was saying
	ghosts  []*utterance // echoes of repeats that may still come
}

const ghostsKept = 8

func newVoice(least flood) *voice {
	usual := moderators.within(least)
	return &voice{changed: make(chan struct{}), least: least, own: usual, pm: usual}
}

// utterance is one message on its way: a part of a send, all of it mostly. The
// fields of the last group belong to the voice and its lock.
type utterance struct {
	send        event.Ref
	correlation string
	span        trace.SpanContext
	part, parts int // part counts from 1

	pm, action bool
	to         string
	text       string // as it goes to the server
	echo       string // what the echo says if nothing changes it, normalised

	writes  int
	state   state
	note    string // the server's words with refused
	notices chan struct{}
}

// state is what has become of an utterance.
type state int

const (
	waiting state = iota // for its echo
	claimed              // the echo came and is being recorded
	heard                // the echo is recorded
	dropped              // the server took too many lines for its taste
	refused              // the server will not have it
	down                 // the connection is lost and the echo may have been, too
	lost                 // the connection is back and the channel has not heard it
)

// is reports whether l is the utterance's echo, word for word.
func (u *utterance) is(l *line) bool {
	return u.pm == l.pm && u.action == l.action && (!u.pm || strings.EqualFold(u.to, l.to)) && u.echo == normal(l.text)
}

// loggable is what may stand in a log: the text, unless it is private.
func (u *utterance) loggable() string {
	if u.pm {
		return "(private)"
	}
	return u.text
}

// cost is how many lines the server counts it as.
func (u *utterance) cost() int {
	if u.action {
		return 2
	}
	return 1
}

func (u *utterance) set(s state) {
	u.state = s
	select {
	case u.notices <- struct{}{}:
	default:
	}
}

// answered reports whether the server has answered what was written, so that it
// need not be written again.
func (u *utterance) answered() bool {
	return u.state == claimed || u.state == heard || u.state == refused
}

func (v *voice) notify() {
	close(v.changed)
	v.changed = make(chan struct{})
}

// open tells that the bot is in the channel. What was pending when the last
// session broke off and was not found since has not been heard.
func (v *voice) open(conn *socketio.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conn, v.pace, v.hold, v.orphans = conn, pacer{}, time.Time{}, nil
	if v.pending != nil && v.pending.state == down {
		v.pending.set(lost)
	}
	v.notify()
}

// close tells that the session is over.
func (v *voice) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conn, v.ghosts = nil, nil
	if v.pending != nil && v.pending.state == waiting {
		v.pending.set(down)
	}
	v.notify()
}

// limit sets how fast the bot may speak.
func (v *voice) limit(own flood) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if own = own.within(v.least); v.own != own {
		v.own = own
		v.notify()
	}
}

func (v *voice) floodOf(u *utterance) flood {
	if u.pm {
		return v.pm
	}
	return v.own
}

// turn tells when u may be said: not before at, and not at all before changed is
// closed when there is no session.
func (v *voice) turn(u *utterance) (at time.Time, up bool, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at = v.pace.next(v.floodOf(u), u.cost()); at.Before(v.hold) {
		at = v.hold
	}
	return at, v.conn != nil, v.changed
}

var (
	errNoSession = errors.New("there is no session")
	errAnswered  = errors.New("the answer to an earlier writing came")
)

// say writes u to the server; from then on the recorder looks for its echo.
// With errNoSession and errAnswered nothing was written, with another error
// something may have been.
func (v *voice) say(ctx context.Context, u *utterance) error {
	v.mu.Lock()
	conn := v.conn
	switch {
	case u.answered():
		v.mu.Unlock()
		return errAnswered
	case conn == nil:
		v.mu.Unlock()
		return errNoSession
	}
	v.pending = u
	u.state = waiting
	u.writes++
	v.pace.sent(v.floodOf(u), u.cost(), time.Now())
	v.mu.Unlock()

	if u.pm {
		return conn.Emit(ctx, "pm", map[string]any{"to": u.to, "msg": u.text, "meta": struct{}{}})
	}
	return conn.Emit(ctx, "chatMsg", map[string]any{"msg": u.text, "meta": struct{}{}})
}

// answered reports whether there is an answer to u.
func (v *voice) answered(u *utterance) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return u.answered()
}

// what is the state of u, and the server's words if it was refused.
func (v *voice) what(u *utterance) (state, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return u.state, u.note
}

// giveUp is done for who found that no answer to u came in time. It is false, and
// the waiting goes on, where one came at the last instant.
func (v *voice) giveUp(u *utterance) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u.answered() {
		return false
	}
	v.end(u)
	return true
}

// done ends the waiting for u. Its echo may still come.
func (v *voice) done(u *utterance) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.end(u)
}

func (v *voice) end(u *utterance) {
	if v.pending != u {
		return
	}
	v.pending = nil
	if u.state != heard && u.state != refused {
		v.haunt(u, u.writes)
	}
}

// haunt expects so many more echoes of u.
func (v *voice) haunt(u *utterance, echoes int) {
	if echoes <= 0 {
		return
	}
	g := *u
	g.writes, g.notices = echoes, nil
	v.ghosts = append(v.ghosts, &g)
	if len(v.ghosts) > ghostsKept {
		v.ghosts = v.ghosts[1:]
	}
}

// claim finds the utterance that a line of the bot's is the echo of; nil when it
// is none's. One message is pending at a time, so a line that says something
// else is its echo too, as a channel's filter left it, unless it repeats what
// was heard before. With joining, the line comes from the chat buffer.
func (v *voice) claim(l *line, joining bool) *utterance {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.pending
	if p != nil && (p.pm != l.pm || p.state != waiting && p.state != dropped && !(joining && p.state == down)) {
		p = nil
	}
	if p == nil && joining {
		p = v.orphan(l)
	}
	if p != nil && !p.is(l) {
		if g := v.ghost(l, false); g != nil {
			return g
		}
	}
	if p == nil {
		return v.ghost(l, true)
	}
	p.set(claimed)
	return p
}

// adopt takes note of what a process that died was saying, but for the parts
// that were heard.
func (v *voice) adopt(parts []*utterance, heard map[int]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.orphans = slices.DeleteFunc(parts, func(u *utterance) bool { return heard[u.part] })
}

// orphan takes the part that l most likely is the echo of out of the orphans.
func (v *voice) orphan(l *line) *utterance {
	at := slices.IndexFunc(v.orphans, func(u *utterance) bool { return u.is(l) })
	if at < 0 {
		at = slices.IndexFunc(v.orphans, func(u *utterance) bool { return u.pm == l.pm })
	}
	if at < 0 {
		return nil
	}
	u := v.orphans[at]
	v.orphans = slices.Delete(v.orphans, at, at+1)
	return u
}

// ghost finds the echo that l repeats, or may be where it need not be the same.
func (v *voice) ghost(l *line, altered bool) *utterance {
	at := slices.IndexFunc(v.ghosts, func(u *utterance) bool { return u.is(l) })
	if at < 0 && altered {
		at = slices.IndexFunc(v.ghosts, func(u *utterance) bool { return u.pm == l.pm })
	}
	if at < 0 {
		return nil
	}
	g := v.ghosts[at]
	if g.writes--; g.writes == 0 {
		v.ghosts = slices.Delete(v.ghosts, at, at+1)
	}
	return g
}

// recorded tells that the line that claimed u is stored. Where u was written
// more than once more echoes may come, saying the same.
func (v *voice) recorded(u *utterance, l *line) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u != v.pending {
		return
	}
	u.echo = normal(l.text) // as the channel's filters leave it
	v.haunt(u, u.writes-1)
	u.set(heard)
}

// drop tells that the server did not take the pending message and when it may be
// said again.
func (v *voice) drop(wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.pending
	if u == nil || u.state != waiting {
		return
	}
	u.writes--
	now := time.Now()
	v.pace.refused(v.floodOf(u), now)
	v.hold = now.Add(min(wait, time.Minute))
	u.set(dropped)
}

// refuse tells that the server will not have the pending message, if about
// accepts that it is this one.
func (v *voice) refuse(note string, about func(*utterance) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u := v.pending; u != nil && u.state == waiting && about(u) {
		u.note = note
		u.set(refused)
	}
}
