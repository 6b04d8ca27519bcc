package autoplay

import (
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
	maxTag        = 40  // bytes
)

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
	s := settings(c)
	var parts []string
	for _, p := range all {
		if len(p.Entries) > 0 {
			parts = append(parts, p.brief(c, s))
		}
	}
	return c.Tell(s.to(c), c.Render(s.Programmes, plugins.Values{"programmes": parts, "prefix": c.Prefix()})), nil
}

// changed answers what a programme is now.
func (p Programme) changed(c *plugins.Context) ([]event.Envelope, error) {
	s := settings(c)
	return c.Tell(s.to(c), c.Render(s.Changed, plugins.Values{"user": c.Command.User, "programme": p.brief(c, s)})), nil
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
	return c.Refuse(event.RecordNotFound, settings(c).NoProgramme, plugins.Values{"name": plugins.Shorten(name, 40), "near": suggest.Nearest(name, names)})
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
	s := settings(c)
	var parts []string
	for n, e := range p.Entries {
		parts = append(parts, c.Render(s.Item, plugins.Values{"number": n + 1, "url": e.URL, "played": p.Series && e.Played}))
	}
	return c.Tell(s.to(c), c.Render(s.Items, plugins.Values{"programme": p.brief(c, s), "items": parts})), nil
}

func unquote(name string) string { return strings.Trim(strings.TrimSpace(name), `"`) }

// startProgramme puts a programme on the playlist now.
func startProgramme(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, usage(c, "start")
	}
	show, err := resolve(c, unquote(c.Text(1)), c.Command.User)
	if err != nil {
		return nil, err
	}
	s := settings(c)
	out := c.Tell(s.to(c), c.Render(s.Loading, plugins.Values{"user": c.Command.User, "what": show.What, "count": len(show.Items)}))
	more, err := enqueue(c, show)
	return append(out, more...), err
}

// addEntries adds links to a programme, which is made if there is none.
func addEntries(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args[1:]
	links := len(args)
	for links > 1 { // the first is the name, which may look like the ID of a video
		if _, err := pageOf(c, args[links-1]); err != nil && links < len(args) || err != nil && !strings.Contains(args[links-1], "://") {
			break
		}
		links--
	}
	name := strings.Join(args[:links], " ")
	if name == "" || links == len(args) {
		return nil, usage(c, "add")
	}
	if n := utf8.RuneCountInString(name); n > maxName {
		return nil, c.Refuse(event.InvalidInput, settings(c).BadName, plugins.Values{"name": name, "tag": false, "most": maxName})
	}
	for _, r := range reserved {
		if plugins.Fold(name) == r {
			return nil, c.Refuse(event.InvalidInput, settings(c).BadName, plugins.Values{"name": name, "tag": false, "most": 0})
		}
	}
	var entries []Entry
	for _, link := range args[links:] {
		page, err := pageOf(c, link)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{URL: page})
	}
	if n, err := c.DB(Programmes).Count(map[string]any{"channel": c.Channel()}); err != nil || n >= maxProgrammes {
		if err == nil {
			err = full(c, "programmes", n)
		}
		return nil, err
	}
	return changeProgramme(c, name, func(p *Programme) ([]event.Envelope, error) {
		if len(p.Entries)+len(entries) > maxEntries {
			return nil, full(c, "items", maxEntries)
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
		return nil, usage(c, "rm")
	}
	name, item := unquote(strings.Join(args, " ")), 0
	if _, ok, err := findProgramme(c, name); err != nil {
		return nil, err
	} else if n, err := strconv.Atoi(args[len(args)-1]); !ok && err == nil && len(args) > 1 {
		name, item = unquote(strings.Join(args[:len(args)-1], " ")), n
	}
	return changeNamed(c, name, func(p *Programme) ([]event.Envelope, error) {
		if item == 0 {
			s := settings(c)
			removed := p.brief(c, s)
			p.Entries = nil
			return c.Tell(s.to(c), c.Render(s.Removed, plugins.Values{"user": c.Command.User, "programme": removed})), nil
		}
		if item < 1 || item > len(p.Entries) {
			return nil, c.Refuse(event.InvalidInput, settings(c).NoItem, plugins.Values{"name": p.Name, "number": item, "prefix": c.Prefix()})
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
		return nil, usage(c, "series")
	}
	return changeNamed(c, unquote(strings.Join(args[:len(args)-1], " ")), func(p *Programme) ([]event.Envelope, error) {
		p.Series = last == "on"
		return p.changed(c)
	})
}

// rewind has a series begin anew.
func rewind(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, usage(c, "rewind")
	}
	return changeNamed(c, unquote(c.Text(1)), func(p *Programme) ([]event.Envelope, error) {
		for n := range p.Entries {
			p.Entries[n].Played = false
		}
		return p.changed(c)
	})
}
