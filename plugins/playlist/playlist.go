// Package playlist is the plugin playlist: people queue, skip, vote and look up what plays,
// within limits, and any change of the playlist can be undone.
package playlist

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "playlist"

// The collections.
const (
	Collection = "playlist"        // a record a channel
	Played     = "playlist_played" // what played, the last time
	Lists      = "playlist_lists"  // saved playlists
)

// Settings are the plugin's settings. A limit of 0 is none.
type Settings struct {
	MaxItems    int           `json:"max_items" default:"5" min:"0" max:"1000" jsonschema:"most items of one person on the playlist"`
	MaxMinutes  int           `json:"max_minutes" default:"0" min:"0" max:"10000" jsonschema:"most minutes of one person on the playlist"`
	PerHour     int           `json:"per_hour" default:"20" min:"0" max:"1000" jsonschema:"most items that one person adds in an hour"`
	MinLength   time.Duration `json:"min_length" default:"0s" min:"0s" max:"24h" jsonschema:"shortest item"`
	MaxLength   time.Duration `json:"max_length" default:"0s" min:"0s" max:"240h" jsonschema:"longest item; live media have no length and are refused then"`
	RepeatDays  int           `json:"repeat_days" default:"0" min:"0" max:"3650" jsonschema:"days for which what played here is not added again"`
	TakeTurns   bool          `json:"take_turns" default:"off" jsonschema:"whether nobody may add two items in a row"`
	FairTurns   bool          `json:"fair_turns" default:"off" jsonschema:"whether what is added goes before the second item of who has one already, before the third of who has two, and so on"`
	Guests      bool          `json:"guests_together" default:"on" jsonschema:"whether all guests count as one person"`
	Temporary   bool          `json:"temporary" default:"on" jsonschema:"whether what users add leaves the playlist when it was played"`
	ExemptRank  int           `json:"exempt_rank" default:"2" min:"0" max:"255" jsonschema:"rank from which limits do not hold"`
	NextRank    int           `json:"next_rank" default:"2" min:"0" max:"255" jsonschema:"rank that may add next"`
	SkipShare   int           `json:"skip_share" default:"50" min:"1" max:"100" jsonschema:"percent of those who are there and not AFK whose votes skip"`
	Banned      []string      `json:"banned" jsonschema:"links and users that are not taken, and words of titles, as /regular expression/ too"`
	WhenLocked  string        `json:"when_locked" default:"wait" enum:"wait,refuse,add" jsonschema:"what becomes of an add while the playlist is locked: it waits until a moderator accepts it or the playlist is open, or is refused, or is added all the same"`
	Quiet       bool          `json:"quiet" default:"off" jsonschema:"whether moderators' acts are answered by private message"`
	UndoWithin  time.Duration `json:"undo_within" default:"24h" min:"1m" max:"720h" jsonschema:"how old a change may be that is undone"`
	SayProgress int           `json:"progress" default:"50" min:"1" max:"1000" jsonschema:"after how many items a long work says how far it is"`

	Texts
}

const moderator = 2

// New returns the plugin.
func New() plugins.Plugin {
	command := func(name, usage, description string, rank int, handle plugins.Handler, aliases ...string) plugins.Command {
		return plugins.Command{Name: name, Aliases: aliases, Usage: usage, Description: description, MinRank: rank, Handle: handle}
	}
	return plugins.Plugin{
		Name: Name, Version: "1.0.0", Description: "Queues, skips and looks up what plays, and undoes what was done to the playlist",
		Capabilities: []string{"chat", "pm", "storage", "read:public", "request:channel",
			"media.queue", "media.delete", "media.jump", "media.skip", "media.move", "media.temp", "media.shuffle", "media.clear", "media.lock"},
		Collections: map[string]any{Collection: record{}, Played: played{}, Lists: list{}},
		Settings:    Settings{},
		Commands: []plugins.Command{
			command("add", "https://youtu.be/ID [next] [temp]", "adds a video, by a link of any site that CyTube knows", 0, add),
			command("voteskip", "", "votes to skip what plays", 0, voteskip, "vs"),
			command("np", "", "says what plays", 0, nowPlaying, "nowplaying"),
			command("next", "", "says what plays next", 0, next),
			command("queue", "", "says what is on the playlist", 0, queue, "playlist"),
			command("whoqueued", "[TITLE]", "says who added what plays, or something else", 0, whoQueued),
			command("last", "[5]", "says what played", 0, last),
			command("wrong", "", "takes back what you added last", 0, wrong),
			command("skip", "", "skips what plays", moderator, skip),
			command("remove", "TITLE", "takes something off the playlist, by its title, place or link", moderator, remove),
			command("move", "TITLE to 3", "moves something to a place, to the front (next) or to the end (last)", moderator, move),
			command("shuffle", "", "shuffles the playlist", moderator, shuffle),
			command("clear", "", "clears the playlist", moderator, clearAll),
			command("lock", "[on | off]", "locks the playlist, or opens it", moderator, lock),
			command("playlists", "[save | load | rm] NAME", "saves the playlist and adds what was saved", moderator, lists),
			command("wishes", "[accept 2 | accept all | refuse 2 WHY]", "says what waits for a moderator while the playlist is locked, and adds it or not", moderator, wishes),
			command("undo", "[clear | remove | add | move | skip | shuffle | lock | stop]", "undoes the last change of the playlist, or the last of a kind, whoever made it", moderator, undo),
		},
		Events: []plugins.Subscription{
			{Subject: event.SubjectMediaLock, Handle: opened},
			{Subject: event.SubjectMediaChange, Handle: plays, FromFirst: true},
		},
		Outcomes: outcome,
	}
}
