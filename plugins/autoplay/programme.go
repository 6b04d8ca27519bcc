package autoplay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	maxProgrammes = 200 // of a channel
	maxEntries    = 500 // of a programme
	maxName       = 60  // characters
)

// programme handles !programme.
func programme(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	if len(args) == 0 {
		return listProgrammes(c)
	}
	handle, known := map[string]plugins.Handler{
		"list": listProgrammes, "ls": listProgrammes, "start": startProgramme, "play": startProgramme, "add": addEntries,
		"rm": removeProgramme, "remove": removeProgramme, "delete": removeProgramme, "series": makeSeries, "rewind": rewind, "show": showProgramme,
	}[plugins.Fold(args[0])]
	if known {
		return handle(c)
	}
	return tellProgramme(c, c.Text(0))
}

// reserved are names that would be taken for a subcommand.
var reserved = []string{"list", "ls", "start", "play", "add", "rm", "remove", "delete", "series", "rewind", "show"}

func listProgrammes(c *plugins.Context) ([]event.Envelope, error) {
	all, err := programmes(c, map[string]any{"channel": c.Channel()})
	if err != nil {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
	var parts []string
	for _, p := range all {
		if len(p.Entries) > 0 {
			parts = append(parts, p.brief(c, s))
		}
	}
	return answer(c, s.Programmes, plugins.Values{"programmes": parts, "prefix": c.Prefix()})
}

// changed answers what a programme is now.
func (p Programme) changed(c *plugins.Context) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	return answer(c, s.Changed, plugins.Values{"user": c.Command.User, "programme": p.brief(c, s)})
}

// brief returns a programme's name and length.
func (p Programme) brief(c *plugins.Context, s Settings) string {
	played := 0
	for _, e := range p.Entries {
		if e.Played {
			played++
		}
	}
	return c.Render(s.Programme, plugins.Values{"name": p.Name, "series": p.Series, "played": played, "count": len(p.Entries)})
}

// unknown returns the error for a programme that there is not, with one that is like it.
func unknown(c *plugins.Context, name string) error {
	all, err := programmes(c, map[string]any{"channel": c.Channel()})
	if err != nil {
		return err
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	hint := ""
	if near := suggest.Nearest(name, names); near != "" {
		hint = ": did you mean " + near + "?"
	}
	return event.Errorf(event.RecordNotFound, "there is no programme %q%s", plugins.Shorten(name, 40), hint)
}

func showProgramme(c *plugins.Context) ([]event.Envelope, error) { return tellProgramme(c, c.Text(1)) }

func tellProgramme(c *plugins.Context, name string) ([]event.Envelope, error) {
	p, ok, err := findProgramme(c, unquote(name))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknown(c, unquote(name))
	}
	var parts []string
	for n, e := range p.Entries {
		mark := ""
		if p.Series && e.Played {
			mark = " ✓"
		}
		parts = append(parts, fmt.Sprintf("%d. %s%s", n+1, e.URL, mark))
	}
	s := plugins.SettingsOf[Settings](c)
	return answer(c, s.Items, plugins.Values{"programme": p.brief(c, s), "items": parts})
}

func unquote(name string) string { return strings.Trim(strings.TrimSpace(name), `"`) }

// startProgramme puts a programme on the playlist now.
func startProgramme(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Invalidf("say which one, for example %sprogramme start Metropolis", c.Prefix())
	}
	show, err := resolve(c, unquote(c.Text(1)), c.Command.User)
	if err != nil {
		return nil, err
	}
	out, err := answer(c, plugins.SettingsOf[Settings](c).Loading, plugins.Values{"user": c.Command.User, "what": show.What, "count": len(show.Items)})
	if err != nil {
		return nil, err
	}
	more, err := enqueue(c, show)
	return append(out, more...), err
}

// addEntries adds links to a programme, which is made if there is none.
func addEntries(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args[1:]
	links := len(args)
	for links > 0 {
		if _, err := pageOf(args[links-1]); err != nil && links < len(args) || err != nil && !strings.Contains(args[links-1], "://") {
			break
		}
		links--
	}
	name := strings.Join(args[:links], " ")
	if name == "" || links == len(args) {
		return nil, event.Invalidf("say a name and links, for example %sprogramme add Metropolis https://youtu.be/… https://youtu.be/…", c.Prefix())
	}
	if n := utf8.RuneCountInString(name); n > maxName {
		return nil, event.Invalidf("a name has 1 to %d characters", maxName)
	}
	for _, r := range reserved {
		if plugins.Fold(name) == r {
			return nil, event.Invalidf("%s cannot be a name, it is a command", name)
		}
	}
	var entries []Entry
	for _, link := range args[links:] {
		page, err := pageOf(link)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{URL: page})
	}
	if n, err := c.DB(Programmes).Count(map[string]any{"channel": c.Channel()}); err != nil || n >= maxProgrammes {
		if err == nil {
			err = event.Invalidf("there are %d programmes already: remove one first", n)
		}
		return nil, err
	}
	return changeProgramme(c, name, func(p *Programme) ([]event.Envelope, error) {
		if len(p.Entries)+len(entries) > maxEntries {
			return nil, event.Invalidf("a programme has at most %d items", maxEntries)
		}
		if len(p.Entries) == 0 {
			p.Name, p.Channel, p.By, p.Series = name, c.Channel(), c.Command.User, false
		}
		p.Entries = append(p.Entries, entries...)
		return p.changed(c)
	})
}

// changeNamed changes a programme that there is.
func changeNamed(c *plugins.Context, name string, change func(*Programme) ([]event.Envelope, error)) ([]event.Envelope, error) {
	none := unknown(c, name)
	return changeProgramme(c, name, func(p *Programme) ([]event.Envelope, error) {
		if len(p.Entries) == 0 {
			return nil, none
		}
		return change(p)
	})
}

// removeProgramme removes a programme, or one item by its number.
func removeProgramme(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args[1:]
	if len(args) == 0 {
		return nil, event.Invalidf("say which one, for example %sprogramme rm Metropolis, or … rm Metropolis 2 for its second item", c.Prefix())
	}
	name, item := unquote(strings.Join(args, " ")), 0
	if _, ok, err := findProgramme(c, name); err != nil {
		return nil, err
	} else if n, err := strconv.Atoi(args[len(args)-1]); !ok && err == nil && len(args) > 1 {
		name, item = unquote(strings.Join(args[:len(args)-1], " ")), n
	}
	return changeNamed(c, name, func(p *Programme) ([]event.Envelope, error) {
		if item == 0 {
			s := plugins.SettingsOf[Settings](c)
			removed := p.brief(c, s)
			p.Entries = nil
			return answer(c, s.Removed, plugins.Values{"user": c.Command.User, "programme": removed})
		}
		if item < 1 || item > len(p.Entries) {
			return nil, event.Invalidf("%s has no item %d: see %sprogramme %s", p.Name, item, c.Prefix(), p.Name)
		}
		p.Entries = append(p.Entries[:item-1:item-1], p.Entries[item:]...)
		return p.changed(c)
	})
}

// makeSeries has a programme played by its episodes, one at a time, or as a whole.
func makeSeries(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args[1:]
	last := ""
	if len(args) > 0 {
		last = plugins.Fold(args[len(args)-1])
	}
	if len(args) < 2 || last != "on" && last != "off" {
		return nil, event.Invalidf("write %sprogramme series NAME on, or … off", c.Prefix())
	}
	return changeNamed(c, unquote(strings.Join(args[:len(args)-1], " ")), func(p *Programme) ([]event.Envelope, error) {
		p.Series = last == "on"
		return p.changed(c)
	})
}

// rewind has a series begin anew.
func rewind(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Invalidf("say which one, for example %sprogramme rewind NAME", c.Prefix())
	}
	return changeNamed(c, unquote(c.Text(1)), func(p *Programme) ([]event.Envelope, error) {
		for n := range p.Entries {
			p.Entries[n].Played = false
		}
		return p.changed(c)
	})
}
