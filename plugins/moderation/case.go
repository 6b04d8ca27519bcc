package moderation

import (
	"maps"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
)

// Kinds of Case, beside those of automod.Step.
const (
	kindWarn   = "warn"
	kindNote   = "note"
	kindKick   = event.ActionKick
	kindBan    = event.ActionBan
	kindMute   = event.ActionMute
	kindUnban  = event.ActionUnban
	kindUnmute = event.ActionUnmute
	kindStrike = "strike" // of which others are part
)

// Values of Case.Status.
const (
	asked   = "asked"   // of the channel
	active  = "active"  // a ban or mute that holds
	waiting = "waiting" // for a user who is to be muted and is not here
	done    = "done"
	refused = "refused"
	over    = "over" // a ban or mute that held
)

// Case is one act: what was done to whom, by whom, why, and because of which lines.
type Case struct {
	ID      event.ID `json:"id"`
	Channel string   `json:"channel"`
	Kind    string   `json:"kind"`
	User    string   `json:"user" mark:"person"`
	Key     string   `json:"key" mark:"person"`          // User in lower case
	By      string   `json:"by,omitempty" mark:"person"` // empty of automod
	Reason  string   `json:"reason,omitempty" mark:"text"`
	Rule    string   `json:"rule,omitempty"` // of automod
	Lines   []string `json:"lines,omitempty"`
	Made    int64    `json:"made"` // ms

	Status  string   `json:"status"`
	Length  float64  `json:"length,omitempty"` // seconds of a ban or mute, 0 without end
	Until   int64    `json:"until,omitempty"`  // ms
	Ended   int64    `json:"ended,omitempty"`  // ms
	EndedBy string   `json:"ended_by,omitempty" mark:"person"`
	Problem string   `json:"problem,omitempty" mark:"text"`
	Tries   int      `json:"tries,omitempty"` // to end it
	Next    int64    `json:"next,omitempty"`  // ms, of the next try
	Strike  event.ID `json:"strike,omitempty"`

	Correlation string `json:"correlation"` // of the events of the act
	Set         string `json:"set"`         // STREAM:SEQ of the event because of which it was made
	Private     bool   `json:"private,omitempty"`
}

func key(name string) string { return strings.ToLower(name) }

func (cs Case) length() time.Duration { return time.Duration(cs.Length * float64(time.Second)) }

func (cs Case) until() time.Time { return time.UnixMilli(cs.Until) }

// open stores a new case.
func open(c *plugins.Context, cs Case) (Case, error) {
	cs.Channel, cs.Key, cs.Made = key(c.Channel()), key(cs.User), c.Now().UnixMilli()
	cs.Correlation, cs.Set, cs.Private = c.Event.CorrelationID, c.Event.Ref.String(), c.Command.Private
	id, err := c.DB(Cases).Add(cs)
	cs.ID = id
	return cs, err
}

// casesOf returns the cases that a filter selects, the newest first.
func casesOf(c *plugins.Context, filter map[string]any, limit int) (all []Case, total int, err error) {
	filter["channel"] = key(c.Channel())
	total, err = c.DB(Cases).Find(plugins.Query{Filter: filter, OrderBy: "made DESC", Limit: limit}, &all)
	return all, total, err
}

// holding returns the bans or mutes of a user that hold, or wait for the user.
func holding(c *plugins.Context, kind, user string) ([]Case, error) {
	all, _, err := casesOf(c, map[string]any{"kind": kind, "key": key(user), "status": map[string]any{"$in": []string{active, waiting}}}, 10)
	return all, err
}

// request returns the send that asks the channel for what a case is about. fields tell its
// outcome from those of other sends for the case.
func (cs Case) request(c *plugins.Context, kind string, fields map[string]any) []event.Envelope {
	payload := map[string]any{"user": cs.User, "channel": c.Channel(), "case": cs.ID}
	maps.Copy(payload, fields)
	if kind == kindKick || kind == kindBan {
		payload["reason"] = cs.shown(c)
	}
	a := c.Ask("cytube.send.moderation."+kind, payload)
	if cs.By != "" {
		a = a.For(cs.By)
	}
	return a.Events()
}

// shown is the reason that the server shows, with what other moderators want to know of it.
func (cs Case) shown(c *plugins.Context) string {
	return strings.TrimSpace(c.Render(settings(c).TextReason, plugins.Values{
		"user": cs.User, "reason": cs.Reason, "by": cs.By, "length": cs.length(), "until": time.UnixMilli(cs.Made).Add(cs.length()), "case": string(cs.ID),
	}))
}

// Types of the plugin's events, and their payloads.
const (
	eventAct    = "act"
	eventOver   = "over"
	eventHit    = "hit"
	eventRaid   = "raid"
	eventAlias  = "alias"
	eventEnd    = "end" // the timer of a case
	eventFailed = "failed"
)

type (
	act struct {
		Case    event.ID `json:"case"`
		Kind    string   `json:"kind"`
		User    string   `json:"user" mark:"person"`
		By      string   `json:"by" mark:"person"`
		Reason  string   `json:"reason" mark:"text"`
		Rule    string   `json:"rule"`
		Lines   []string `json:"lines"`
		Until   int64    `json:"until"`
		Status  string   `json:"status"`
		Channel string   `json:"channel"`
	}
	failed struct {
		act
		Problem string `json:"problem" mark:"text"`
	}
	end struct {
		Case    event.ID `json:"case"`
		Channel string   `json:"channel"`
	}
)

func (cs Case) payload() map[string]any {
	lines := cs.Lines
	if lines == nil {
		lines = []string{}
	}
	return map[string]any{
		"case": cs.ID, "kind": cs.Kind, "user": cs.User, "by": cs.By, "reason": cs.Reason, "rule": cs.Rule, "lines": lines,
		"until": cs.Until, "status": cs.Status, "channel": cs.Channel,
	}
}

// evidence returns where the last lines of a user are stored, for the case that is made of them.
func evidence(c *plugins.Context, user string) (refs []string, err error) {
	const most = 5
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{event.SubjectChat}, Channel: c.Channel(), User: user, Since: c.Now().Add(-10 * time.Minute), Until: c.Now(),
	}}
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return nil, err
		}
		refs = append(refs, e.Ref.String())
	}
	return refs[max(len(refs)-most, 0):], nil
}
