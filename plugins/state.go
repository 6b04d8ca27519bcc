package plugins

import (
	"encoding/json"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// State is a channel at one moment: its playlist, what plays, who is there with which rank.
// A part that was not asked for, or of which no event tells, is nil.
type State struct {
	view.View
	BotName string `json:"bot"` // in the channel, "" if the bot was never there
}

// The parts of a State that handlers ask for most; see view.Parts for the others.
const (
	Playlist    = view.PartPlaylist
	Playing     = "playing"
	Users       = view.PartUsers
	Lock        = view.PartLock
	Permissions = view.PartPermissions
)

// Bot returns the bot as a user of the channel: its rank is -1 while it is not there. Users
// must be among the parts.
func (s *State) Bot() view.User {
	if u, here := s.User(s.BotName); here {
		return u
	}
	return view.User{Name: s.BotName, Rank: -1}
}

// State returns parts of the event's channel as they are, or all of them. It is folded from
// the stored events, so it has all that was stored when it is asked for. A redelivery may
// see another: keep what follows from it with Collection.Change.
func (c *Context) State(parts ...string) (*State, error) {
	return c.StateOf(c.Channel(), time.Time{}, parts...)
}

// StateOf returns parts of a channel as they were at a time, or as they are if that is zero.
func (c *Context) StateOf(channel string, at time.Time, parts ...string) (*State, error) {
	request := map[string]any{"channel": channel}
	if !at.IsZero() {
		request["at"] = at.UnixMilli()
	}
	if len(parts) > 0 {
		request["parts"] = append([]string{"bot"}, parts...)
	}
	raw, err := c.Request(event.RequestSubject("channel", "state"), request)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data"`
	}
	s := &State{}
	if err = decode(raw, &reply); err == nil {
		err = decode(reply.Data, s)
	}
	s.Channel = reply.Channel
	return s, err
}
