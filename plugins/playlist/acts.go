package playlist

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// look returns the parts of the channel that commands look at.
func look(c *plugins.Context) (*plugins.State, error) {
	return c.State(plugins.Playlist, plugins.Playing, plugins.Users)
}

// skipNow returns the ask to play what comes next. It names the item, so that a film that
// ends meanwhile by itself takes no other with it.
func skipNow(c *plugins.Context, s *plugins.State) plugins.Ask {
	if coming := upcoming(s); s.Current() >= 0 && len(coming) > 0 {
		return c.Jump(coming[0].UID)
	}
	return c.Skip()
}

func skip(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	if s.Playing == nil {
		return nil, nothingPlays(c)
	}
	a := newAsked(c, "skip")
	a.Title = s.Playing.Title
	return ask(c, a, skipNow(c, s).For(a.User).Events())
}

func remove(c *plugins.Context) ([]event.Envelope, error) {
	_, i, err := item(c, c.Text(0))
	if err != nil {
		return nil, err
	}
	a := newAsked(c, "remove")
	a.Title = i.Title
	return ask(c, a, c.Delete(i.UID).For(a.User).Events())
}

// wrong handles !wrong: what the user added last goes.
func wrong(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	set := settings(c)
	a := newAsked(c, "remove")
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		if w, waits := r.withdraw(a.User); waits {
			return c.SayText(set.Withdrawn, plugins.Values{"user": a.User, "url": w.URL}), nil
		}
		for n, i := range slices.Backward(s.Playlist) {
			if w := r.wishedBy(s, i); n != s.Current() && strings.EqualFold(w.User, a.User) {
				a.Title = i.Title
				return r.ask(a, c.Delete(i.UID).For(a.User).Events()), nil
			}
		}
		return nil, c.Refuse(event.RecordNotFound, set.NothingYours, plugins.Values{"user": a.User})
	})
}

func move(c *plugins.Context) ([]event.Envelope, error) {
	words := strings.Fields(c.Text(0))
	if len(words) < 2 {
		return nil, usage(c, "move")
	}
	place := strings.ToLower(words[len(words)-1])
	what := words[:len(words)-1]
	if len(what) > 1 && strings.EqualFold(what[len(what)-1], "to") {
		what = what[:len(what)-1]
	}
	s, i, err := item(c, strings.Join(what, " "))
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(upcoming(s)), func(o view.Item) bool { return o.UID == i.UID })
	after := event.ID(event.PlaceLast)
	n, err := strconv.Atoi(strings.TrimPrefix(place, "#"))
	switch {
	case place == "last" || place == "end":
	case place == "next":
		n = 1
	case err != nil || n < 1:
		return nil, c.Refuse(event.InvalidInput, settings(c).BadPlace, plugins.Values{"text": plugins.Shorten(place, 20), "prefix": c.Prefix()})
	}
	if n == 1 {
		if after = event.PlaceFirst; s.Current() >= 0 && s.Playlist[s.Current()].UID != i.UID {
			after = event.IntID(int64(s.Playlist[s.Current()].UID))
		}
	} else if n > 1 && n <= len(others) {
		after = event.IntID(int64(others[n-2].UID))
	}
	a := newAsked(c, "move")
	a.Title = i.Title
	return ask(c, a, c.Move(i.UID, after).For(a.User).Events())
}

func shuffle(c *plugins.Context) ([]event.Envelope, error) {
	a := newAsked(c, "shuffle")
	return ask(c, a, c.Shuffle().For(a.User).Events())
}

func clearAll(c *plugins.Context) ([]event.Envelope, error) {
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	if len(s.Playlist) == 0 {
		return nil, c.Refuse(event.RecordNotFound, settings(c).Empty, nil)
	}
	a := newAsked(c, "clear")
	a.Count, a.Title = len(s.Playlist), english.Plural(len(s.Playlist), "item", "")
	return ask(c, a, c.Ask(event.SubjectSendMediaClear, event.SendBare{}).For(a.User).Events())
}

func lock(c *plugins.Context) ([]event.Envelope, error) {
	s, err := c.State(plugins.Lock)
	if err != nil {
		return nil, err
	}
	locked := s.Lock == nil || !*s.Lock
	switch arg := strings.ToLower(c.Text(0)); arg {
	case "":
	case "on":
		locked = true
	case "off":
		locked = false
	default:
		return nil, usage(c, "lock")
	}
	a := newAsked(c, map[bool]string{true: "lock", false: "unlock"}[locked])
	return ask(c, a, c.Lock(locked).For(a.User).Events())
}
