// Package channel folds the frames of a CyTube server into the state of one
// channel: its users, its playlist, the bot's rank and the flood limit. It is
// pure: State.Apply takes a frame and the time, and returns the events of the
// contract that the frame means. It reads no clock and does no I/O.
package channel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// Frame is one frame of the server: its name and its arguments.
type Frame struct {
	Name string
	Args []json.RawMessage
}

// Event is an event that a frame means. It has neither a correlation ID nor a
// cause yet.
type Event struct {
	event.Envelope
	Line *Line // the line that the event records, nil if it records none
}

// State is what the frames so far say of a channel. It turns later frames into
// events: a chat line does not carry its author's rank, and a frame that removes
// an item from the playlist does not say which media that was. It is not safe
// for concurrent use.
type State struct {
	channel string

	self       string  // the bot's name as the server spells it, "" until it has joined
	rank       float64 // the bot's own
	unranked   bool    // an account logged in, whose rank in the channel is still to come
	floodLimit FloodLimit
	muteRank   float64 // the rank from which the server tells moderators of mutes

	users  map[string]user // by lower-case name
	listed bool            // a userlist came before: the next one is compared with it

	playlist playlist // what the bot was told of, if it is not whole
	whole    bool     // the playlist is all that there is
	complete bool     // a playlist came in this session
	epoch    int64    // in which the uids were given, 0 before a playlist came
	nextUID  int      // above all of the epoch
	current  int      // uid of the item that plays
	playing  media    // zero while nothing plays
	clock    clock    // of what plays
	goesOn   bool     // what plays goes on under another uid, as the next changeMedia says
	locked   *bool    // nil until the server said
	leader   string   // who sets the position, "" while the server does
	votes    wireVote
	voted    bool // the bot did, to skip what plays

	poll     *poll // that is open
	settings settings
	lists    lists
	count    count

	arriving []arrival       // joins that are held back, the oldest first
	muting   []mutePending   // mutes that are held back
	ban      *ban            // that is held back
	banSeen  bool            // the bot's own ban is recorded
	found    map[string]bool // what came in this session of what a join says only if there is one

	latest  Line // of chat
	joining bool
}

// New returns the state of a channel of which no frame has come yet.
func New(channel string) *State {
	return &State{
		channel: channel, rank: -1, muteRank: defaultMuteRank, users: map[string]user{}, current: -1, settings: newSettings(), lists: newLists(),
		found: map[string]bool{},
	}
}

// BeginJoin starts a session. Until EndJoin, frames describe the channel as it
// is: the media that play already are no media change. What the state knew
// before stays, so that the difference becomes events.
func (s *State) BeginJoin() {
	s.joining, s.complete, s.rank, s.current, s.banSeen, s.voted = true, false, -1, -1, false, false
	s.found, s.unranked = map[string]bool{}, false
	s.lists.wantAll()
}

// EndJoin ends what BeginJoin began: from here on frames report changes.
func (s *State) EndJoin() { s.joining = false }

// Joining reports whether the state is between BeginJoin and EndJoin.
func (s *State) Joining() bool { return s.joining }

// SetSelf sets the bot's name, as the server spells it.
func (s *State) SetSelf(name string) { s.self = name }

// Self returns the bot's name as the server spells it, "" before SetSelf.
func (s *State) Self() string { return s.self }

// Rank returns the bot's rank in the channel, -1 before the server sent it.
func (s *State) Rank() float64 { return s.rank }

// Ranked reports whether Rank is the bot's rank in this channel: an account logs in with
// its rank on the site, and the server looks up that of the channel afterwards.
func (s *State) Ranked() bool { return !s.unranked }

// fold is the application of one frame: what a handler gets, and the events that
// it adds.
type fold struct {
	args     []json.RawMessage
	at       time.Time
	epoch    int64 // of the events about media
	events   []Event
	revealed bool  // a mute that may be an old one became visible
	err      error // of an event that could not be made
}

func (s *State) fold(args []json.RawMessage, at time.Time) *fold {
	return &fold{args: args, at: at, epoch: s.epoch}
}

func (f *fold) ms() int64 { return f.at.UnixMilli() }

func (f *fold) emit(subject string, payload any) { f.emitLine(subject, payload, nil) }

// emitFound adds an event of what was found, which may have happened before.
func (f *fold) emitFound(subject string, payload any) {
	f.emit(subject, payload)
	last := &f.events[len(f.events)-1]
	last.Envelope = last.WithMeta(event.MetaFound, true)
}

// emitAt adds an event of an earlier time.
func (f *fold) emitAt(at time.Time, subject string, payload any) {
	f.emit(subject, payload)
	f.events[len(f.events)-1].Timestamp = at
}

func (f *fold) fail(err error) { f.err = errors.Join(f.err, err) }

// emitLine adds the event that records a line.
func (f *fold) emitLine(subject string, payload any, l *Line) {
	e, err := event.New(subject, payload)
	f.fail(err)
	e.Timestamp = f.at
	if f.epoch != 0 && err == nil && strings.HasPrefix(subject, "cytube.media.") {
		e.Data = fmt.Appendf(bytes.TrimSuffix(e.Data, []byte("}")), `,"epoch":%d}`, f.epoch)
	}
	f.events = append(f.events, Event{Envelope: e, Line: l})
}

// handlers maps the name of a frame to what it does.
var handlers = map[string]func(*State, *fold) error{
	"chatMsg":        (*State).chat,
	"pm":             (*State).pm,
	"userlist":       (*State).userlist,
	"addUser":        (*State).addUser,
	"userLeave":      (*State).userLeave,
	"setUserRank":    (*State).setUserRank,
	"setUserMeta":    (*State).setUserMeta,
	"clearchat":      (*State).clearChat,
	"kick":           (*State).kicked,
	"login":          (*State).login,
	"rank":           (*State).ownRank,
	"channelOpts":    (*State).options,
	"setPermissions": (*State).permissions,
	"playlist":       (*State).setPlaylist,
	"setCurrent":     (*State).setCurrent,
	"changeMedia":    (*State).changeMedia,
	"queue":          (*State).queue,
	"delete":         (*State).remove,
	"moveVideo":      (*State).move,
	"setTemp":        (*State).setTemp,

	"setPlaylistLocked": (*State).setLocked,
	"setLeader":         (*State).setLeader,
	"voteskip":          (*State).voteskip,
	"clearVoteskipVote": (*State).clearVote,
	"newPoll":           (*State).newPoll,
	"updatePoll":        (*State).updatePoll,
	"closePoll":         (*State).closePoll,
	"setAFK":            (*State).setAFK,
	"setMotd":           (*State).setMOTD,
	"channelCSSJS":      (*State).setStyle,
	"emoteList":         (*State).emoteList,
	"updateEmote":       (*State).updateEmote,
	"renameEmote":       (*State).renameEmote,
	"removeEmote":       (*State).removeEmote,
	"chatFilters":       (*State).chatFilters,
	"updateChatFilter":  (*State).updateFilter,
	"deleteChatFilter":  (*State).deleteFilter,
	"announcement":      (*State).announce,
	"drinkCount":        (*State).drinks,
	"mediaUpdate":       (*State).mediaUpdate,
	"usercount":         (*State).usercount,
	"banlist":           (*State).banlist,
	"banlistRemove":     (*State).banRemoved,
	"channelRanks":      (*State).channelRanks,
}

// ignored are the frames that say nothing about the channel that another does not, and
// the answers to what the bot asks.
var ignored = map[string]bool{
	"needPassword": true, "cancelNeedPassword": true, "channelNotRegistered": true,
	"setPlaylistMeta": true, "setUserProfile": true, "errorMsg": true,
	"noflood": true, "cooldown": true, "spamFiltered": true, "queueFail": true, "queueWarn": true, "listPlaylists": true,
	"searchResults": true, "channelRankFail": true,
	"readChanLog": true, "warnLargeChandump": true, "partitionChange": true, "costanza": true, "addFilterSuccess": true, "validationError": true, "validationPassed": true,
}

// Apply folds a frame that came at a time into the state and returns the events
// that it means, in order; events that were delayed come first. A malformed frame is an
// error and has no other effect.
func (s *State) Apply(frame Frame, at time.Time) ([]Event, error) {
	delayed := s.Tick(at)
	f := s.fold(frame.Args, at)
	handle, ok := handlers[frame.Name]
	switch {
	case ok:
		if err := errors.Join(handle(s, f), f.err); err != nil {
			return delayed, fmt.Errorf("frame %q: %w", frame.Name, err)
		}
	case !ignored[frame.Name]:
		f.emit(event.SubjectUnknown, event.Unknown{Name: frame.Name, Bytes: frame.size(), Channel: s.channel, Time: f.ms()})
	}
	return append(delayed, f.events...), nil
}

// size is the length of the frame's arguments.
func (f Frame) size() (n int) {
	for _, arg := range f.Args {
		n += len(arg)
	}
	return n
}

func (s *State) login(f *fold) error {
	login, err := read[wireLogin](f.args)
	s.unranked = err == nil && login.Success != nil && *login.Success && !login.Guest
	return err
}

func (s *State) ownRank(f *fold) error {
	rank, err := read[float64](f.args)
	if err == nil {
		err = checkRank(rank)
	}
	if err == nil {
		s.rank, s.unranked = rank, false
		s.hidePlaylist(f)
	}
	return err
}
