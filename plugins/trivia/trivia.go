// Package trivia is the plugin trivia: games of questions that users answer in chat.
package trivia

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "trivia"

// Settings are the plugin's settings. Those of a game that is on hold from its next step.
type Settings struct {
	Questions    int           `json:"questions" default:"10" min:"1" max:"30" jsonschema:"questions of a game that is started without a number"`
	MaxQuestions int           `json:"max_questions" default:"30" min:"1" max:"30" jsonschema:"most questions of a game"`
	HintTime     time.Duration `json:"hint_time" default:"12s" min:"3s" max:"5m" jsonschema:"time before each of the two hints"`
	AnswerTime   time.Duration `json:"answer_time" default:"12s" min:"3s" max:"5m" jsonschema:"time to answer after the second hint"`
	Pause        time.Duration `json:"pause" default:"6s" min:"3s" max:"5m" jsonschema:"time between two questions"`
}

// moderator is the rank that may stop others' games.
const moderator = 2

// kindStep is the type of the timer event that advances a game.
const kindStep = "step"

// New returns the plugin with its own questions and those of further packs: .json files
// or folders of them, which are read at each start.
func New(packs ...string) plugins.Plugin {
	p := build(DefaultTiming, packs...)
	p.Settings = Settings{}
	return p
}

// build returns the plugin without settings.
func build(timing Timing, packs ...string) plugins.Plugin {
	m := &host{timing: timing, packs: packs}
	m.pool.Store(new([]Question))
	return plugins.Plugin{
		Name:         Name,
		Version:      "1.0.0",
		Description:  "Asks questions, and keeps the scores",
		Concurrent:   false, // whose answer came first decides
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM, event.CapabilityStorage, "read:chat"},
		Collections:  map[string]any{Games: game{}, Scores: Score{}},
		Emits: map[string]any{
			"game_start": about{}, "question": about{}, "answer": about{}, "game_end": about{}, kindStep: struct{}{},
		},
		Commands: []plugins.Command{{
			Name:        "trivia",
			Aliases:     []string{"quiz"},
			Usage:       "[start [10] [easy|medium|hard] [CATEGORY] | hint | skip | stop | score [USER] | top | categories]",
			Description: "plays trivia: start a game and type your answers in chat",
			Handle:      m.command,
		}},
		Events: []plugins.Subscription{
			{Subject: event.SubjectChat, Handle: m.chat, MaxAge: time.Minute},
			{Subject: event.EventSubject(Name, kindStep), Handle: m.step, MaxAge: plugins.Never},
			{Subject: event.EventSubject(Name, "answer"), Handle: m.countAnswer, MaxAge: plugins.Never},
			{Subject: event.EventSubject(Name, "game_end"), Handle: m.countGame, MaxAge: plugins.Never},
		},
		Requests: []plugins.Endpoint{
			{Action: "question", Handle: m.requestQuestion},
			{Action: "scores", Handle: m.requestScores},
		},
		Start: m.load,
	}
}

// about is what the plugin's events have of people.
type about struct {
	User   string   `json:"user" mark:"person"`
	Winner string   `json:"winner" mark:"person"`
	Scores []player `json:"scores"`
}

// host hosts the games of all channels. What it holds in memory is only a cache.
type host struct {
	timing Timing
	packs  []string

	pool atomic.Pointer[[]Question]
	idle sync.Map // of channels to the time.Time at which they were last seen without a game
}

func (m *host) load(*plugins.Context) error {
	pool, err := Load(m.packs...)
	if err == nil {
		m.pool.Store(&pool)
	}
	return err
}

// play changes a channel's game once for the event being handled, and sets the timer of
// the game's next step.
func (m *host) play(c *plugins.Context, channel string, now time.Time, change func(turn) ([]event.Envelope, error)) ([]event.Envelope, error) {
	var g game
	out, err := c.DB(Games).Change(event.ID(channel), &g, func() ([]event.Envelope, error) {
		return change(turn{&g, c, m.pace(c), now})
	})
	if err != nil {
		return nil, err
	}
	m.saw(channel, g.Running)
	// Before the timer: what the next step says is published by another consumer than this.
	if err := c.Publish(out...); err != nil || len(out) == 0 || !g.Running {
		return nil, err
	}
	return nil, c.At(time.UnixMilli(g.Wake), channel, kindStep, map[string]any{"channel": channel, "game": g.ID, "step": g.Step})
}

// pace returns the timing with the settings of the channel.
func (m *host) pace(c *plugins.Context) Timing {
	timing := m.timing
	if s := plugins.SettingsOf[Settings](c); timing == DefaultTiming {
		timing.Hint, timing.Limit, timing.Pause = s.HintTime, s.AnswerTime, s.Pause
	}
	return timing
}

// saw caches whether a channel has a game.
func (m *host) saw(channel string, running bool) {
	if running {
		m.idle.Delete(channel)
	} else {
		m.idle.Store(channel, time.Now())
	}
}

// quiet reports whether a channel is known to have no game, to spare a database read
// for each chat line.
func (m *host) quiet(channel string) bool {
	at, ok := m.idle.Load(channel)
	return ok && time.Since(at.(time.Time)) < m.timing.IdleTTL
}

// chat treats a chat line as an answer if a question is open.
func (m *host) chat(c *plugins.Context) ([]event.Envelope, error) {
	line, ok := c.Chat()
	if !ok || tooLong(line.Message) || m.quiet(line.Channel) {
		return nil, nil
	}
	out, err := m.play(c, line.Channel, c.Now(), func(t turn) ([]event.Envelope, error) {
		if !t.Running || !t.Open || c.Typed(line).UnixMilli() < t.Asked || !Matches(line.Message, t.question().Answers) {
			return nil, nil
		}
		return t.correct(line.User), nil
	})
	if event.CodeOf(err) == event.PluginError {
		return nil, nil // the game's record does not fit: commands say so
	}
	return out, err
}

// step advances a game when its timer fires. A timer of a step that was taken otherwise
// does nothing.
func (m *host) step(c *plugins.Context) ([]event.Envelope, error) {
	var due struct {
		Channel, Game string
		Step          int
	}
	if err := c.Decode(&due); err != nil {
		return nil, err
	}
	// The bot may have been down when the timer fired.
	now := c.Now().Add(c.Waited())
	return m.play(c, due.Channel, now, func(t turn) ([]event.Envelope, error) {
		if !t.Running || t.ID != due.Game || t.Step != due.Step {
			return nil, nil
		}
		return t.step(), nil
	})
}

// requestQuestion handles plugin.trivia.request.question.
func (m *host) requestQuestion(c *plugins.Context) (any, error) {
	var r struct{ Difficulty, Category string }
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	pool := *m.pool.Load()
	var want choice
	for _, word := range []string{r.Difficulty, r.Category} {
		if word == "" {
			continue
		}
		if err := want.read(word, pool); err != nil {
			return nil, err
		}
	}
	found := choose(want.of(pool), 1, nil, c.Rand())
	if len(found) == 0 {
		return nil, event.Errorf(event.RecordNotFound, "there are no %s questions of %s", cmp.Or(want.Difficulty, anyOf), want.Category)
	}
	q := found[0]
	return map[string]any{"success": true, "question": map[string]any{
		"id": q.ID, "category": q.Category, "difficulty": q.Difficulty, "question": q.Text, "answers": q.Answers, "points": Points[q.Difficulty],
	}}, nil
}
