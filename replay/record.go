package replay

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/rawjson"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// Values of Record.Problem. A cytube.delivery has its status instead.
const (
	problemMalformed = "malformed"
	problemDead      = "dead letter"
	problemExpired   = "expired"
	problemDenied    = "denied"
)

// A Record is an event in words: who did what.
type Record struct {
	streams.Stored
	Event   Event
	Actor   string // a user, a plugin or a part of the bot
	Text    string // what happened, in a few words; not safe for a terminal
	Plugin  string // the plugin that the event belongs to, if any
	Problem string // what went wrong, if the event reports that
	Attempt int    // which attempt to handle its cause published it, from 1
	Err     error  // why it is malformed
}

type description struct{ pattern, actor, text, problem string }

// descriptions name the field with the actor of an event and give a text with fields
// in braces; see dataFields.format. Without an actor
// the event's source acts; without a text the data stands for itself. The first
// pattern that matches counts.
var descriptions = slices.Concat(sendDescriptions, []description{
	{event.SubjectChat, "user", "{message}", ""},
	{event.SubjectPM, "user", "to {to}: {message}", ""},
	{event.SubjectUserJoin, "user", "joins, rank {rank}", ""},
	{event.SubjectUserLeave, "user", "leaves", ""},
	{event.SubjectUserRank, "user", "has rank {rank} now", ""},
	{event.SubjectMediaChange, "queued_by", "plays: {title} ({duration:s}) {url}", ""},
	{event.SubjectMediaQueue, "queued_by", "queues: {title} ({duration:s}) {url}", ""},
	{event.SubjectMediaDelete, "queued_by", "off the playlist: {title} {url}", ""},
	{event.SubjectMediaMove, "", "an item is moved: {title} {url}", ""},
	{event.SubjectMediaTemp, "", "an item {temp?leaves the playlist when it was played|stays on the playlist}: {title} {url}", ""},
	{event.SubjectMediaShuffle, "channel", "the playlist is shuffled", ""},
	{event.SubjectMediaClear, "channel", "the playlist is cleared of {count} items", ""},
	{event.SubjectMediaLock, "channel", "the playlist is {locked?locked|open to all}", ""},
	{event.SubjectMediaLeader, "user", "{user?leads the players|nobody leads the players any more}", ""},
	{event.SubjectMediaStop, "channel", "nothing plays after {title} {url}", ""},
	{event.SubjectMediaVote, "channel", "{count} of {need} votes to skip{passed?, which is enough|}", ""},
	{event.SubjectPollOpen, "by", "opens the poll {title}: {options:list}", ""},
	{event.SubjectPollUpdate, "by", "has the poll {title}, which stands at {results}", ""},
	{event.SubjectPollClose, "by", "had the poll {title}, which ends with {results}", ""},
	{event.SubjectUserAFK, "user", "{afk?is away|is back}", ""},
	{event.SubjectMOTD, "channel", "another message of the day is set", ""},
	{event.SubjectCSS, "channel", "another style sheet is set", ""},
	{event.SubjectJS, "channel", "another script is set", ""},
	{event.SubjectOptions, "channel", "options are changed: {changed:changes}", ""},
	{event.SubjectPermissions, "channel", "permissions are changed: {changed:changes}", ""},
	{event.SubjectEmote, "channel", "emote {name} is {action:past} {was:was}", ""},
	{event.SubjectFilter, "channel", "chat filter {name} is {action:past} {was:was}", ""},
	{event.SubjectAnnouncement, "by", "announces: {title}: {text}", ""},
	{event.SubjectDrinks, "channel", "{count} drinks", ""},
	{event.SubjectMediaPosition, "channel", "what plays is {kind:past} {position:s}", ""},
	{event.SubjectUserCount, "channel", "{count} are there", ""},
	{event.SubjectUserAliases, "user", "is also known as {aliases:list}", ""},
	{event.SubjectBans, "channel", "the list of bans has {values:count} entries", ""},
	{event.SubjectRanks, "channel", "the list of ranks has {values:count} entries", ""},
	{event.SubjectState, "channel", "{part} as found, page {page} of {pages}", ""},
	{event.SubjectUnknown, "channel", "frame {name} of {bytes} bytes, which the bot does not know", ""},
	{event.ModerationSubject(event.ActionKick), "by", "kicks {user} {reason}", ""},
	{event.ModerationSubject(event.ActionBan), "by", "bans {user} {reason}", ""},
	{event.ModerationSubject(event.ActionUnban), "by", "lifts the ban of {user}", ""},
	{event.ModerationSubject(event.ActionMute), "by", "mutes {user}", ""},
	{event.ModerationSubject(event.ActionShadowMute), "by", "mutes {user} in secret", ""},
	{event.ModerationSubject(event.ActionUnmute), "by", "lifts the mute of {user}", ""},
	{event.ModerationSubject(event.ActionRank), "by", "gives {user} rank {rank}", ""},
	{event.ModerationSubject(event.ActionClear), "by", "clears the chat", ""},
	{event.SubjectConnection, "channel", "{state}: {reason}", ""},
	{event.SubjectDelivery, "channel", "{send} is {status} {reason}", "{status}"},
	{event.SubjectErasure, "", "erased: {reason}", ""},
	{event.SubjectSendChat, "", "says: {message}", ""},
	{event.SubjectSendPM, "", "tells {to}: {message}", ""},
	{event.SubjectSendEmote, "", "/me {emote}", ""},
	{event.AllCommands, "user", "{raw_message}", ""},
	{event.EventSubject("*", event.TypeDeadLetter), "consumer", "gives up on {subject} {stream}:{seq} after {attempts} attempts: {error}", problemDead},
	{event.EventSubject("*", event.TypeExpired), "consumer", "{subject} {stream}:{seq} was {age:s} old, limit {max_age:s}", problemExpired},
	{event.EventSubject("*", event.TypeDenied), "user", "{error}", problemDenied},
	{event.SubjectStartup, "", "starts, version {version}, plugins {plugins:list}", ""},
	{event.SubjectShutdown, "", "stops: {reason}", ""},
	{event.SubjectClock, "", "the machine's clock was set {direction} by {by:s}", ""},
	{event.SubjectOperation, "operator", "{action} {target}", ""},
	{event.SubjectSettings, "by", "sets {key} of {plugin} in {channel:in} to {new:value}; it was {old:value} {reason}", ""},
	{event.SubjectGrant, "by", "{action}s {right} {user?to|} {user} in {channel:in} {until:until} {rights:list} {reason}", ""},
	{event.SubjectHeartbeat, "", "up for {uptime:s}, {plugins_active} plugins", ""},
})

// descriptionOf returns a subject's description, or the zero value.
func descriptionOf(subject string) description {
	for _, d := range descriptions {
		if d.pattern == subject || strings.Contains(d.pattern, "*") && event.Match(d.pattern, subject) {
			return d
		}
	}
	return description{}
}

// Describe returns an event in words. A malformed one keeps what can be read.
func Describe(e Event) Record {
	r, d := classify(e)
	data := fieldsOf(r.Data)
	r.Actor, r.Text = publisher(r.Meta(event.MetaSource)), string(r.Data)
	if d.pattern != "" {
		if actor := data.format(d.actor); actor != "" {
			r.Actor = actor
		}
		r.Text = data.expand(d.text)
	}
	if e.Subject == event.ModerationSubject(event.ActionBan) && data["id"] != "" { // no second ban
		r.Text = data.expand("banned {user}: {reason}")
	}
	if data["for"] != "" && event.Match(event.AllSends, e.Subject) {
		r.Text += " for " + data["for"]
	}
	if r.Err != nil && r.Data == nil {
		r.Text = string(e.Body)
	}
	return r
}

// classify is Describe without the words, for counting.
func classify(e Event) (Record, description) {
	r := Record{Event: e, Attempt: 1}
	r.Stored, r.Err = e.Decode()
	r.Plugin = event.PluginOf(e.Subject)
	if name, ok := strings.CutPrefix(r.Meta(event.MetaSource), "plugin-"); ok && r.Plugin == "" {
		r.Plugin = name
	}
	if n, ok := r.Metadata[event.MetaAttempt].(json.Number); ok {
		if attempt, err := strconv.Atoi(n.String()); err == nil && attempt > 1 {
			r.Attempt = attempt
		}
	}
	d := descriptionOf(e.Subject)
	switch {
	case r.Err != nil:
		r.Problem = problemMalformed
	case d.problem != "":
		r.Problem = fieldsOf(r.Data).expand(d.problem)
	}
	if r.Problem == event.DeliveryDone || r.Problem == event.DeliveryAlready {
		r.Problem = ""
	}
	return r, d
}

// Notes returns what else a person should know about the event.
func (r *Record) Notes() []string {
	var notes []string
	if r.Problem != "" && r.Problem != problemMalformed {
		notes = append(notes, r.Problem)
	}
	if r.Err != nil {
		notes = append(notes, problemMalformed+": "+r.Err.Error())
	}
	if r.Event.ClockStep != 0 {
		notes = append(notes, "the clock was set back by "+terminal.FormatDuration(-r.Event.ClockStep)+" before this")
	}
	if claimed := r.Meta(event.MetaClaimedSource); claimed != "" {
		notes = append(notes, "claims to be "+claimed)
	}
	if r.Attempt > 1 {
		notes = append(notes, "attempt "+strconv.Itoa(r.Attempt))
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

// dataFields are a payload's fields as text.
type dataFields map[string]string

func fieldsOf(data []byte) dataFields {
	f := dataFields{}
	if !rawjson.IsObject(data) {
		return f
	}
	for name, value := range members(data) {
		text := unquote(value)
		if text == nil {
			text = value
		}
		f[string(name)] = string(text)
		if string(name) == "details" {
			if user := member(value, "user"); user != "" {
				f["user"] = user
			}
		}
	}
	if f["counts"] != "" {
		f["results"] = f.results()
	}
	return f
}

// expand replaces {field} in a text. A field without a value takes the space before it away.
func (f dataFields) expand(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		if !found {
			return b.String() + before
		}
		name, after, _ := strings.Cut(rest, "}")
		value := f.format(name)
		if value == "" {
			before = strings.TrimSuffix(before, " ")
		}
		b.WriteString(before + value)
		text = after
	}
}

// storedLayout is RFC 3339 with all nanoseconds, so that lines sort as text.
const storedLayout = "2006-01-02T15:04:05.000000000Z07:00"

// JSON returns an event as one line: its envelope with stream, seq and
// stored_at added. A malformed event also has malformed, the reason, and, when
// no envelope could be read, its body as text in body or body_base64.
func (e Event) JSON() ([]byte, error) {
	stored, malformed := e.Decode()
	added := map[string]any{"stream": e.Ref.Stream, "seq": e.Ref.Seq, "stored_at": e.At.UTC().Format(storedLayout)}
	if e.ClockStep != 0 {
		added["clock_step"] = e.ClockStep.Seconds()
	}
	if malformed != nil {
		added["malformed"] = malformed.Error()
	}
	if stored.Data == nil {
		added["subject"], added["data"], added["correlation_id"] = e.Subject, nil, stored.CorrelationID
		if utf8.Valid(e.Body) {
			added["body"] = string(e.Body)
		} else {
			added["body_base64"] = e.Body
		}
		return json.Marshal(added)
	}
	extra := make(event.Extra, len(stored.Extra)+len(added))
	maps.Copy(extra, stored.Extra)
	for name, v := range added {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		extra[name] = raw
	}
	stored.Extra = extra
	line, err := stored.Envelope.MarshalJSON()
	if err != nil || bytes.IndexByte(line, '\n') < 0 {
		return line, err
	}
	// Somebody published a body laid out for people.
	var one bytes.Buffer
	err = json.Compact(&one, line)
	return one.Bytes(), err
}

// jsonTime is a time in output: RFC 3339 in UTC, or null.
type jsonTime time.Time

func (t jsonTime) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format(storedLayout))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// encode is json.Marshal without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
