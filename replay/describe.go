package replay

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// Problems that a record can tell of.
const (
	problemMalformed = "malformed"
	problemDead      = "dead letter"
	problemExpired   = "expired"
	problemDenied    = "denied"
)

// A record is an event made ready to be shown.
type record struct {
	streams.Stored
	event   Event
	who     string // who did it: a user, a plugin or a part of the bot
	what    string // what happened, in a few words
	plugin  string // whose event it is, if a plugin's
	problem string // what went wrong, if it tells of that
	attempt int    // which attempt at its cause made it, from 1
	err     error  // why it is malformed
}

type description struct{ pattern, who, what, problem string }

// descriptions say who an event is about, as the name of a field, and what
// happened, as a text with fields in braces; {age:s} is a number of seconds as
// a duration. Without a who it is the event's source; without a text it is the
// data itself. The first pattern that matches counts.
var descriptions = []description{
	{event.SubjectChat, "user", "{message}", ""},
	{event.SubjectPM, "user", "to {to}: {message}", ""},
	{event.SubjectUserJoin, "user", "joins, rank {rank}", ""},
	{event.SubjectUserLeave, "user", "leaves", ""},
	{event.SubjectUserRank, "user", "has rank {rank} now", ""},
	{event.SubjectMediaChange, "queued_by", "plays: {title} ({duration:s}) {url}", ""},
	{event.SubjectMediaQueue, "queued_by", "queues: {title} ({duration:s}) {url}", ""},
	{event.SubjectMediaDelete, "queued_by", "off the playlist: {title} {url}", ""},
	{event.ModerationSubject(event.ActionKick), "by", "kicks {user} {reason}", ""},
	{event.ModerationSubject(event.ActionBan), "by", "bans {user} {reason}", ""},
	{event.ModerationSubject(event.ActionUnban), "by", "lifts the ban of {user}", ""},
	{event.ModerationSubject(event.ActionMute), "by", "mutes {user}", ""},
	{event.ModerationSubject(event.ActionShadowMute), "by", "mutes {user} in secret", ""},
	{event.ModerationSubject(event.ActionUnmute), "by", "lifts the mute of {user}", ""},
	{event.ModerationSubject(event.ActionRank), "by", "gives {user} rank {rank}", ""},
	{event.ModerationSubject(event.ActionClear), "by", "clears the chat", ""},
	{event.SubjectConnection, "channel", "{state}: {reason}", ""},
	{event.SubjectDelivery, "channel", "{send} was not heard: {status}, {reason}", "{status}"},
	{event.SubjectErasure, "", "erased: {reason}", ""},
	{event.SubjectSendChat, "", "says: {message}", ""},
	{event.SubjectSendPM, "", "tells {to}: {message}", ""},
	{event.SubjectSendEmote, "", "/me {emote}", ""},
	{event.AllCommands, "user", "{raw_message}", ""},
	{event.EventSubject("*", event.TypeDeadLetter), "consumer", "gives up on {subject} {stream}:{seq} after {attempts} attempts: {error}", problemDead},
	{event.EventSubject("*", event.TypeExpired), "consumer", "{subject} {stream}:{seq} was {age:s} old, limit {max_age:s}", problemExpired},
	{event.EventSubject("*", event.TypeDenied), "user", "{error}", problemDenied},
	{event.SubjectStartup, "", "starts, version {version}, plugins {plugins}", ""},
	{event.SubjectShutdown, "", "stops: {reason}", ""},
	{event.SubjectHeartbeat, "", "up for {uptime:s}, {plugins_active} plugins", ""},
}

// describe is a subject's description, or the zero value.
func describe(subject string) description {
	for _, d := range descriptions {
		if d.pattern == subject || strings.Contains(d.pattern, "*") && event.Match(d.pattern, subject) {
			return d
		}
	}
	return description{}
}

// look reads an event for showing it. A malformed one keeps what can be read.
func look(e Event) record {
	r, d := classify(e)
	facts := factsOf(r.Data)
	r.who, r.what = publisher(r.Meta(event.MetaSource)), facts.data
	if d.pattern != "" {
		if who := facts.value(d.who); who != "" {
			r.who = who
		}
		r.what = facts.fill(d.what)
	}
	if r.err != nil && r.Data == nil {
		r.what = string(e.Body)
	}
	return r
}

// classify is look for who only wants to know what kind of event it is.
func classify(e Event) (record, description) {
	r := record{event: e, attempt: 1}
	r.Stored, r.err = e.Decode()
	r.plugin = event.PluginOf(e.Subject)
	if name, ok := strings.CutPrefix(r.Meta(event.MetaSource), "plugin-"); ok && r.plugin == "" {
		r.plugin = name
	}
	if n, ok := r.Metadata[event.MetaAttempt].(json.Number); ok {
		if attempt, err := strconv.Atoi(n.String()); err == nil && attempt > 1 {
			r.attempt = attempt
		}
	}
	d := describe(e.Subject)
	switch {
	case r.err != nil:
		r.problem = problemMalformed
	case d.problem != "":
		r.problem = factsOf(r.Data).fill(d.problem)
	}
	return r, d
}

// notes are what else is to be said of the event, for people.
func (r *record) notes() []string {
	var notes []string
	if r.problem != "" && r.problem != problemMalformed {
		notes = append(notes, r.problem)
	}
	if r.err != nil {
		notes = append(notes, problemMalformed+": "+r.err.Error())
	}
	if r.attempt > 1 {
		notes = append(notes, "attempt "+strconv.Itoa(r.attempt))
	}
	for _, key := range []string{event.MetaBackfill, event.MetaBuffered} {
		if r.Metadata[key] == true {
			notes = append(notes, key)
		}
	}
	if part, ok := r.Metadata[event.MetaPart].(json.Number); ok {
		notes = append(notes, "part "+part.String())
	}
	return notes
}

// facts are a payload's fields as text.
type facts struct {
	fields map[string]string
	data   string
}

func factsOf(data []byte) facts {
	f := facts{fields: map[string]string{}, data: string(data)}
	members(data, func(name, value []byte) {
		text := unquote(value)
		if text == nil {
			text = value
		}
		f.fields[string(name)] = string(text)
		if string(name) == "details" {
			members(value, func(name, value []byte) {
				if string(name) == "user" {
					f.fields["user"] = string(unquote(value))
				}
			})
		}
	})
	return f
}

func (f facts) value(name string) string {
	name, format, _ := strings.Cut(name, ":")
	v := f.fields[name]
	if format == "s" {
		if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds >= 0 && seconds < 1e9 {
			return terminal.FormatDuration(time.Duration(seconds * float64(time.Second)))
		}
	}
	return v
}

// fill puts fields into a text.
func (f facts) fill(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(f.value(name))
		text = after
	}
}
