package cytube

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// room is what the bot knows of its channel. It turns the server's frames into
// the contract's events and keeps what later frames refer to: ranks, which chat
// lines do not carry, and the playlist, which says who queued what.
type room struct {
	channel string
	now     func() time.Time

	self  string  // the bot's name as the server spells it
	rank  float64 // the bot's own
	flood flood   // the channel's own limit for those who are no moderators

	users  map[string]member // by lower-case name
	listed bool              // whether a user list came before: later ones are compared with what is known

	playlist map[int]media // by uid
	complete bool          // whether a playlist came in this session
	current  int           // uid of the item that plays
	playing  string        // what plays, to tell a change from the news of a join

	latest   line    // of chat
	muteRank float64 // from which on moderators are told of mutes
	joining  bool    // what comes now tells how things stand, not what happens
}

// fact is an event to be published; line is set when it is somebody's words.
type fact struct {
	event.Envelope
	line *line
}

func newRoom(channel string) *room {
	return &room{channel: channel, now: time.Now, rank: -1, muteRank: defaultMuteRank, users: map[string]member{}, playlist: map[int]media{}, current: -1}
}

// begin forgets what a new connection will be told anew.
func (r *room) begin() { r.joining, r.complete, r.rank, r.current = true, false, -1, -1 }

// frames says what each frame of the server means. Others mean nothing to the
// bot.
var frames = map[string]func(*room, []json.RawMessage) ([]fact, error){
	"chatMsg":        (*room).chat,
	"pm":             (*room).pm,
	"userlist":       (*room).userlist,
	"addUser":        (*room).addUser,
	"userLeave":      (*room).userLeave,
	"setUserRank":    (*room).setUserRank,
	"setUserMeta":    (*room).setUserMeta,
	"clearchat":      (*room).clearChat,
	"kick":           (*room).kicked,
	"rank":           (*room).ownRank,
	"channelOpts":    (*room).options,
	"setPermissions": (*room).permissions,
	"playlist":       (*room).setPlaylist,
	"setCurrent":     (*room).setCurrent,
	"changeMedia":    (*room).changeMedia,
	"queue":          (*room).queue,
	"delete":         (*room).remove,
}

// apply takes in one frame and gives the events that it means. An error says
// what is wrong with the frame, which is then without effect.
func (r *room) apply(name string, args []json.RawMessage) ([]fact, error) {
	take, ok := frames[name]
	if !ok {
		return nil, nil
	}
	facts, err := take(r, args)
	if err != nil {
		return nil, fmt.Errorf("frame %q: %w", name, err)
	}
	return facts, nil
}

func one(subject string, payload any, l *line) ([]fact, error) {
	e, err := event.New(subject, payload)
	if err != nil {
		return nil, err
	}
	return []fact{{Envelope: e, line: l}}, nil
}

func (r *room) ownRank(args []json.RawMessage) ([]fact, error) {
	rank, err := read[float64](args)
	if err == nil {
		_, err = whole("rank", rank, -1)
	}
	if err != nil {
		return nil, err
	}
	r.rank = rank
	return nil, nil
}

func (r *room) options(args []json.RawMessage) ([]fact, error) {
	o, err := read[wireOptions](args)
	if err != nil {
		return nil, err
	}
	r.flood = flood{}
	if o.AntiFlood {
		r.flood = newFlood(o.Params.Burst, o.Params.Sustained, o.Params.Cooldown)
	}
	return nil, nil
}

// limit is how fast the bot may chat.
func (r *room) limit() flood {
	if r.rank >= 2 || r.flood == (flood{}) {
		return moderators
	}
	return r.flood
}
