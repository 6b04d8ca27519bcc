package trivia

import (
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

func (m *host) subcommands() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"start": m.start, "new": m.start, "stop": m.stop, "end": m.stop, "hint": m.hint, "skip": m.skip, "next": m.skip,
		"score": m.score, "scores": m.top, "top": m.top, "leaderboard": m.top, "categories": m.categories, "status": m.status,
	}
}

func (m *host) command(c *plugins.Context) ([]event.Envelope, error) {
	if c.Channel() == "" {
		return nil, event.Errorf(event.InvalidInput, "trivia is played in a channel, and the command names none")
	}
	if len(c.Command.Args) == 0 {
		return m.status(c)
	}
	word := plugins.Fold(c.Command.Args[0])
	if handle, ok := m.subcommands()[word]; ok {
		return handle(c)
	}
	return nil, event.Errorf(event.InvalidInput, "I do not know trivia %s: try %[2]strivia start, %[2]strivia top or %[2]shelp trivia", plugins.Shorten(word, 30), c.Prefix())
}

func (m *host) start(c *plugins.Context) ([]event.Envelope, error) {
	settings := plugins.SettingsOf[Settings](c)
	n := min(settings.Questions, settings.MaxQuestions)
	pool := *m.pool.Load()
	var want choice
	for _, word := range c.Command.Args[1:] {
		number, err := strconv.Atoi(plugins.Fold(word))
		if err != nil {
			if err := want.read(word, pool); err != nil {
				return nil, err
			}
			continue
		}
		if n = number; n < 1 || n > settings.MaxQuestions {
			return nil, event.Errorf(event.InvalidInput, "a game has 1 to %d questions", settings.MaxQuestions)
		}
	}
	if pool = want.of(pool); len(pool) == 0 {
		return nil, event.Errorf(event.InvalidInput, "there are no %s questions of %s", want.Difficulty, want.Category)
	}
	return m.play(c, c.Channel(), c.Now(), func(t turn) ([]event.Envelope, error) {
		if t.Running {
			return nil, event.Errorf(event.PluginError, "a game is on already: %s", t.progress())
		}
		*t.game = game{
			Running: true, ID: c.Event.Ref.String(), Channel: c.Channel(), By: c.Command.User,
			Difficulty: want.Difficulty, Category: want.Category, Seen: t.Seen, Step: t.Step,
			Questions: choose(pool, n, t.Seen, c.Rand()),
		}
		return t.begin(), nil
	})
}

// running changes a game that must be running.
func (m *host) running(c *plugins.Context, change func(turn) ([]event.Envelope, error)) ([]event.Envelope, error) {
	return m.play(c, c.Channel(), c.Now(), func(t turn) ([]event.Envelope, error) {
		if !t.Running {
			return nil, event.Errorf(event.PluginError, "no game is on: begin one with %strivia start", c.Prefix())
		}
		return change(t)
	})
}

// mayDirect returns an error unless the user started the game or is a moderator.
func (t turn) mayDirect() error {
	if t.c.Command.Rank < moderator && !strings.EqualFold(t.By, t.c.Command.User) {
		return event.Errorf(event.PermissionDenied, "%s started the game: only they and moderators can do that", t.By)
	}
	return nil
}

func (m *host) stop(c *plugins.Context) ([]event.Envelope, error) {
	return m.running(c, func(t turn) ([]event.Envelope, error) {
		if err := t.mayDirect(); err != nil {
			return nil, err
		}
		return t.end(Stopped), nil
	})
}

func (m *host) skip(c *plugins.Context) ([]event.Envelope, error) {
	return m.running(c, func(t turn) ([]event.Envelope, error) {
		if err := t.mayDirect(); err != nil {
			return nil, err
		}
		if !t.Open {
			return nil, event.Errorf(event.PluginError, "no question is open: the next one comes in a moment")
		}
		return t.giveUp("⏭️ Skipped. It was %s."), nil
	})
}

func (m *host) hint(c *plugins.Context) ([]event.Envelope, error) {
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

func (m *host) status(c *plugins.Context) ([]event.Envelope, error) {
	var g game
	err := c.DB(Games).Get(event.ID(c.Channel()), &g)
	switch {
	case event.CodeOf(err) == event.RecordNotFound, err == nil && !g.Running:
		return c.Say("🧠 No game is on: begin one with %strivia start", c.Prefix()), nil
	case err != nil:
		return nil, err
	case !g.Open:
		return c.Say("🧠 %s", g.progress()), nil
	}
	return c.Say("❓ %d/%d %s", g.Number, len(g.Questions), g.question().Text), nil
}

func (m *host) categories(c *plugins.Context) ([]event.Envelope, error) {
	pool := *m.pool.Load()
	var parts []string
	for _, name := range categories(pool) {
		parts = append(parts, name+" "+strconv.Itoa(len(choice{Category: name}.of(pool))))
	}
	return c.Say("🧠 %s: %s", english.Plural(len(pool), "question", ""), strings.Join(parts, ", ")), nil
}
