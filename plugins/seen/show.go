package seen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// ago returns how long before now something was.
func ago(c *plugins.Context, ms int64) string {
	if c.Now().UnixMilli()-ms < time.Second.Milliseconds() {
		return "just now"
	}
	return humanize.RelTime(time.UnixMilli(ms), c.Now(), "ago", "from now")
}

// asked returns the user that a command names, or who typed it.
func asked(c *plugins.Context) string {
	if len(c.Command.Args) == 0 {
		return c.Command.User
	}
	return plugins.UserName(c.Command.Args[0])
}

func seen(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return nil, event.Errorf(event.InvalidInput, "say who, for example %sseen alice", c.Prefix())
	}
	name := asked(c)
	if plugins.Fold(name) == plugins.Fold(c.Command.User) {
		return c.Say("👀 You are right here, %s", c.Command.User), nil
	}
	p, err := find(c, name)
	if err != nil {
		return nil, err
	}
	if p.Bot {
		return c.Say("👀 That is me"), nil
	}
	words := ""
	if p.SaidAt > 0 {
		if words, err = lastWords(c, p); err != nil {
			return nil, err
		}
	}
	if p.Here > 0 {
		return c.Say("👀 %s is here%s", p.User, words), nil
	}
	return c.Say("👀 %s was last here %s%s", p.User, ago(c, p.Last), words), nil
}

// lastWords tells what somebody said last. The stream has the words, unless it kept them no
// longer or an operator erased them.
func lastWords(c *plugins.Context, p Person) (string, error) {
	when := "; said something " + ago(c, p.SaidAt)
	ref, err := event.ParseRef(p.Said)
	if err != nil {
		return when, nil
	}
	e, err := c.Streams().Event(c, ref)
	if event.CodeOf(err) == event.RecordNotFound {
		return when, nil
	}
	if err != nil {
		return "", err
	}
	d, err := e.Decode()
	if err != nil {
		return when, nil
	}
	line, err := event.As[event.Chat](d.Envelope)
	if err != nil || plugins.Fold(line.User) != plugins.Fold(p.User) {
		return when, nil
	}
	return fmt.Sprintf("; said %s: %s", ago(c, p.SaidAt), plugins.Shorten(line.Message, 200)), nil
}

func firstSeen(c *plugins.Context) ([]event.Envelope, error) {
	p, err := find(c, asked(c))
	if err != nil {
		return nil, err
	}
	return c.Say("🌱 %s was here first on %s UTC, %s", p.User, time.UnixMilli(p.First).UTC().Format("2 Jan 2006 15:04"), ago(c, p.First)), nil
}

func stats(c *plugins.Context) ([]event.Envelope, error) {
	p, err := find(c, asked(c))
	if err != nil {
		return nil, err
	}
	return c.Say("📊 %s: %s, %s, %s, %s played, %s here, %s in a row at most; since %s", p.User,
		plural(p.Lines, "line"), plural(p.Words, "word"), plural(p.Emotes, "emote"), plural(p.Films, "film"),
		span(p.seconds(c.Now())), plural(p.Streak, "day"), time.UnixMilli(p.First).UTC().Format("2 Jan 2006")), nil
}

func plural(n int, what string) string {
	return humanize.Comma(int64(n)) + " " + english.PluralWord(n, what, "")
}

// orders are what !top ranks by.
var orders = []struct {
	name, unit string
	value      func(Person, time.Time) int64
}{
	{"lines", "lines", func(p Person, _ time.Time) int64 { return int64(p.Lines) }},
	{"words", "words", func(p Person, _ time.Time) int64 { return int64(p.Words) }},
	{"emotes", "emotes", func(p Person, _ time.Time) int64 { return int64(p.Emotes) }},
	{"films", "films played", func(p Person, _ time.Time) int64 { return int64(p.Films) }},
	{"time", "time here", func(p Person, now time.Time) int64 { return p.seconds(now) }},
	{"streak", "days in a row", func(p Person, _ time.Time) int64 { return int64(p.Streak) }},
}

const (
	// shown is how many people !top names; ranked is how many it looks at, since some are
	// left out and some are one person.
	shown  = 5
	ranked = 200
)

func top(c *plugins.Context) ([]event.Envelope, error) {
	by := orders[0]
	if len(c.Command.Args) > 0 {
		i := slices.IndexFunc(orders, func(o struct {
			name, unit string
			value      func(Person, time.Time) int64
		}) bool {
			return o.name == plugins.Fold(c.Command.Args[0])
		})
		if i < 0 {
			return nil, event.Errorf(event.InvalidInput, "I rank by lines, words, emotes, films, time or streak, for example %stop words", c.Prefix())
		}
		by = orders[i]
	}
	people, err := ranking(c, by.name)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	slices.SortStableFunc(people, func(a, b Person) int { return cmp.Compare(by.value(b, now), by.value(a, now)) })
	var parts []string
	for _, p := range people {
		n := by.value(p, now)
		if n == 0 || len(parts) == shown {
			break
		}
		value := humanize.Comma(n)
		if by.name == "time" {
			value = span(n)
		}
		parts = append(parts, fmt.Sprintf("%d. %s %s", len(parts)+1, p.User, value))
	}
	if len(parts) == 0 {
		return nil, event.Errorf(event.RecordNotFound, "nobody has any %s yet", by.unit)
	}
	return c.Say("🏅 %s: %s", by.unit, strings.Join(parts, ", ")), nil
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
