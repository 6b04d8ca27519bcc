package seen

import (
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/plugins"
)

// Alias is a record of Names: a name that is counted as another one. Its ID is that of the
// Person; what each name did stays apart, so that it can be undone.
type Alias struct {
	Channel string `json:"channel"`
	From    string `json:"from" mark:"person"`
	Into    string `json:"into" mark:"person"`
}

// maxNames is the most names that are looked at, the latest seen.
const maxNames = 1000

// aliases returns the names of the channel that count as others.
func aliases(c *plugins.Context) (all []Alias, err error) {
	_, err = c.DB(Names).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, Limit: maxNames}, &all)
	return all, err
}

// resolve returns the name as which a name is counted.
func resolve(all []Alias, name string) string {
	for _, a := range all {
		if plugins.Fold(a.From) == plugins.Fold(name) {
			return a.Into
		}
	}
	return name
}

// find returns what is known of a user until now, under all names that are theirs. The error is
// RECORD_NOT_FOUND and offers a near name if nothing is.
func find(c *plugins.Context, name string) (Person, error) {
	all, err := aliases(c)
	if err != nil {
		return Person{}, err
	}
	name = resolve(all, name)
	names := []string{name}
	for _, a := range all {
		if plugins.Fold(a.Into) == plugins.Fold(name) {
			names = append(names, a.From)
		}
	}
	reel, err := reelOf(c, c.Channel())
	if err != nil {
		return Person{}, err
	}
	whole := Person{User: name}
	for i, n := range names {
		var p Person
		if err := c.DB(People).Get(key(c.Channel(), n), &p); err != nil && event.CodeOf(err) != event.RecordNotFound {
			return Person{}, err
		}
		if i == 0 && p.User != "" {
			whole.User = p.User
		}
		whole = whole.add(p.until(c.Now().UnixMilli(), reel))
	}
	if whole.First == 0 {
		return whole, unknown(c, name)
	}
	return whole, nil
}

// unknown returns the error for a name that was never here.
func unknown(c *plugins.Context, name string) error {
	var people []Person
	_, err := c.DB(People).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, OrderBy: "last DESC", Limit: maxNames}, &people)
	if err != nil {
		return err
	}
	spelled := map[string]string{}
	var names []string
	for _, p := range people {
		folded := plugins.Fold(p.User)
		spelled[folded] = p.User
		names = append(names, folded)
	}
	near := spelled[suggest.Nearest(plugins.Fold(name), names)]
	values := plugins.Values{"user": plugins.Shorten(name, 20), "near": near}
	return refuse(c, event.RecordNotFound, plugins.SettingsOf[Settings](c).Unknown, values)
}

// sameName counts a name as another, or no longer.
func sameName(c *plugins.Context) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	if len(c.Command.Args) != 2 {
		return nil, usage(c, "samename OLD NEW")
	}
	first, second := plugins.UserName(c.Command.Args[0]), plugins.UserName(c.Command.Args[1])
	if plugins.Fold(first) == "undo" {
		return partNames(c, second)
	}
	all, err := aliases(c)
	if err != nil {
		return nil, err
	}
	into := resolve(all, second)
	if plugins.Fold(first) == plugins.Fold(into) {
		return nil, refuse(c, event.InvalidInput, s.SameAlready, plugins.Values{"old": first, "new": second})
	}
	for _, a := range all {
		if plugins.Fold(a.Into) == plugins.Fold(first) {
			return nil, refuse(c, event.InvalidInput, s.SameFirst, plugins.Values{"old": a.From, "new": first, "prefix": c.Prefix()})
		}
	}
	for _, name := range []string{first, into} {
		if err := c.DB(People).Get(key(c.Channel(), name), &Person{}); event.CodeOf(err) == event.RecordNotFound {
			return nil, unknown(c, name)
		} else if err != nil {
			return nil, err
		}
	}
	if _, err := c.DB(Names).Set(key(c.Channel(), first), Alias{Channel: strings.ToLower(c.Channel()), From: first, Into: into}); err != nil {
		return nil, err
	}
	out := c.Emit(kindMerged, map[string]any{"from": first, "into": into, "by": c.Command.User, "channel": c.Channel()})
	return append(out, c.SayText(s.Joined, plugins.Values{"old": first, "new": into, "prefix": c.Prefix()})...), nil
}

func partNames(c *plugins.Context, name string) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	all, err := aliases(c)
	if err != nil {
		return nil, err
	}
	err = c.DB(Names).Delete(key(c.Channel(), name))
	if event.CodeOf(err) == event.RecordNotFound {
		return nil, refuse(c, event.RecordNotFound, s.NotSame, plugins.Values{"old": plugins.Shorten(name, 20)})
	}
	if err != nil {
		return nil, err
	}
	out := c.Emit(kindParted, map[string]any{"from": name, "into": resolve(all, name), "by": c.Command.User, "channel": c.Channel()})
	return append(out, c.SayText(s.Parted, plugins.Values{"old": name})...), nil
}
