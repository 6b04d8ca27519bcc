package trivia

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Score is a record of Scores, with the ID channel/user in lower case. It is a projection
// of the plugin's own events.
type Score struct {
	Channel string `json:"channel"`
	User    string `json:"user" mark:"person"`
	Points  int    `json:"points"`
	Correct int    `json:"correct"` // correct answers
	Games   int    `json:"games"`   // games in which they scored
	Wins    int    `json:"wins"`
}

func scoreID(channel, user string) event.ID { return event.ID(channel + "/" + strings.ToLower(user)) }

// add changes a user's score once for the event being handled.
func add(c *plugins.Context, channel, user string, change func(*Score)) error {
	var s Score
	_, err := c.DB(Scores).Change(scoreID(channel, user), &s, func() ([]event.Envelope, error) {
		s.Channel, s.User = channel, user
		change(&s)
		return nil, nil
	})
	return err
}

func (m *host) countAnswer(c *plugins.Context) ([]event.Envelope, error) {
	var a struct {
		Channel, User string
		Points        int
		Correct       bool
	}
	if err := c.Decode(&a); err != nil || !a.Correct {
		return nil, err
	}
	return nil, add(c, a.Channel, a.User, func(s *Score) {
		s.Points += a.Points
		s.Correct++
	})
}

func (m *host) countGame(c *plugins.Context) ([]event.Envelope, error) {
	var end struct {
		Channel, Winner string
		Scores          []struct{ User string }
	}
	if err := c.Decode(&end); err != nil {
		return nil, err
	}
	for _, pl := range end.Scores {
		err := add(c, end.Channel, pl.User, func(s *Score) {
			s.Games++
			if pl.User == end.Winner {
				s.Wins++
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s Score) String() string {
	return fmt.Sprintf("%s %d (%d right, %s)", s.User, s.Points, s.Correct, english.Plural(s.Wins, "win", ""))
}

func (m *host) score(c *plugins.Context) ([]event.Envelope, error) {
	user := c.Command.User
	if len(c.Command.Args) > 1 {
		user = plugins.UserName(c.Command.Args[1])
	}
	var s Score
	err := c.DB(Scores).Get(scoreID(c.Channel(), user), &s)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, event.Errorf(event.RecordNotFound, "%s has not scored yet", plugins.Shorten(user, 30))
	}
	if err != nil {
		return nil, err
	}
	better, err := c.DB(Scores).Count(map[string]any{"channel": c.Channel(), "points": map[string]any{"$gt": s.Points}})
	if err != nil {
		return nil, err
	}
	return c.Say("🏆 %d. %s, of %s", better+1, s, english.Plural(s.Games, "game", "")), nil
}

func (m *host) top(c *plugins.Context) ([]event.Envelope, error) {
	best, total, err := leaders(c, c.Channel(), 5)
	if err != nil {
		return nil, err
	}
	if total == 0 {
		return c.Say("🏆 Nobody has scored yet: begin a game with %strivia start", c.Prefix()), nil
	}
	var parts []string
	for i, s := range best {
		parts = append(parts, fmt.Sprintf("%d. %s", i+1, s))
	}
	return c.Say("🏆 %s", strings.Join(parts, ", ")), nil
}

func leaders(c *plugins.Context, channel string, n int) (best []Score, total int, err error) {
	total, err = c.DB(Scores).Find(plugins.Query{
		Filter: map[string]any{"channel": channel}, OrderBy: "points DESC, correct DESC, user", Limit: n,
	}, &best)
	return best, total, err
}

// requestScores handles plugin.trivia.request.scores.
func (m *host) requestScores(c *plugins.Context) (any, error) {
	var r struct {
		Channel string
		Limit   int
	}
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	if r.Channel == "" {
		return nil, event.Errorf(event.InvalidInput, "channel is required").With("field", "channel")
	}
	if r.Limit < 1 || r.Limit > 100 {
		r.Limit = 10
	}
	best, total, err := leaders(c, r.Channel, r.Limit)
	if best == nil {
		best = []Score{}
	}
	return map[string]any{"success": true, "scores": best, "count": total}, err
}
