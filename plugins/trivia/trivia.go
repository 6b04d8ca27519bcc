// Package trivia is the plugin trivia: rounds of questions that are answered in
// chat.
package trivia

import (
	"cmp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "trivia"

// How many questions a game has.
const (
	DefaultQuestions = 10
	MaxQuestions     = 30
)

// moderator is the rank that may stop what others started.
const moderator = 2

// kindStep is the plugin's own event that moves a game on.
const kindStep = "step"

// New is the plugin, with the questions that come with it and those of further
// packs: .json files or folders of them, which are read again at each start.
func New(packs ...string) plugins.Plugin { return build(Usual, packs...) }

func build(timing Timing, packs ...string) plugins.Plugin {
	m := &master{timing: timing, packs: packs, idle: map[string]time.Time{}}
	return plugins.Plugin{
		Name:        Name,
		Version:     "1.0.0",
		Description: "Asks questions, and keeps the scores",
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

// master is the master of the games in all channels. What it holds itself is
// only what can be found out again.
type master struct {
	timing Timing
	packs  []string

	mu   sync.Mutex
	pool []Question
	idle map[string]time.Time // when it was seen that a channel has no game
}

func (m *master) load(*plugins.Context) error {
	pool, err := Load(m.packs...)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pool = pool
	return nil
}

func (m *master) questions() []Question {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pool
}

func (m *master) subcommands() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"start": m.start, "new": m.start, "stop": m.stop, "end": m.stop, "hint": m.hint, "skip": m.skip, "next": m.skip,
		"score": m.score, "scores": m.top, "top": m.top, "leaderboard": m.top, "categories": m.categories, "status": m.status,
	}
}

func (m *master) command(c *plugins.Context) ([]event.Envelope, error) {
	if c.Channel() == "" {
		return nil, event.Errorf(event.InvalidInput, "trivia is played in a channel, and the command names none")
	}
	if len(c.Command.Args) == 0 {
		return m.status(c)
	}
	word := strings.ToLower(c.Command.Args[0])
	if handle, ok := m.subcommands()[word]; ok {
		return handle(c)
	}
	return nil, event.Errorf(event.InvalidInput, "I do not know trivia %s: try %[2]strivia start, %[2]strivia top or %[2]shelp trivia", plugins.Shorten(word, 30), c.Prefix())
}

// play changes the game of a channel once for the event being handled, and sets
// the timer of its next step when that moved.
func (m *master) play(c *plugins.Context, channel string, now time.Time, change func(turn) ([]event.Envelope, error)) ([]event.Envelope, error) {
	var g game
	out, err := c.DB(Games).Change(event.ID(channel), &g, func() ([]event.Envelope, error) {
		return change(turn{&g, c, m.timing, now})
	})
	if err != nil {
		return nil, err
	}
	m.saw(channel, g.Running)
	if len(out) == 0 || !g.Running {
		return out, nil
	}
	return out, c.At(time.UnixMilli(g.Wake), channel, kindStep, map[string]any{"channel": channel, "game": g.ID, "step": g.Step})
}

// saw notes whether a channel has a game.
func (m *master) saw(channel string, running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if running {
		delete(m.idle, channel)
	} else {
		m.idle[channel] = time.Now()
	}
}

// quiet reports whether it is known that a channel has no game, so that not
// every line of chat need be looked up.
func (m *master) quiet(channel string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.idle[channel]) < m.timing.Recheck
}

func (m *master) start(c *plugins.Context) ([]event.Envelope, error) {
	n := DefaultQuestions
	pool := m.questions()
	var want choice
	for _, word := range c.Command.Args[1:] {
		number, err := strconv.Atoi(word)
		if err != nil {
			if err := want.read(word, pool); err != nil {
				return nil, err
			}
			continue
		}
		if n = number; n < 1 || n > MaxQuestions {
			return nil, event.Errorf(event.InvalidInput, "a game has 1 to %d questions", MaxQuestions)
		}
	}
	if pool = want.of(pool); len(pool) == 0 {
		return nil, event.Errorf(event.InvalidInput, "there are no %s questions of %s", want.Difficulty, want.Category)
	}
	return m.play(c, c.Channel(), c.Now(), func(t turn) ([]event.Envelope, error) {
		if t.Running {
			return nil, event.Errorf(event.PluginError, "a game is on already, at question %d of %d", t.Number, len(t.Questions))
		}
		*t.game = game{
			Running: true, ID: c.Event.Ref.String(), Channel: c.Channel(), By: c.Command.User,
			Difficulty: want.Difficulty, Category: want.Category, Seen: t.Seen, Step: t.Step,
			Questions: choose(pool, n, t.Seen, c.Rand()),
		}
		return t.begin(), nil
	})
}

// running makes a change of what only a running game has.
func (m *master) running(c *plugins.Context, change func(turn) ([]event.Envelope, error)) ([]event.Envelope, error) {
	return m.play(c, c.Channel(), c.Now(), func(t turn) ([]event.Envelope, error) {
		if !t.Running {
			return nil, event.Errorf(event.PluginError, "no game is on: begin one with %strivia start", c.Prefix())
		}
		return change(t)
	})
}

// mayDirect refuses those who neither started the game nor are moderators.
func (t turn) mayDirect() error {
	if t.c.Command.Rank < moderator && !strings.EqualFold(t.By, t.c.Command.User) {
		return event.Errorf(event.PermissionDenied, "%s started the game: only they and moderators can do that", t.By)
	}
	return nil
}

func (m *master) stop(c *plugins.Context) ([]event.Envelope, error) {
	return m.running(c, func(t turn) ([]event.Envelope, error) {
		if err := t.mayDirect(); err != nil {
			return nil, err
		}
		return t.end(Stopped), nil
	})
}

func (m *master) skip(c *plugins.Context) ([]event.Envelope, error) {
	return m.running(c, func(t turn) ([]event.Envelope, error) {
		if err := t.mayDirect(); err != nil {
			return nil, err
		}
		if !t.Open {
			return nil, event.Errorf(event.PluginError, "no question is open: the next one comes in a moment")
		}
		return t.skip(), nil
	})
}

func (m *master) hint(c *plugins.Context) ([]event.Envelope, error) {
	return m.running(c, func(t turn) ([]event.Envelope, error) {
		switch {
		case !t.Open:
			return nil, event.Errorf(event.PluginError, "no question is open: the next one comes in a moment")
		case t.Hints == hints:
			return nil, event.Errorf(event.PluginError, "you have had every hint")
		}
		return t.hint(), nil
	})
}

func (m *master) status(c *plugins.Context) ([]event.Envelope, error) {
	var g game
	err := c.DB(Games).Get(event.ID(c.Channel()), &g)
	switch {
	case event.CodeOf(err) == event.RecordNotFound, err == nil && !g.Running:
		return c.Say("🧠 No game is on: begin one with %strivia start", c.Prefix()), nil
	case err != nil:
		return nil, err
	case !g.Open:
		return c.Say("🧠 Question %d of %d comes in a moment", min(g.Number+1, len(g.Questions)), len(g.Questions)), nil
	}
	return c.Say("❓ %d/%d %s", g.Number, len(g.Questions), g.question().Text), nil
}

func (m *master) categories(c *plugins.Context) ([]event.Envelope, error) {
	pool := m.questions()
	var parts []string
	for _, name := range categories(pool) {
		parts = append(parts, name+" "+strconv.Itoa(len(choice{Category: name}.of(pool))))
	}
	return c.Say("🧠 %s: %s", english.Plural(len(pool), "question", ""), strings.Join(parts, ", ")), nil
}

// chat takes a line of chat as an answer, if a question is open.
func (m *master) chat(c *plugins.Context) ([]event.Envelope, error) {
	line, ok := c.Chat()
	if !ok || len(line.Message) > maxLine || m.quiet(line.Channel) {
		return nil, nil
	}
	return m.play(c, line.Channel, c.Now(), func(t turn) ([]event.Envelope, error) {
		if !t.Running || !t.Open || t.now.UnixMilli() < t.Asked || !Matches(line.Message, t.question().Answers) {
			return nil, nil
		}
		return t.correct(line.User), nil
	})
}

// step moves a game on when its time has come. A timer of a step that something
// else brought about before does nothing.
func (m *master) step(c *plugins.Context) ([]event.Envelope, error) {
	var due struct {
		Channel, Game string
		Step          int
	}
	if err := c.Decode(&due); err != nil {
		return nil, err
	}
	// The bot may have been down when the time came.
	now := c.Now().Add(c.Waited())
	return m.play(c, due.Channel, now, func(t turn) ([]event.Envelope, error) {
		if !t.Running || t.ID != due.Game || t.Step != due.Step {
			return nil, nil
		}
		return t.step(), nil
	})
}

// requestQuestion answers plugin.trivia.request.question.
func (m *master) requestQuestion(c *plugins.Context) (any, error) {
	var r struct{ Difficulty, Category string }
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	pool := m.questions()
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
