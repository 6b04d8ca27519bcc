// Package view is a channel as people see it: its parts as values, and the fold of stored
// events into them. It is pure: see package channel for what frames mean.
package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// The parts of a channel.
const (
	PartPlaylist    = "playlist"
	PartUsers       = "users"
	PartMOTD        = "motd"
	PartCSS         = "css"
	PartJS          = "js"
	PartOptions     = "options"
	PartPermissions = "permissions"
	PartEmotes      = "emotes"
	PartFilters     = "filters"
	PartBans        = "bans"
	PartRanks       = "ranks"
	PartLock        = "lock"
	PartLeader      = "leader"
	PartPoll        = "poll"
)

// changes maps each part to the subjects of the events that change it.
var changes = map[string][]string{
	PartPlaylist: {
		event.SubjectMediaQueue, event.SubjectMediaDelete, event.SubjectMediaMove, event.SubjectMediaTemp,
		event.SubjectMediaShuffle, event.SubjectMediaClear,
	},
	PartUsers: {
		event.SubjectUserJoin, event.SubjectUserLeave, event.SubjectUserRank, event.SubjectUserAFK,
		event.ModerationSubject(event.ActionMute), event.ModerationSubject(event.ActionShadowMute), event.ModerationSubject(event.ActionUnmute),
		event.ModerationSubject(event.ActionKick),
	},
	PartMOTD:        {event.SubjectMOTD},
	PartCSS:         {event.SubjectCSS},
	PartJS:          {event.SubjectJS},
	PartOptions:     {event.SubjectOptions},
	PartPermissions: {event.SubjectPermissions},
	PartEmotes:      {event.SubjectEmote},
	PartFilters:     {event.SubjectFilter},
	PartBans:        {event.ModerationSubject(event.ActionBan), event.ModerationSubject(event.ActionUnban)},
	PartRanks:       {event.SubjectUserRank, event.ModerationSubject(event.ActionRank)},
	PartLock:        {event.SubjectMediaLock},
	PartLeader:      {event.SubjectMediaLeader},
	PartPoll:        {event.SubjectPollOpen, event.SubjectPollUpdate, event.SubjectPollClose},
}

// Parts returns the names of a channel's parts, sorted.
func Parts() []string { return slices.Sorted(maps.Keys(changes)) }

// ChangesOf returns the subjects of the events that change a part. The error of an unknown
// part, INVALID_INPUT, lists the parts.
func ChangesOf(part string) ([]string, error) {
	subjects, ok := changes[part]
	if !ok {
		return nil, event.AsError(fmt.Errorf("a channel has no part %q: its parts are %s", part, strings.Join(Parts(), ", ")), event.InvalidInput)
	}
	return slices.Clone(subjects), nil
}
