package cytubetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Line is a chat line or private message that the server accepted.
type Line struct {
	Seq     int // 1 for the first line of the server, and so on
	Channel string
	User    string
	To      string // who a private message is for; empty for chat
	Text    string // as the user typed it, cut and cleaned, without the /me
	HTML    string // as the server sent it on
	Action  bool   // whether it was a /me
	Time    time.Time
}

// Frame is a frame as it came from a client.
type Frame struct {
	Seq  int    // 1 for the first frame of the server, and so on
	User string // the client's name at that time, empty while anonymous
	Data string
	Time time.Time
}

// Fault is what can go wrong with a line of chat or a private message.
type Fault int

// The faults.
const (
	faultNone     Fault = iota
	FaultLost           // it vanishes without a word
	FaultNoEcho         // everybody gets it but its sender
	FaultDrop           // as FaultNoEcho, and then the sender's connection breaks
	FaultCooldown       // it is refused for flooding
	FaultSpam           // it is refused because the user is new
	FaultSpamLink       // it is refused because the user is new and it has a link
)

type fault struct {
	user string
	kind Fault
}

// How much the server remembers of what it heard.
const (
	linesKept  = 100_000
	framesKept = 10_000
)

func (s *Server) hear(l Line) {
	s.lines++
	l.Seq = s.lines
	if len(s.heard) >= linesKept {
		s.heard = slices.Delete(s.heard, 0, linesKept/2)
	}
	s.heard = append(s.heard, l)
	s.notify()
}

func (s *Server) record(c *session, frame []byte) {
	if len(s.received) >= framesKept {
		s.received = slices.Delete(s.received, 0, framesKept/2)
	}
	s.frames++
	s.received = append(s.received, Frame{Seq: s.frames, User: c.name, Data: string(frame), Time: time.Now()})
	s.notify()
}

// Heard gives the lines that the server accepted, oldest first: the last 50,000
// at least.
func (s *Server) Heard() []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// Received gives the frames that clients sent, oldest first: the last 5,000 at
// least.
func (s *Server) Received() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// WaitHeard waits for a line for which match is true, those already heard
// included, and gives the first.
func (s *Server) WaitHeard(ctx context.Context, match func(Line) bool) (Line, error) {
	next := 1
	var found Line
	err := s.wait(ctx, "a line of chat", func() bool {
		for _, l := range unseen(s.heard, s.lines, next) {
			if match(l) {
				found = l
				return true
			}
		}
		next = s.lines + 1
		return false
	})
	return found, err
}

// unseen is what there is in a log from number next on, when last is the number
// of its last entry.
func unseen[T any](log []T, last, next int) []T {
	return log[max(0, len(log)-max(0, last-next+1)):]
}

// WaitReceived waits for a frame for which match is true, those already received
// included, and gives the first.
func (s *Server) WaitReceived(ctx context.Context, match func(Frame) bool) (Frame, error) {
	next := 1
	var found Frame
	err := s.wait(ctx, "a frame", func() bool {
		for _, f := range unseen(s.received, s.frames, next) {
			if match(f) {
				found = f
				return true
			}
		}
		next = s.frames + 1
		return false
	})
	return found, err
}

// WaitUser waits until a user of that name is in the channel.
func (s *Server) WaitUser(ctx context.Context, channel, user string) error {
	return s.wait(ctx, user+" in "+channel, func() bool { return s.channel(channel).user(user) != nil })
}

// WaitGone waits until no user of that name is in the channel.
func (s *Server) WaitGone(ctx context.Context, channel, user string) error {
	return s.wait(ctx, user+" gone from "+channel, func() bool { return s.channel(channel).user(user) == nil })
}

// wait waits until the condition, asked with the lock held, is true.
func (s *Server) wait(ctx context.Context, what string, done func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// Users gives the names of a channel's users, in the order of joining.
func (s *Server) Users(channel string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, u := range s.channel(channel).users {
		if u.loggedIn() {
			names = append(names, u.name)
		}
	}
	return names
}

// with does something to a user who must be in the channel.
func (s *Server) with(channel, user string, do func(*room, *session)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channel(channel)
	u := ch.user(user)
	if u == nil {
		return fmt.Errorf("there is no user %q in channel %q", user, channel)
	}
	do(ch, u)
	return nil
}

// Kick kicks a user, as a moderator would.
func (s *Server) Kick(channel, user, reason string) error {
	return s.with(channel, user, func(ch *room, u *session) { u.kick(reason) })
}

// Ban keeps a user out of a channel, and kicks the user who is in it.
func (s *Server) Ban(channel, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel(channel).ban(user)
}

// SetRank changes a user's rank in a channel. The user may be absent.
func (s *Server) SetRank(channel, user string, rank float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel(channel).changeRankOf(user, rank)
}

// Mute mutes a user; a shadow mute hides it from the user.
func (s *Server) Mute(channel, user string, shadow bool) error {
	return s.with(channel, user, func(ch *room, u *session) { ch.mute(u, shadow) })
}

// Unmute takes a mute back.
func (s *Server) Unmute(channel, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel(channel).unmute(user)
}

// Drop breaks a user's connection off: the client sees code 1006.
func (s *Server) Drop(channel, user string) error {
	return s.with(channel, user, func(_ *room, u *session) { u.drop() })
}

// DropAll breaks every connection off. New ones are welcome.
func (s *Server) DropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.drop()
	}
}

// Stall makes the server stop reading from a user and writing to it, pings
// included, until Resume: the connection is there and silent.
func (s *Server) Stall(channel, user string) error {
	return s.with(channel, user, func(_ *room, u *session) {
		if u.stalled == nil {
			u.stalled = make(chan struct{})
		}
	})
}

// Resume ends a Stall.
func (s *Server) Resume(channel, user string) error {
	return s.with(channel, user, func(_ *room, u *session) {
		if u.stalled != nil {
			close(u.stalled)
			u.stalled, u.heardFrom = nil, time.Now()
		}
	})
}

// Refuse makes the server answer every new connection with a connect error of
// that text, such as "Rate limit exceeded". An empty text ends it.
func (s *Server) Refuse(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = message
}

// Fail lets something go wrong with the next n lines or private messages of a
// user, after what was asked for before. The user may be absent.
func (s *Server) Fail(channel, user string, n int, kind Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channel(channel)
	ch.faults = append(ch.faults, slices.Repeat([]fault{{strings.ToLower(user), kind}}, n)...)
}

// takeFault gives what goes wrong with a user's next line.
func (ch *room) takeFault(user string) Fault {
	at := slices.IndexFunc(ch.faults, func(f fault) bool { return f.user == strings.ToLower(user) })
	if at < 0 {
		return faultNone
	}
	kind := ch.faults[at].kind
	ch.faults = slices.Delete(ch.faults, at, at+1)
	return kind
}

// InjectFrame sends a raw frame to a user.
func (s *Server) InjectFrame(channel, user, frame string) error {
	return s.with(channel, user, func(_ *room, u *session) { u.push([]byte(frame)) })
}

// AddMedia puts media at the end of a channel's playlist in the name of a user
// and gives the item's uid. The first item of a playlist is played.
func (s *Server) AddMedia(channel, by string, m Media) (uid int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channel(channel).addMedia(m, by, false, false)
}

// RemoveMedia takes an item out of a channel's playlist.
func (s *Server) RemoveMedia(channel string, uid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.channel(channel).removeMedia(uid) {
		return fmt.Errorf("there is no item %d on the playlist of %q", uid, channel)
	}
	return nil
}

// PlayNext skips to the next item of a channel's playlist.
func (s *Server) PlayNext(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel(channel).advance()
}
