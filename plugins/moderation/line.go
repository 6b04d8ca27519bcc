package moderation

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/replay"
)

// watching guards what is kept in memory of the channels. All of it can be read from the
// stream again.
type watching struct{ mu sync.Mutex }

// watched is a channel of which the lines are judged.
type watched struct {
	judge automod.Judge
	rules *automod.Rules
	seq   uint64 // of the last line that was judged
}

// hits is a record of when a user broke rules.
type hits struct {
	User    string  `json:"user" mark:"person"`
	Channel string  `json:"channel"`
	Times   []int64 `json:"times"` // ms
}

type (
	hit struct {
		User    string   `json:"user" mark:"person"`
		Rule    string   `json:"rule"`
		Why     string   `json:"why" mark:"text"`
		Lines   []string `json:"lines"`
		Step    string   `json:"step"`
		Acted   bool     `json:"acted"`
		Channel string   `json:"channel"`
	}
	raid struct {
		Until   int64  `json:"until"`
		Channel string `json:"channel"`
	}
)

// line judges a line of chat by the channel's rules, and acts upon the verdict.
func (m *moderation) line(c *plugins.Context) ([]event.Envelope, error) {
	s := settings(c)
	l, ok := c.Chat()
	if !ok || s.Automod == Off || l.Rank >= s.ExemptRank {
		return nil, nil
	}
	v, rules, err := m.judge(c, s, l)
	if err != nil || v.Rule == "" {
		return nil, err
	}
	st, err := c.State(plugins.Users)
	if err != nil {
		return nil, err
	}
	if key(l.User) == key(st.BotName) {
		return nil, nil
	}
	step, err := stepOf(c, s, rules, l.User, v)
	if err != nil {
		return nil, err
	}
	below := l.Rank < st.Bot().Rank // a rule holds for those whom the bot may moderate
	acts := s.Automod == On && (below || step.Kind == automod.Warn)
	lines := make([]string, len(v.Lines))
	for i, ref := range v.Lines {
		lines[i] = ref.String()
	}
	why := c.Render(s.TextWhy, valuesOf(v))
	out := c.Emit(eventHit, map[string]any{
		"user": l.User, "rule": v.Rule, "why": why, "lines": lines, "step": step.String(), "acted": acts, "channel": key(l.Channel),
	})
	if !acts {
		return out, nil
	}
	cs := Case{
		Kind: step.Kind, User: l.User, Rule: v.Rule, Reason: broke(c, s, v, why), Lines: lines, Status: asked, Length: step.For.Seconds(),
	}
	if step.Kind == automod.Warn {
		cs.Status = done
	}
	if cs, err = open(c, cs); err != nil {
		return nil, err
	}
	if step.Kind != automod.Warn {
		return append(out, cs.request(c, step.Kind, nil)...), nil
	}
	more, err := m.warned(c, cs)
	return append(out, more...), err
}

// broke returns the reason of what is done upon a verdict.
func broke(c *plugins.Context, s Settings, v automod.Verdict, why string) string {
	values := valuesOf(v)
	values["why"] = why
	return c.Render(s.TextBroke, values)
}

// valuesOf returns what the texts of a verdict may use.
func valuesOf(v automod.Verdict) plugins.Values {
	return plugins.Values{"rule": v.Rule, "n": v.Count, "within": v.Within, "letters": v.Letters, "what": v.What}
}

// Why returns why a line breaks a rule, in a few words, by the text text_why.
func Why(t plugins.Text, v automod.Verdict) string {
	why, err := t.Format(valuesOf(v), rand.New(rand.NewPCG(0, 0)))
	if err != nil {
		return v.What
	}
	return why
}

// stepOf counts a breach, and returns what is done upon it. A redelivery counts none.
func stepOf(c *plugins.Context, s Settings, rules *automod.Rules, user string, v automod.Verdict) (automod.Step, error) {
	if v.Step != nil {
		return *v.Step, nil
	}
	now, from := c.Now().UnixMilli(), c.Now().Add(-s.StepsTime).UnixMilli()
	var h hits
	if _, err := c.DB(Hits).Change(personID(c.Channel(), user), &h, func() ([]event.Envelope, error) {
		h.User, h.Channel = user, key(c.Channel())
		h.Times = append(slices.DeleteFunc(h.Times, func(t int64) bool { return t < from }), now)
		return nil, nil
	}); err != nil {
		return automod.Step{}, err
	}
	n := 0
	for _, t := range h.Times {
		if t >= from && t <= now {
			n++
		}
	}
	return rules.Step(n), nil
}

// judge returns the verdict on a line, and the rules by which it was judged.
func (m *moderation) judge(c *plugins.Context, s Settings, l event.Chat) (automod.Verdict, *automod.Rules, error) {
	first, err := m.firstVisit(c, s, l.User)
	if err != nil {
		return automod.Verdict{}, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.watched(c, s)
	if w.rules == nil {
		return automod.Verdict{}, nil, nil
	}
	if c.Event.Ref.Seq <= w.seq || w.seq == 0 {
		if err := m.remember(c, w); err != nil {
			return automod.Verdict{}, nil, err
		}
	}
	w.seq = c.Event.Ref.Seq
	var failed error
	v := w.judge.Judge(w.rules, lineOf(c.Event.Ref, c.Now(), l, first), func() (known automod.Vocabulary) {
		known, failed = vocabulary(c)
		return known
	})
	return v, w.rules, failed
}

func lineOf(ref event.Ref, at time.Time, l event.Chat, first time.Time) automod.Line {
	return automod.Line{Ref: ref, At: at, User: l.User, Rank: l.Rank, Text: l.Message, First: first}
}

// watched returns what is kept of the event's channel, with rules that are nil where the
// settings are not valid, as those of a later release.
func (m *moderation) watched(c *plugins.Context, s Settings) *watched {
	name := key(c.Channel())
	w := m.channels[name]
	if w == nil {
		w = &watched{}
		m.channels[name] = w
	}
	if w.rules == nil || !reflect.DeepEqual(w.rules.Config, s.Config) {
		rules, err := automod.Compile(s.Config)
		if err != nil {
			c.Log.WarnContext(c, "automod rules not valid, lines not judged", "channel", name, "error", event.Personal(err.Error()))
		}
		w.rules = rules
	}
	return w
}

// remember has the judge see the lines and first visits before the event that still count, as
// after a restart, so that its verdict is the same whenever it is asked.
func (m *moderation) remember(c *plugins.Context, w *watched) error {
	w.judge = automod.Judge{}
	r := w.rules
	if r.RaidJoins > 0 {
		var came []Person
		if _, err := c.DB(People).Find(plugins.Query{
			Filter:  map[string]any{"channel": key(c.Channel()), "first": map[string]any{"$gte": c.Now().Add(-r.RaidFor - r.RaidTime).UnixMilli()}},
			OrderBy: "first", Limit: 1000,
		}, &came); err != nil {
			return err
		}
		for _, p := range came {
			w.judge.Join(r, time.UnixMilli(p.First))
		}
	}
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{event.SubjectChat}, Channel: c.Channel(), Since: c.Now().Add(-max(r.FloodTime, r.RepeatTime)), Until: c.Now(),
	}}
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return err
		}
		if e.Ref.Seq >= c.Event.Ref.Seq {
			continue
		}
		d, err := e.Decode()
		if err != nil {
			continue
		}
		if l, err := event.As[event.Chat](d.Envelope); err == nil && d.Metadata[event.MetaBackfill] != true {
			w.judge.Judge(r, lineOf(e.Ref, d.At, l, time.Time{}), nil)
		}
	}
	return nil
}

// firstVisit returns when a user was here first, where a rule asks for it.
func (m *moderation) firstVisit(c *plugins.Context, s Settings, user string) (time.Time, error) {
	if s.NewFor == 0 && s.RaidJoins == 0 {
		return time.Time{}, nil
	}
	var p Person
	err := c.DB(People).Get(personID(c.Channel(), user), &p)
	if event.CodeOf(err) == event.RecordNotFound || err == nil && p.First == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(p.First), err
}

// vocabulary returns the channel's emotes, and who is there.
func vocabulary(c *plugins.Context) (automod.Vocabulary, error) {
	st, err := c.State(plugins.Users, view.PartEmotes)
	if err != nil {
		return automod.Vocabulary{}, err
	}
	return VocabularyOf(&st.View), nil
}

// VocabularyOf returns the emotes of a channel, and who is there.
func VocabularyOf(v *view.View) automod.Vocabulary {
	known := automod.Vocabulary{Emotes: map[string]bool{}, Names: map[string]bool{}}
	for _, e := range v.Emotes {
		known.Emotes[e.Name()] = true
	}
	for _, u := range v.Users {
		known.Names[strings.ToLower(u.Name)] = true
	}
	return known
}

// arrived takes a first visit, which may begin a raid.
func (m *moderation) arrived(c *plugins.Context, j event.UserJoin, first bool) ([]event.Envelope, error) {
	s := settings(c)
	if !first || s.Automod == Off || s.RaidJoins == 0 {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.watched(c, s)
	if w.rules == nil || !w.judge.Join(w.rules, c.Now()) {
		return nil, nil
	}
	until := w.judge.Raid(c.Now())
	out := c.Emit(eventRaid, map[string]any{"until": until.UnixMilli(), "channel": key(j.Channel)})
	if s.Automod == On && s.Announce {
		out = append(c.SayText(s.TextRaid, plugins.Values{
			"joins": s.RaidJoins, "within": s.RaidTime, "until": until, "step": strings.ReplaceAll(s.RaidStep, ":", " "),
		}), out...)
	}
	return out, nil
}

func (m *moderation) rules(c *plugins.Context) ([]event.Envelope, error) {
	s := settings(c)
	var parts []string
	add := func(on bool, kind string, n int, within time.Duration) {
		if on {
			parts = append(parts, c.Render(s.TextRule, plugins.Values{"kind": kind, "n": n, "within": within, "letters": s.CapsLetters}))
		}
	}
	add(s.FloodLines > 0, "flood", s.FloodLines, s.FloodTime)
	add(s.Repeat > 0, "repeat", s.Repeat, s.RepeatTime)
	add(s.Caps > 0, "caps", s.Caps, 0)
	add(s.Links == "deny", "links", len(s.AllowHosts), 0)
	add(len(s.DenyHosts) > 0, "hosts", len(s.DenyHosts), 0)
	add(len(s.DenyWords) > 0, "words", len(s.DenyWords), 0)
	add(s.NewFor > 0 && s.NewLinks == "deny", "new", 0, s.NewFor)
	add(s.RaidJoins > 0, "raid", s.RaidJoins, s.RaidTime)
	add(s.RaidRepeat > 0, "raid_repeat", s.RaidRepeat, s.RepeatTime)
	return c.SayText(s.TextAutomod, plugins.Values{"state": s.Automod, "rules": parts, "steps": s.Steps, "rank": s.ExemptRank}), nil
}
