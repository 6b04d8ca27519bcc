package playlist

import (
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/plugins"
)

// list is a record: a playlist that was saved. Its ID is channel/name, folded.
type list struct {
	Channel string  `json:"channel"`
	Name    string  `json:"name" mark:"text"`
	By      string  `json:"by" mark:"person"`
	At      int64   `json:"at"` // ms
	Items   []saved `json:"items"`
}

const (
	maxListName = 40  // characters
	maxList     = 500 // items
)

func listID(channel, name string) event.ID {
	return event.ID(strings.ToLower(channel) + "/" + plugins.Fold(name))
}

func lists(c *plugins.Context) ([]event.Envelope, error) {
	name := strings.TrimSpace(c.Text(1))
	what := ""
	if len(c.Command.Args) > 0 {
		what = strings.ToLower(c.Command.Args[0])
	}
	if what == "" || what == "list" {
		return namesOf(c)
	}
	if name == "" || len([]rune(name)) > maxListName {
		return nil, c.Refuse(event.InvalidInput, settings(c).ListName, plugins.Values{"most": maxListName, "prefix": c.Prefix(), "what": what})
	}
	switch what {
	case "save":
		return saveList(c, name)
	case "load":
		return loadList(c, name)
	case "rm", "remove", "delete":
		return removeList(c, name)
	}
	return nil, usage(c, "playlists")
}

func all(c *plugins.Context) (lists []list, names []string, err error) {
	_, err = c.DB(Lists).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, OrderBy: "name", Limit: 100}, &lists)
	lists = slices.DeleteFunc(lists, func(l list) bool { return len(l.Items) == 0 }) // removed
	for _, l := range lists {
		names = append(names, l.Name)
	}
	return lists, names, err
}

func namesOf(c *plugins.Context) ([]event.Envelope, error) {
	lists, _, err := all(c)
	if err != nil {
		return nil, err
	}
	var said []string
	for _, l := range lists {
		said = append(said, c.Render(settings(c).List, plugins.Values{"name": l.Name, "count": len(l.Items)}))
	}
	return c.SayText(settings(c).Lists, plugins.Values{"lists": said, "prefix": c.Prefix()}), nil
}

// saveList saves the playlist. What the server would not take again is left out, and said.
func saveList(c *plugins.Context, name string) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	var items []saved
	lost := 0
	for _, i := range s.Playlist {
		l, err := restore.LinkOf(i)
		if err != nil {
			lost++
			continue
		}
		items = append(items, saved{i.URL, l.Type, l.ID, i.Title, i.Duration})
	}
	switch {
	case len(items) == 0:
		return nil, c.Refuse(event.RecordNotFound, settings(c).NotSaved, plugins.Values{"count": 0, "most": maxList})
	case len(items) > maxList:
		return nil, c.Refuse(event.InvalidInput, settings(c).NotSaved, plugins.Values{"count": len(items), "most": maxList})
	}
	var old list
	return c.DB(Lists).Change(listID(c.Channel(), name), &old, func() ([]event.Envelope, error) {
		values := plugins.Values{"name": name, "count": len(items), "replaced": len(old.Items), "lost": lost}
		old = list{strings.ToLower(c.Channel()), name, c.Command.User, c.Now().UnixMilli(), items}
		return c.SayText(settings(c).Saved, values), nil
	})
}

func getList(c *plugins.Context, name string) (l list, err error) {
	err = c.DB(Lists).Get(listID(c.Channel(), name), &l)
	if event.CodeOf(err) == event.RecordNotFound || err == nil && len(l.Items) == 0 {
		_, names, err := all(c)
		if err != nil {
			return l, err
		}
		folded := map[string]string{}
		for _, n := range names {
			folded[plugins.Fold(n)] = n
		}
		near := folded[suggest.Nearest(plugins.Fold(name), slices.Sorted(maps.Keys(folded)))]
		return l, c.Refuse(event.RecordNotFound, settings(c).NoList, plugins.Values{"name": short(name), "near": near})
	}
	return l, err
}

func loadList(c *plugins.Context, name string) ([]event.Envelope, error) {
	l, err := getList(c, name)
	if err != nil {
		return nil, err
	}
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	here := map[string]bool{}
	for _, i := range s.Playlist {
		here[i.Type+" "+i.URL] = true
	}
	j := job{Title: c.Render(settings(c).Loading, plugins.Values{"name": l.Name})}
	for _, i := range l.Items {
		if !here[i.Type+" "+i.URL] && i.link().Check() == nil {
			j.Queue = append(j.Queue, i)
		}
	}
	if j.Total = len(j.Queue); j.Total == 0 {
		return nil, c.Refuse(event.RecordNotFound, settings(c).AllThere, plugins.Values{"name": l.Name})
	}
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		if err := r.busy(c); err != nil {
			return nil, err
		}
		return r.start(c, j)
	})
}

func removeList(c *plugins.Context, name string) ([]event.Envelope, error) {
	if _, err := getList(c, name); err != nil {
		return nil, err
	}
	var l list
	return c.DB(Lists).Change(listID(c.Channel(), name), &l, func() ([]event.Envelope, error) {
		values := plugins.Values{"name": l.Name, "count": len(l.Items)}
		l.Items = nil
		return c.SayText(settings(c).Unsaved, values), nil
	})
}
