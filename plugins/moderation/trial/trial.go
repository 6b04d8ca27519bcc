// Package trial tells whom the rules of package automod would have hit in the past, and what
// moderators did then. It changes nothing.
package trial

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/moderation"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A hit is right if a moderator acted against its user from before until after that.
const (
	before = time.Minute
	after  = 15 * time.Minute
)

// Options say which rules are tried on what.
type Options struct {
	Rules        *automod.Rules
	Channel      string
	Since, Until time.Time
	Why          plugins.Text          // by which Hit.Why is said
	Progress     func(replay.Progress) // if set, is called every now and then
}

// Hit is a line that breaks a rule.
type Hit struct {
	User  string    `json:"user"`
	At    time.Time `json:"at"`
	Rule  string    `json:"rule"`
	Why   string    `json:"why"`
	Step  string    `json:"step"` // what automod would have done
	Lines []string  `json:"lines"`
	Text  string    `json:"text"`
	// Acted says what a moderator did against the user around that time, such as kick by mona.
	// A hit without is a false alarm.
	Acted string `json:"acted"`
}

// Act is what a moderator did.
type Act struct {
	Event  string    `json:"event"` // STREAM:SEQ
	User   string    `json:"user"`
	By     string    `json:"by"`
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Hit    bool      `json:"hit"` // a rule hit the user around that time
}

// Report is what a trial found.
type Report struct {
	Channel string
	Lines   int // that were judged: of people, and below the exempt rank
	Users   int // who said them
	Hits    []Hit
	Acts    []Act
}

// trial is a trial while it reads.
type trial struct {
	Options
	Report
	judge automod.Judge
	view  past.Moment
	known *automod.Vocabulary    // nil after a change
	first map[string]time.Time   // visits, where a rule asks for them
	users map[string]bool        // who spoke
	broke map[string][]time.Time // rules, by user
	own   map[string]bool        // correlation IDs of what automod did
}

// Run tries rules on the past of a channel.
func Run(ctx context.Context, js jetstream.JetStream, o Options) (Report, error) {
	t := &trial{
		Options: o, Report: Report{Channel: o.Channel},
		first: map[string]time.Time{}, users: map[string]bool{}, broke: map[string][]time.Time{}, own: map[string]bool{},
	}
	var err error
	if t.view, err = past.At(ctx, js, o.Channel, o.Since); err != nil {
		return t.Report, err
	}
	if err := t.visits(ctx, js); err != nil {
		return t.Report, err
	}
	hit, act := event.EventSubject(moderation.Name, "hit"), event.EventSubject(moderation.Name, "act")
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{
			event.SubjectChat, event.SubjectUserJoin, event.SubjectUserLeave, event.SubjectEmote, event.SubjectState, event.AllModeration, hit, act,
		},
		Channel: o.Channel, Since: o.Since, Until: o.Until,
	}, Progress: o.Progress}
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return t.Report, err
		}
		s, err := e.Decode()
		if err != nil {
			continue // malformed
		}
		switch {
		case s.Subject == event.SubjectChat:
			t.line(s)
		case s.Subject == hit:
			t.own[s.CorrelationID] = true
		case s.Subject == act:
			t.warning(s)
		case event.Match(event.AllModeration, s.Subject):
			t.moderated(s)
		default:
			t.changed(s)
		}
	}
	t.Users = len(t.users)
	t.compare()
	return t.Report, nil
}

// visits finds the first visits of users, where a rule asks for them.
func (t *trial) visits(ctx context.Context, js jetstream.JetStream) error {
	if t.Rules.NewFor == 0 && t.Rules.RaidJoins == 0 {
		return nil
	}
	q := replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectUserJoin}, Channel: t.Options.Channel, Until: t.Until}}
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return err
		}
		s, err := e.Decode()
		if err != nil {
			continue
		}
		if j, err := event.As[event.UserJoin](s.Envelope); err == nil && t.first[strings.ToLower(j.User)].IsZero() {
			t.first[strings.ToLower(j.User)] = s.At
		}
	}
	return nil
}

func (t *trial) line(s streams.Stored) {
	l, err := event.As[event.Chat](s.Envelope)
	_, own := s.Causation()
	if err != nil || own || s.Metadata[event.MetaBackfill] == true || l.Rank >= t.Rules.ExemptRank {
		return
	}
	user := strings.ToLower(l.User)
	t.Lines++
	t.users[user] = true
	v := t.judge.Judge(t.Rules, automod.Line{Ref: s.Ref, At: s.At, User: l.User, Rank: l.Rank, Text: l.Message, First: t.first[user]}, t.vocabulary)
	if v.Rule == "" {
		return
	}
	step := v.Step
	if step == nil {
		from := s.At.Add(-t.Rules.StepsTime)
		t.broke[user] = append(slices.DeleteFunc(t.broke[user], func(at time.Time) bool { return at.Before(from) }), s.At)
		next := t.Rules.Step(len(t.broke[user]))
		step = &next
	}
	h := Hit{User: l.User, At: s.At, Rule: v.Rule, Why: moderation.Why(t.Options.Why, v), Step: step.String(), Text: l.Message}
	for _, ref := range v.Lines {
		h.Lines = append(h.Lines, ref.String())
	}
	t.Hits = append(t.Hits, h)
}

func (t *trial) vocabulary() automod.Vocabulary {
	if t.known == nil {
		known := moderation.VocabularyOf(t.view.View)
		t.known = &known
	}
	return *t.known
}

// changed takes an event that changes who is here, or the emotes.
func (t *trial) changed(s streams.Stored) {
	t.view.Apply(s.Envelope, s.Ref)
	t.known = nil
	if j, err := event.As[event.UserJoin](s.Envelope); err == nil && s.Subject == event.SubjectUserJoin && t.first[strings.ToLower(j.User)].Equal(s.At) {
		t.judge.Join(t.Rules, s.At)
	}
}

// moderated takes what a moderator did, unless it was automod.
func (t *trial) moderated(s streams.Stored) {
	m, err := event.As[event.Moderation](s.Envelope)
	kind := s.Subject[strings.LastIndexByte(s.Subject, '.')+1:]
	acts := []string{event.ActionKick, event.ActionBan, event.ActionMute, event.ActionShadowMute}
	switch {
	case err != nil, m.User == "", !slices.Contains(acts, kind), t.own[s.CorrelationID]:
		return
	case kind == event.ActionBan && m.Extra["id"] != nil, m.By == "" && strings.Contains(m.Reason, "banned"):
		return // a reason that was learnt later, or one who was banned before and came back
	}
	t.Acts = append(t.Acts, Act{Event: s.Ref.String(), User: m.User, By: m.By, Kind: kind, At: s.At, Reason: m.Reason})
}

// warning takes a warning of a moderator's.
func (t *trial) warning(s streams.Stored) {
	var a struct{ Kind, User, By, Reason string }
	if json.Unmarshal(s.Data, &a) == nil && a.Kind == automod.Warn && a.By != "" {
		t.Acts = append(t.Acts, Act{Event: s.Ref.String(), User: a.User, By: a.By, Kind: a.Kind, At: s.At, Reason: a.Reason})
	}
}

// compare tells hits that moderators agree with from false alarms.
func (t *trial) compare() {
	acts := map[string][]int{}
	for i, a := range t.Acts {
		acts[strings.ToLower(a.User)] = append(acts[strings.ToLower(a.User)], i)
	}
	for i := range t.Hits {
		h := &t.Hits[i]
		for _, n := range acts[strings.ToLower(h.User)] {
			a := &t.Acts[n]
			if a.At.Before(h.At.Add(-before)) || a.At.After(h.At.Add(after)) {
				continue
			}
			if a.Hit = true; h.Acted == "" {
				h.Acted = strings.TrimSuffix(a.Kind+" by "+a.By, " by ")
			}
		}
	}
}
