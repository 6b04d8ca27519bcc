// Package autoplay is the plugin autoplay: it fills the playlist when it runs short, and
// plays programmes at the times for which they are scheduled.
package autoplay

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "autoplay"

// The collections of the plugin.
const (
	Library    = "autoplay-media"
	Programmes = "autoplay-programmes"
	Schedules  = "autoplay-schedules"
	Channels   = "autoplay-channels"
	Playings   = "autoplay-playing"
)

// moderator is the rank that the commands that change something need.
const moderator = 2

// The events of the plugin.
const (
	kindTick     = "tick"     // a timer of a schedule
	kindWake     = "wake"     // a timer of a channel
	kindStarted  = "started"  // a programme began to load
	kindLoaded   = "loaded"   // a programme is on the playlist
	kindSetAside = "setaside" // media that cannot be played were set aside
)

// Settings are the plugin's settings.
type Settings struct {
	Filler       bool          `json:"filler" default:"false" jsonschema:"add media when the playlist runs short"`
	FillerFrom   []string      `json:"filler_from" default:"played" jsonschema:"where filler is taken from: played for what the channel skipped least, tag:NAME, a programme or a saved playlist by name"`
	FillerBelow  int           `json:"filler_below" default:"1" min:"1" max:"20" jsonschema:"add when fewer items than that come after what plays"`
	FillerMax    time.Duration `json:"filler_max" default:"3h" min:"0s" max:"24h" jsonschema:"longest filler; 0 for any length"`
	FillerRepeat time.Duration `json:"filler_repeat" default:"12h" min:"0s" max:"8760h" jsonschema:"how long after it played media are no filler again"`
	FillerStuck  string        `json:"filler_stuck" default:"loosen" enum:"loosen,wait" jsonschema:"what to do when no filler keeps the rules: loosen repeats, then lengths, or wait"`
	Temporary    bool          `json:"temporary" default:"true" jsonschema:"what is added leaves the playlist when it was played"`

	Zone          string        `json:"zone" default:"UTC" jsonschema:"zone of the times in schedules, as Europe/Berlin"`
	Start         string        `json:"start" default:"now" enum:"now,next" jsonschema:"whether a programme that is due cuts off what plays, or follows it"`
	Missed        string        `json:"missed" default:"skip" enum:"skip,catch_up" jsonschema:"what to do with a programme that was due while the bot was away"`
	Late          time.Duration `json:"late" default:"10m" min:"0s" max:"24h" jsonschema:"how late a programme begins that is not missed yet"`
	AnnounceFirst time.Duration `json:"announce_first" default:"1h" min:"0s" max:"168h" jsonschema:"how long before it is due a programme is announced first; 0 for not"`
	AnnounceLast  time.Duration `json:"announce_last" default:"10m" min:"0s" max:"168h" jsonschema:"how long before it is due a programme is announced last; 0 for not"`
	Tries         int           `json:"tries" default:"3" min:"1" max:"10" jsonschema:"how often an item of a programme is tried"`
	Quiet         bool          `json:"quiet" default:"false" jsonschema:"answer commands by private message"`

	Texts
}

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:        Name,
		Version:     "1.0.0",
		Description: "Fills the playlist, and plays programmes at their time",
		Capabilities: []string{
			"chat", "pm", "media.queue", "media.move", "media.jump", "read:public", "storage", "storage:" + savedLists + ":read", "request:*",
		},
		Collections: map[string]any{Library: Media{}, Programmes: Programme{}, Schedules: Schedule{}, Channels: Channel{}, Playings: Playing{}},
		Emits:       map[string]any{kindTick: tick{}, kindWake: woken{}, kindStarted: about{}, kindLoaded: about{}, kindSetAside: setAside{}},
		Settings:    Settings{},
		Commands:    commands(),
		Events: []plugins.Subscription{
			{Subject: event.SubjectMediaChange, Handle: drive},
			{Subject: event.SubjectMediaStop, Handle: drive},
			{Subject: event.SubjectMediaDelete, Handle: drive},
			{Subject: event.SubjectMediaClear, Handle: drive},
			{Subject: event.SubjectConnection, Handle: connected},
			{Subject: event.EventSubject(Name, kindTick), Handle: due, MaxAge: plugins.Never},
			{Subject: event.EventSubject(Name, kindWake), Handle: drive, MaxAge: plugins.Never},
			{Subject: event.SubjectSettings, Handle: configured},
			{Subject: event.SubjectMediaChange, Handle: changed, FromFirst: true},
			{Subject: event.SubjectMediaStop, Handle: stopped, FromFirst: true},
			{Subject: event.SubjectConnection, Handle: lookedAway, FromFirst: true},
			{Subject: event.SubjectSendMediaJump, Handle: cutOff, FromFirst: true},
		},
		Requests: []plugins.Endpoint{{Action: "calendar", Handle: calendarRequest}},
		Outcomes: outcome,
		Start:    start,
	}
}

func commands() []plugins.Command {
	return []plugins.Command{
		{
			Name: "schedule", Aliases: []string{"sched"}, MinRank: moderator,
			Usage:       "[list | friday 20:00 WHAT | every friday 20:00 WHAT | cron 0 20 * * 5 WHAT | edit N WHEN | rm N]",
			Description: "plays a programme, a saved playlist or a link at a time, once or again and again", Handle: schedule,
		},
		{
			Name: "programme", Aliases: []string{"program", "prog"}, MinRank: moderator,
			Usage:       "[list | NAME | start NAME | add NAME LINK… | rm NAME [N] | series NAME on | rewind NAME]",
			Description: "keeps and plays programmes: an intro, a film, an intermission, or a series by its episodes", Handle: programme,
		},
		{
			Name: "filler", MinRank: moderator, Usage: "[status | aside | back N | back all]",
			Description: "tells of what is added when the playlist runs short, and of what was set aside", Handle: filler,
		},
		{
			Name: "tag", MinRank: moderator, Usage: "[NAME | -NAME] [LINK]",
			Description: "tags what plays, or a link, for filler by tag", Handle: tag,
		},
		{
			Name: "calendar", Aliases: []string{"upcoming"},
			Description: "lists what is scheduled", Handle: calendar,
		},
	}
}

// Media is a record of the Library: what was played in a channel, tagged or failed there. Its
// ID is channel/URL.
type Media struct {
	Channel  string   `json:"channel"`
	URL      string   `json:"url" mark:"text"`
	Title    string   `json:"title" mark:"text"`
	Duration int      `json:"duration"` // seconds
	Plays    int      `json:"plays"`    // for the most part
	Skips    int      `json:"skips"`
	Score    float64  `json:"score"` // how much of it was skipped, 0 to 1
	Last     int64    `json:"last"`  // Unix seconds when it played last
	Tags     []string `json:"tags" mark:"text"`
	Gone     string   `json:"gone" mark:"text"` // why it was set aside
	Fails    int      `json:"fails"`            // in a row, of those that pass
	Retry    int64    `json:"retry"`            // Unix seconds before which it is not tried
}

// Programme is a record of Programmes. Its ID is channel/name, folded.
type Programme struct {
	Name    string  `json:"name" mark:"text"`
	Channel string  `json:"channel"`
	By      string  `json:"by" mark:"person"`
	Series  bool    `json:"series"` // one episode is played at a time
	Entries []Entry `json:"entries"`
}

// Entry is an item of a Programme.
type Entry struct {
	URL    string `json:"url" mark:"text"`
	Played bool   `json:"played"` // of a series, for the most part
}

// Schedule is a record of Schedules. Its ID is channel/number.
type Schedule struct {
	Channel string `json:"channel"`
	Number  int    `json:"number"`
	What    string `json:"what" mark:"text"`           // a name, a link or a title
	Link    string `json:"link,omitempty" mark:"text"` // of what has the title
	By      string `json:"by" mark:"person"`
	Set     string `json:"set"` // STREAM:SEQ of the command that set its time
	timeparse.Rule
	Due     int64  `json:"due"`  // Unix seconds
	Next    int64  `json:"next"` // Unix seconds of the next announcement, or Due
	Done    bool   `json:"done"`
	Started string `json:"started"` // STREAM:SEQ of the event that last started it
}

// Channel is a record of Channels: what the plugin does in a channel. Its ID is the channel's
// name.
type Channel struct {
	Channel string  `json:"channel"`
	Last    int     `json:"last"`            // number of a schedule
	Asked   *Asked  `json:"asked,omitempty"` // of the channel, with no outcome yet
	Show    *Show   `json:"show,omitempty"`  // that is loading
	Waiting []Show  `json:"waiting"`         // that are to be loaded then
	Fails   int     `json:"fails"`           // of filler, in a row
	Pause   int64   `json:"pause"`           // Unix seconds before which no filler is tried
	Stuck   bool    `json:"stuck"`           // that there is no filler was said
	Settled Settled `json:"settled"`
}

// Playing is a record of Playings: what plays in a channel. Its ID is the channel's name.
type Playing struct {
	Channel string `json:"channel"`
	Now     *Play  `json:"now,omitempty"`
	Ended   Play   `json:"ended"` // what played before
}

// Settled is what came of what was asked last.
type Settled struct {
	Ref     string `json:"ref"` // STREAM:SEQ of the outcome
	URL     string `json:"url" mark:"text"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason" mark:"text"`
}

// Asked is what was asked of the channel.
type Asked struct {
	What string `json:"what"` // a step of a show
	URL  string `json:"url" mark:"text"`
	Show bool   `json:"show"` // for the show, else filler
	At   int64  `json:"at"`   // Unix seconds
}

// Play is what plays, or played.
type Play struct {
	URL      string `json:"url" mark:"text"`
	Title    string `json:"title" mark:"text"`
	Duration int    `json:"duration"` // seconds
	Began    int64  `json:"began"`    // Unix seconds when it would have begun from its beginning
	Unsure   bool   `json:"unsure"`   // the bot was away meanwhile, or a programme cut it off
	Ref      string `json:"ref"`      // STREAM:SEQ of the event that ended it
	Result   string `json:"result"`   // played, skipped or ""
}

// about is the payload of the events started and loaded.
type about struct {
	What    string `json:"what" mark:"text"`
	Channel string `json:"channel"`
	By      string `json:"by" mark:"person"`
	Items   int    `json:"items"`
}

// setAside is the payload of the event setaside.
type setAside struct {
	URL     string `json:"url" mark:"text"`
	Channel string `json:"channel"`
	Reason  string `json:"reason" mark:"text"`
}

type tick struct {
	Channel string `json:"channel"`
	Number  int    `json:"number"`
	Set     string `json:"set"`
}

type woken struct {
	Channel string `json:"channel"`
}
