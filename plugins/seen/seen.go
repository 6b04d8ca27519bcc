// Package seen is the plugin seen: who was here when, what they said and how much, and
// messages for people who are away. It counts from the first event that is stored.
package seen

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "seen"

// The collections: what is known of people, messages for them, names that are one
// person's, and how much a channel has played.
const (
	People = "seen_people"
	Boxes  = "seen_messages"
	Names  = "seen_names"
	Reels  = "seen_reels"
)

// The types of the plugin's events.
const (
	kindMerged  = "names_merged"
	kindParted  = "names_parted"
	kindExpired = "message_due"
)

// Settings are the plugin's settings.
type Settings struct {
	Ignore       []string      `json:"ignore" default:"" jsonschema:"other bots, which are neither counted nor shown"`
	Achievements bool          `json:"achievements" default:"false" jsonschema:"whether a round number of lines or days in a row is said"`
	Expire       time.Duration `json:"expire" default:"720h" min:"1m" max:"2000h" jsonschema:"how long a message waits for its user"`
	MaxTo        int           `json:"max_to" default:"5" min:"1" max:"20" jsonschema:"most messages that wait for one user"`
	MaxFrom      int           `json:"max_from" default:"5" min:"1" max:"50" jsonschema:"most messages of one user that wait"`
	InChat       int           `json:"in_chat" default:"2" min:"0" max:"5" jsonschema:"most messages that are delivered in chat at a time; the others come privately"`
	Said         time.Duration `json:"said" default:"720h" min:"1h" max:"8760h" jsonschema:"how far back !said looks"`

	Texts
}

// payloads of the plugin's events.
type (
	namesChanged struct {
		From    string `json:"from" mark:"person"`
		Into    string `json:"into" mark:"person"`
		By      string `json:"by" mark:"person"`
		Channel string `json:"channel"`
	}
	messageDue struct {
		User    string `json:"user" mark:"person"`
		Channel string `json:"channel"`
	}
)

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         Name,
		Version:      "1.0.0",
		Description:  "Knows who was here when and how much they said, and keeps messages for them",
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM, event.CapabilityPublic, event.CapabilityStorage},
		Collections:  map[string]any{People: Person{}, Boxes: Box{}, Names: Alias{}, Reels: Reel{}},
		Projection:   plugins.Projection{Version: 2, Collections: []string{People, Reels}}, // 2 has what was watched
		Emits:        map[string]any{kindMerged: namesChanged{}, kindParted: namesChanged{}, kindExpired: messageDue{}},
		Settings:     Settings{},
		Commands: []plugins.Command{
			{Name: "seen", Usage: "USER", Description: "says when somebody was last here, and what they said", Handle: seen},
			{Name: "firstseen", Usage: "[USER]", Description: "says when somebody was here first", Handle: firstSeen},
			{Name: "stats", Usage: "[USER]", Description: "counts what somebody said, queued and watched, and how long they were here", Handle: stats},
			{Name: "top", Usage: "[lines | words | emotes | films | watched | watching | time | streak]", Description: "ranks people", Handle: top},
			{Name: "said", Usage: "[@USER] WORDS", Description: "finds the last line with these words", Handle: said},
			{Name: "tell", Usage: "USER TEXT", Description: "delivers a message when somebody is back; privately if you send it so", Handle: tell},
			{Name: "tells", Description: "lists your messages that wait", Handle: tells},
			{Name: "untell", Usage: "NUMBER", Description: "takes a message back", Handle: untell},
			{Name: "samename", Usage: "OLD NEW | undo OLD", Description: "counts two names as one person, or no longer", MinRank: 3, Handle: sameName},
		},
		Events: []plugins.Subscription{
			{Subject: event.SubjectChat, FromFirst: true, Handle: countLine},
			{Subject: event.SubjectUserJoin, FromFirst: true, Handle: countJoin},
			{Subject: event.SubjectUserLeave, FromFirst: true, Handle: countLeave},
			{Subject: event.SubjectMediaChange, FromFirst: true, Handle: countFilm},
			{Subject: event.SubjectMediaStop, FromFirst: true, Handle: filmStopped},
			{Subject: event.SubjectChat, Handle: deliverOnLine},
			{Subject: event.SubjectUserJoin, Handle: deliverOnJoin},
			{Subject: event.EventSubject(Name, kindExpired), Handle: expire, MaxAge: plugins.Never},
		},
	}
}
