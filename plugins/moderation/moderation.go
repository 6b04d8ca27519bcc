// Package moderation is the plugin moderation: kicks, bans and mutes that end by themselves,
// warnings and notes, what is known of a user, and the rules of package automod.
package moderation

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
)

// Name is the plugin's name.
const Name = "moderation"

// The collections.
const (
	Cases  = "moderation_cases"
	People = "moderation_people"
	Hits   = "moderation_hits"
)

const moderator = 2 // the rank of the commands, unless a setting says another

// recent is how old an event may be that is not of the past.
const recent = 10 * time.Minute

// Values of Settings.Automod and Settings.Aliases.
const (
	Off   = "off"
	Watch = "watch"
	On    = "on"

	tellAliases = "tell"
	banAliases  = "ban"
)

// Settings are the plugin's settings.
type Settings struct {
	automod.Config

	Automod      string        `json:"automod" default:"off" enum:"off,watch,on" jsonschema:"whether the rules are off, only noted as events, or acted upon"`
	Announce     bool          `json:"announce" default:"true" jsonschema:"whether what was done is said in the channel; else privately to who asked for it"`
	Aliases      string        `json:"alias_bans" default:"tell" enum:"off,tell,ban" jsonschema:"what happens when somebody joins who shares an address with a banned user: nothing, who banned is told, or a ban until the same time"`
	WarningsTime time.Duration `json:"warnings_time" default:"720h" min:"1h" max:"87600h" jsonschema:"how long warnings count"`
	StrikeTime   time.Duration `json:"strike_time" default:"1m" min:"1s" max:"10m" jsonschema:"of how long ago a strike takes lines"`
	StrikeMost   int           `json:"strike_most" default:"50" min:"1" max:"500" jsonschema:"most users that one strike hits"`

	Texts
}

// New returns the plugin.
func New() plugins.Plugin {
	m := &moderation{channels: map[string]*watched{}}
	return plugins.Plugin{
		Name:        Name,
		Version:     "1.0.0",
		Description: "Keeps order: kicks, bans and mutes that end by themselves, warnings, notes, automod",
		MinRank:     moderator,
		Collections: map[string]any{Cases: Case{}, People: Person{}, Hits: hits{}},
		Settings:    Settings{},
		Emits: map[string]any{
			eventAct: act{}, eventOver: act{}, eventHit: hit{}, eventRaid: raid{}, eventAlias: alias{}, eventEnd: end{}, eventFailed: failed{},
		},
		Capabilities: []string{
			"chat", "pm", "moderation.kick", "moderation.ban", "moderation.unban", "moderation.mute", "moderation.unmute", "read:public",
			"storage:" + Cases, "storage:" + People, "storage:" + Hits, "request:channel",
		},
		Commands: []plugins.Command{
			{Name: "kick", Usage: "USER [REASON]", Description: "kicks a user", Handle: m.kick},
			{Name: "ban", Usage: "USER [7d] [REASON]", Description: "bans a user, for a time or until somebody lifts it", Handle: m.askTimed(kindBan, "bob 7d spam")},
			{Name: "mute", Usage: "USER [10m] [REASON]", Description: "mutes a user, for a time or until somebody lifts it, who may be away", Handle: m.askTimed(kindMute, "bob 10m caps")},
			{Name: "unban", Usage: "USER", Description: "lifts a ban", Handle: m.lift(kindUnban, kindBan)},
			{Name: "unmute", Usage: "USER", Description: "lifts a mute", Handle: m.lift(kindUnmute, kindMute)},
			{Name: "warn", Usage: "USER REASON", Description: "warns a user and counts it", Handle: m.warn},
			{Name: "note", Usage: "USER TEXT", Description: "notes something about a user, for moderators", Handle: m.note},
			{Name: "warnings", Usage: "USER", Description: "lists a user's warnings", Handle: m.warnings},
			{Name: "history", Usage: "USER", Description: "tells what was done about a user, and which names share an address", Handle: m.history},
			{Name: "case", Usage: "NUMBER", Description: "shows one act with its reason and its lines", Handle: m.showCase},
			{Name: "pending", Description: "lists bans and mutes that end by themselves", Handle: m.pending},
			{Name: "strike", Usage: "[mute 10m | kick | ban 1d] PHRASE", Description: "strikes everybody who just said a phrase; moderators are never hit", Handle: m.strike},
			{Name: "unstrike", Usage: "[NUMBER]", Description: "takes back all of the last strike, or of one", Handle: m.unstrike},
			{Name: "automod", Description: "tells which rules hold", Handle: m.rules},
		},
		Events: []plugins.Subscription{
			{Subject: event.SubjectChat, Handle: m.line, MaxAge: 5 * time.Minute},
			{Subject: event.SubjectUserJoin, Handle: m.joined, FromFirst: true, MaxAge: recent},
			{Subject: event.SubjectUserAliases, Handle: m.aliases, MaxAge: plugins.Never},
			{Subject: event.SubjectUserRank, Handle: m.able, MaxAge: plugins.Never},
			{Subject: event.SubjectConnection, Handle: m.able, MaxAge: plugins.Never},
			{Subject: event.AllModeration, Handle: m.byHand, MaxAge: plugins.Never},
			{Subject: event.EventSubject(Name, eventEnd), Handle: m.due, MaxAge: plugins.Never},
		},
		Outcomes: m.outcome,
		Start:    m.start,
	}
}
