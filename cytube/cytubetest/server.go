// Package cytubetest starts a [localserver.Server] for a test and disturbs it: it plays the moderator, the operator and the
// bad network, and keeps what the server received.
package cytubetest

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

// The server's own types.
type (
	Config    = localserver.Config
	Account   = localserver.Account
	Channel   = localserver.ChannelConfig
	Flood     = localserver.Flood
	Limit     = localserver.Limit
	Media     = localserver.Media
	Line      = localserver.Line
	Message   = localserver.Message
	KickError = localserver.KickError
	Item      = localserver.Item

	channelState = localserver.Channel
	session      = localserver.Session
)

// Server is a site with controls.
type Server struct {
	*localserver.Server
	lines  log[Line]
	frames log[Frame]
	faults faults
}

// Start starts a site, on 127.0.0.1 unless cfg has an address. The hooks of cfg are not used.
func Start(cfg Config) (*Server, error) {
	s := &Server{lines: newLog[Line](100_000), frames: newLog[Frame](10_000)}
	cfg.Hooks = localserver.Hooks{
		Connect: s.faults.connect,
		Event:   s.faults.handle,
		Line:    s.lines.add,
		Frame: func(user string, data []byte) {
			s.frames.add(Frame{User: user, Data: string(data), Time: time.Now()})
		},
	}
	if cfg.Address == nil {
		cfg.Address = AddressOf
	}
	var err error
	if s.Server, err = localserver.Start(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// AddressOf returns an address of a user's own, so that each of those in a test has a vote and can be banned alone.
func AddressOf(name string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(strings.ToLower(name)))
	n := sum.Sum32()
	return fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)
}

// Users returns the names of a channel's users, in the order of joining.
func (s *Server) Users(channel string) (names []string) {
	s.Do(channel, func(ch *channelState) { names = ch.Users() })
	return names
}

// with calls do with a user who must be in the channel.
func (s *Server) with(channel, user string, do func(*channelState, *session)) (err error) {
	s.Do(channel, func(ch *channelState) {
		if u := ch.User(user); u != nil {
			do(ch, u)
		} else {
			err = fmt.Errorf("there is no user %q in channel %q", user, channel)
		}
	})
	return err
}

// Kick kicks a user, as a moderator would.
func (s *Server) Kick(channel, user, reason string) error {
	return s.with(channel, user, func(_ *channelState, u *session) { u.Kick(reason) })
}

// Ban keeps a user out of a channel, and kicks the user who is in it.
func (s *Server) Ban(channel, user string) {
	s.Do(channel, func(ch *channelState) { ch.Ban(user) })
}

// Mute mutes a user; a shadow mute hides it from the user.
func (s *Server) Mute(channel, user string, shadow bool) error {
	return s.with(channel, user, func(ch *channelState, u *session) { ch.Mute(u, shadow) })
}

// Unmute ends a mute.
func (s *Server) Unmute(channel, user string) {
	s.Do(channel, func(ch *channelState) { ch.Unmute(user) })
}

// Drop breaks a user's connection: the client sees code 1006.
func (s *Server) Drop(channel, user string) error {
	return s.with(channel, user, func(_ *channelState, u *session) { u.Drop() })
}

// Stall makes the server stop reading from a user and writing to it, pings included, until Resume.
func (s *Server) Stall(channel, user string) error {
	return s.with(channel, user, func(_ *channelState, u *session) { u.Stall() })
}

// Resume ends a Stall.
func (s *Server) Resume(channel, user string) error {
	return s.with(channel, user, func(_ *channelState, u *session) { u.Resume() })
}

// InjectFrame sends a raw frame to a user.
func (s *Server) InjectFrame(channel, user, frame string) error {
	return s.with(channel, user, func(_ *channelState, u *session) { u.Push([]byte(frame)) })
}

// AddMedia puts media at the end of a channel's playlist in the name of a user and returns the item's uid. The first item
// of a playlist is played.
func (s *Server) AddMedia(channel, by string, m Media) (uid int, err error) {
	s.Do(channel, func(ch *channelState) { uid, err = ch.AddMedia(m, by) })
	return uid, err
}

// Playlist returns the items of a channel's playlist.
func (s *Server) Playlist(channel string) (items []Item) {
	s.Do(channel, func(ch *channelState) { items = ch.Playlist() })
	return items
}

// RemoveMedia takes an item out of a channel's playlist.
func (s *Server) RemoveMedia(channel string, uid int) (err error) {
	s.Do(channel, func(ch *channelState) {
		if !ch.RemoveMedia(uid) {
			err = fmt.Errorf("there is no item %d on the playlist of %q", uid, channel)
		}
	})
	return err
}

// PlayNext skips to the next item of a channel's playlist.
func (s *Server) PlayNext(channel string) {
	s.Do(channel, (*channelState).PlayNext)
}
