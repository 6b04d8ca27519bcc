package seen

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// asked returns the user that a command names, or who typed it.
func asked(c *plugins.Context) string {
	if len(c.Command.Args) == 0 {
		return c.Command.User
	}
	return plugins.UserName(c.Command.Args[0])
}

func seen(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return nil, usage(c, "seen alice")
	}
	s, name := plugins.SettingsOf[Settings](c), asked(c)
	if plugins.Fold(name) == plugins.Fold(c.Command.User) {
		return c.SayText(s.Self, plugins.Values{"user": c.Command.User}), nil
	}
	p, err := find(c, name)
	if err != nil {
		return nil, err
	}
	if p.Bot {
		return c.SayText(s.Bot, plugins.Values{"user": p.User}), nil
	}
	values := plugins.Values{"user": p.User, "spoke": time.Duration(0), "said": ""}
	if p.SaidAt > 0 {
		values["spoke"] = max(c.Since(p.SaidAt), time.Millisecond)
		if values["said"], err = lastWords(c, p); err != nil {
			return nil, err
		}
	}
	if p.Here > 0 {
		return c.SayText(s.Here, values), nil
	}
	values["away"] = c.Since(p.Last)
	return c.SayText(s.Away, values), nil
}

// lastWords returns what somebody said last, as the stream has it, or "" if it kept that no
// longer or an operator erased it.
func lastWords(c *plugins.Context, p Person) (string, error) {
	ref, err := event.ParseRef(p.Said)
	if err != nil {
		return "", nil //nolint:nilerr // of a record that was damaged
	}
	e, err := c.Streams().Event(c, ref)
	if event.CodeOf(err) == event.RecordNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	d, err := e.Decode()
	if err != nil {
		return "", nil //nolint:nilerr // erased
	}
	line, err := event.As[event.Chat](d.Envelope)
	if err != nil || plugins.Fold(line.User) != plugins.Fold(p.User) {
		return "", nil //nolint:nilerr // erased
	}
	return plugins.Shorten(line.Message, 200), nil
}

func firstSeen(c *plugins.Context) ([]event.Envelope, error) {
	p, err := find(c, asked(c))
	if err != nil {
		return nil, err
	}
	values := plugins.Values{"user": p.User, "at": time.UnixMilli(p.First), "ago": c.Since(p.First)}
	return c.SayText(plugins.SettingsOf[Settings](c).First, values), nil
}

func stats(c *plugins.Context) ([]event.Envelope, error) {
	p, err := find(c, asked(c))
	if err != nil {
		return nil, err
	}
	return c.SayText(plugins.SettingsOf[Settings](c).Stats, plugins.Values{
		"user": p.User, "lines": p.Lines, "words": p.Words, "emotes": p.Emotes, "films": p.Films, "watched": p.Watched,
		"watching": seconds(p.Watching), "time": seconds(p.Time), "streak": p.Streak, "since": time.UnixMilli(p.First),
	}), nil
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// orders are what !top ranks by, as the fields of the records are called.
var orders = map[string]func(Person) int64{
	"lines":    func(p Person) int64 { return int64(p.Lines) },
	"words":    func(p Person) int64 { return int64(p.Words) },
	"emotes":   func(p Person) int64 { return int64(p.Emotes) },
	"films":    func(p Person) int64 { return int64(p.Films) },
	"watched":  func(p Person) int64 { return int64(p.Watched) },
	"watching": func(p Person) int64 { return p.Watching },
	"time":     func(p Person) int64 { return p.Time },
	"streak":   func(p Person) int64 { return int64(p.Streak) },
}

const (
	// shown is how many people !top names; ranked is how many it looks at, since some are
	// left out and some are one person.
	shown  = 5
	ranked = 200
)

func top(c *plugins.Context) ([]event.Envelope, error) {
	by := "lines"
	if len(c.Command.Args) > 0 {
		by = plugins.Fold(c.Command.Args[0])
	}
	value, ok := orders[by]
	if !ok {
		return nil, usage(c, "top "+english.OxfordWordSeries(slices.Sorted(maps.Keys(orders)), "or"))
	}
	people, err := ranking(c, by)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(people, func(a, b Person) int { return cmp.Compare(value(b), value(a)) })
	var rows []string
	for _, p := range people {
		n := value(p)
		if n == 0 || len(rows) == shown {
			break
		}
		shown := humanize.Comma(n)
		if by == "time" || by == "watching" {
			shown = timeparse.Short(seconds(n))
		}
		rows = append(rows, fmt.Sprintf("%d. %s %s", len(rows)+1, p.User, shown))
	}
	s := plugins.SettingsOf[Settings](c)
	if len(rows) == 0 {
		return nil, refuse(c, event.RecordNotFound, s.NoTop, plugins.Values{"by": by})
	}
	return c.SayText(s.Top, plugins.Values{"by": by, "people": rows}), nil
}

// ranking returns those with the most of something: no bots, and each person once.
func ranking(c *plugins.Context, field string) ([]Person, error) {
	all, err := aliases(c)
	if err != nil {
		return nil, err
	}
	var found []Person
	filter := map[string]any{"channel": strings.ToLower(c.Channel()), "bot": false}
	if _, err := c.DB(People).Find(plugins.Query{Filter: filter, OrderBy: field + " DESC", Limit: ranked}, &found); err != nil {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
	done := map[string]bool{}
	var people []Person
	for _, p := range found {
		name := resolve(all, p.User)
		if done[plugins.Fold(name)] || ignored(s, name) {
			continue
		}
		done[plugins.Fold(name)] = true
		if p, err = find(c, name); err != nil {
			return nil, err
		}
		if people = append(people, p); len(people) == 4*shown {
			break
		}
	}
	return people, nil
}
