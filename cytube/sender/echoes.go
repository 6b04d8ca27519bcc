package sender

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// Writer writes frames to the server.
type Writer interface {
	Emit(ctx context.Context, name string, args ...any) error
}

// EchoTracker matches the messages that the Sender writes with what the server
// answers. CyTube acknowledges a line only by its echo, so the connector hands each
// line of the bot's to Claim, and each other answer to Answer. The Sender writes one
// message at a time.
type EchoTracker struct {
	mu      sync.Mutex
	writer  Writer        // nil without a session
	changed chan struct{} // closed and replaced when writer or a limit changes
	least   channel.FloodLimit
	chat    channel.FloodLimit
	pace    pacer
	hold    time.Time // the server asked for silence until then
	longest int       // to how many UTF-16 units the server cuts lines, 0 while that is not known

	pending         *Message
	inheritedEchoes []*Message // what a process before may have been speaking when it died, in order
	inheritAltered  bool       // it was the first of these
	lateEchoes      []*Message // echoes of repeats and of messages given up that may still come
}

// lateEchoesKept bounds lateEchoes.
const lateEchoesKept = 8

// newEchoTracker returns a tracker that keeps to least everywhere.
func newEchoTracker(least channel.FloodLimit) *EchoTracker {
	return &EchoTracker{changed: make(chan struct{}), least: least, chat: channel.ModeratorLimit.Stricter(least)}
}

func (t *EchoTracker) notify() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Open begins a session: messages are written to w. What was pending when the last
// session ended, and whose echo was not found since, is lost.
func (t *EchoTracker) Open(w Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer, t.pace, t.hold, t.inheritedEchoes = w, pacer{}, time.Time{}, nil
	if t.pending != nil && t.pending.state == disconnected {
		t.pending.set(lost)
	}
	t.notify()
}

// Close ends the session.
func (t *EchoTracker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer, t.lateEchoes = nil, nil
	if t.pending != nil && t.pending.state == waiting {
		t.pending.set(disconnected)
	}
	t.notify()
}

// SetLimit sets how fast the channel lets the bot chat.
func (t *EchoTracker) SetLimit(l channel.FloodLimit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l = l.Stricter(t.least); t.chat != l {
		t.chat = l
		t.notify()
	}
}

func (t *EchoTracker) limitOf(m *Message) channel.FloodLimit {
	if m.pm {
		return channel.ModeratorLimit.Stricter(t.least)
	}
	return t.chat
}

// SetLineLimit sets to how many UTF-16 units the server says that it cuts lines; 0 changes
// nothing.
func (t *EchoTracker) SetLineLimit(limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit >= leastLimit {
		t.longest = limit
	}
}

// knowsLimit reports whether the server has told how long a line may be.
func (t *EchoTracker) knowsLimit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.longest > 0
}

// lineLimit returns how long a line may be in UTF-16 units. own is the bot's own limit; with
// 0 it is the server's, or 240 while that is not known.
func (t *EchoTracker) lineLimit(own int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.longest == 0:
		return cmp.Or(own, defaultMessageLimit)
	case own == 0:
		return t.longest
	}
	return min(own, t.longest)
}

// session reports whether there is a session, how many lines a second the bot may say in
// it, and returns a channel that is closed when that changes.
func (t *EchoTracker) session() (perSecond float64, up bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.chat.PerSecond, t.writer != nil, t.changed
}

// turn returns when m may be written, whether there is a session, and a channel that
// is closed when either changes.
func (t *EchoTracker) turn(m *Message) (at time.Time, up bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at = t.pace.next(t.limitOf(m), m.cost()); at.Before(t.hold) {
		at = t.hold
	}
	return at, t.writer != nil, t.changed
}

// ErrNoSession says that the bot is not in the channel.
var ErrNoSession = errors.New("there is no session")

var errAnswered = errors.New("an earlier write was answered")

// write sends m to the server and makes it pending. With ErrNoSession or errAnswered
// nothing was written, with another error something may have been.
func (t *EchoTracker) write(ctx context.Context, m *Message) error {
	t.mu.Lock()
	w := t.writer
	switch {
	case m.state.answered():
		t.mu.Unlock()
		return errAnswered
	case w == nil:
		t.mu.Unlock()
		return ErrNoSession
	}
	t.pending = m
	m.state = waiting
	m.writes++
	t.pace.sent(t.limitOf(m), m.cost(), time.Now())
	t.mu.Unlock()

	if m.pm {
		return w.Emit(ctx, "pm", map[string]any{"to": m.to, "msg": m.text, "meta": struct{}{}})
	}
	return w.Emit(ctx, "chatMsg", map[string]any{"msg": m.text, "meta": struct{}{}})
}

// countLine counts a line that is no message, as a command is.
func (t *EchoTracker) countLine() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pace.sent(t.chat, 1, time.Now())
}

// status returns the state of m, and the server's words if it refused m.
func (t *EchoTracker) status(m *Message) (state, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return m.state, m.note
}

// restOf returns what the server cut off of m, and the length to which it cuts lines.
func (t *EchoTracker) restOf(m *Message) (rest string, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return m.rest, t.longest
}

// giveUp ends the wait for an answer to m. It returns false if one came just now.
func (t *EchoTracker) giveUp(m *Message) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.state.answered() {
		return false
	}
	t.end(m)
	return true
}

// done ends the wait for an answer to m. An echo may still come.
func (t *EchoTracker) done(m *Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(m)
}

func (t *EchoTracker) end(m *Message) {
	if t.pending != m {
		return
	}
	t.pending = nil
	if m.state != confirmed && m.state != refused {
		t.expectLateEchoes(m, m.writes)
	}
}

// expectLateEchoes makes n further lines like m its echoes.
func (t *EchoTracker) expectLateEchoes(m *Message, n int) {
	if n <= 0 {
		return
	}
	late := *m
	late.writes, late.changed = n, nil
	t.lateEchoes = append(t.lateEchoes, &late)
	if len(t.lateEchoes) > lateEchoesKept {
		t.lateEchoes = t.lateEchoes[1:]
	}
}

// Claim returns the message that a line of the bot's is the echo of, or nil. One
// message is pending at a time, so that another text is its echo too, as the
// channel's filters left it, unless it is a late echo word for word. With joining,
// the line comes from the chat buffer.
func (t *EchoTracker) Claim(l *channel.Line, joining bool) *Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.pending
	if m != nil && (m.pm != l.PM || m.state != waiting && m.state != dropped && !(joining && m.state == disconnected)) {
		m = nil
	}
	if m == nil && joining {
		m = t.takeInherited(l)
	}
	if m == nil {
		return t.takeLate(l, true)
	}
	if !m.matches(l) {
		if late := t.takeLate(l, false); late != nil {
			return late
		}
	}
	m.set(claimed)
	return m
}

// inherit expects the echoes of what a process before may have been speaking. first says
// that it was the first of the messages, so that an altered line is its echo.
func (t *EchoTracker) inherit(list []*Message, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inheritedEchoes, t.inheritAltered = list, first
}

// takeInherited removes and returns the inherited message that l is most likely the
// echo of, or nil.
func (t *EchoTracker) takeInherited(l *channel.Line) *Message {
	at := find(t.inheritedEchoes, l, t.inheritAltered)
	if at < 0 {
		return nil
	}
	m := t.inheritedEchoes[at]
	t.inheritedEchoes = slices.Delete(t.inheritedEchoes, at, at+1)
	return m
}

// takeLate uses up the late echo that l is, or with altered may be, and returns its
// message, or nil.
func (t *EchoTracker) takeLate(l *channel.Line, altered bool) *Message {
	at := find(t.lateEchoes, l, altered)
	if at < 0 {
		return nil
	}
	m := t.lateEchoes[at]
	if m.writes--; m.writes == 0 {
		t.lateEchoes = slices.Delete(t.lateEchoes, at, at+1)
	}
	return m
}

// find returns the index of the message whose echo l is word for word or, with
// altered, of the first of l's kind; -1 if there is none.
func find(list []*Message, l *channel.Line, altered bool) int {
	at := slices.IndexFunc(list, func(m *Message) bool { return m.matches(l) })
	if at < 0 && altered {
		at = slices.IndexFunc(list, func(m *Message) bool { return m.pm == l.PM })
	}
	return at
}

// Recorded confirms m, which Claim returned for l, once l is stored. If m was written
// more than once, more echoes like l may come.
func (t *EchoTracker) Recorded(m *Message, l *channel.Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m != t.pending {
		return
	}
	if rest, limit, cut := m.cutOff(l); cut {
		m.rest, t.longest = rest, limit
	}
	m.echo = normalize(l.Text) // as the channel's filters left it
	t.expectLateEchoes(m, m.writes-1)
	m.set(confirmed)
}
