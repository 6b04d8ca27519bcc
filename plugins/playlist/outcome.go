package playlist

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// done returns what is said when what a command asked for was done.
func (set Settings) done(c *plugins.Context, a *asked) string {
	texts := map[string]plugins.Text{
		"skip": set.Skipped, "voteskip": set.VotedOff, "remove": set.Removed, "move": set.Moved, "shuffle": set.Shuffled, "clear": set.Cleared, "lock": set.Locked, "unlock": set.Unlocked,
	}
	text, has := texts[a.Kind]
	if !has {
		return c.Render(set.Undone, plugins.Values{"change": a.Title})
	}
	return c.Render(text, plugins.Values{"user": a.User, "title": plugins.Shorten(a.Title, 80), "count": a.Count})
}

// verbs say what was not done.
var verbs = map[string]string{
	"skip": "skip", "voteskip": "skip", "remove": "remove it", "move": "move it", "shuffle": "shuffle", "clear": "clear the playlist",
	"lock": "lock the playlist", "unlock": "open the playlist", "undo": "undo that",
}

// outcome handles what came of the plugin's sends.
func outcome(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
	if strings.HasPrefix(o.Subject, event.SubjectSendChat) || o.Subject == event.SubjectSendPM {
		return nil, nil
	}
	set := plugins.SettingsOf[Settings](c)
	var s *plugins.State
	if o.Subject == event.SubjectSendMediaQueue {
		var err error
		if s, err = look(c); err != nil {
			return nil, err
		}
	}
	var r room
	return change(c, &r, func() ([]event.Envelope, error) {
		if r.Job != nil && r.Job.ID == c.Event.CorrelationID {
			return r.advance(c, set, o)
		}
		a := r.find(c.Event.CorrelationID, o.Subject)
		if a == nil {
			return nil, nil
		}
		a.Done = true
		if a.Kind != "add" {
			return r.did(c, set, a, o), nil
		}
		asked := *a
		var out []event.Envelope
		if o.Status == event.DeliveryDone {
			out = r.added(c, set, s, &asked)
		} else {
			out = tell(c, &asked, false, "❌ could not add it: %s", why(o))
		}
		return append(out, r.release(c, s)...), nil
	})
}

// did handles the outcome of what a command asked for, but for adds.
func (r *room) did(c *plugins.Context, set Settings, a *asked, o event.Delivery) []event.Envelope {
	quiet := set.Quiet && a.Kind != "voteskip"
	if o.Status == event.DeliveryDone || o.Status == event.DeliveryAlready {
		return tell(c, a, quiet, "%s", set.done(c, a))
	}
	if a.Kind == "voteskip" {
		r.Votes.Passed = false
	}
	return tell(c, a, quiet, "❌ could not %s: %s", verbs[a.Kind], why(o))
}

// why returns why something was not done.
func why(o event.Delivery) string {
	switch {
	case o.Status == event.DeliveryExpired:
		return "it took too long until it could be done"
	case o.Reason != "":
		return o.Reason
	}
	return "the channel did not confirm it"
}

// added handles an item that the server took: it stays if its title and length are fit, and
// goes to its place.
func (r *room) added(c *plugins.Context, set Settings, s *plugins.State, a *asked) []event.Envelope {
	at := -1
	for n, i := range s.Playlist {
		if i.URL == a.URL && i.Type == a.Type && strings.EqualFold(i.QueuedBy, s.BotName) && (at < 0 || i.UID > s.Playlist[at].UID) {
			at = n
		}
	}
	w := wish{URL: a.URL, Type: a.Type, User: a.User, Guest: a.Guest, Next: a.Next, At: a.At}
	if at < 0 { // it has gone again
		r.wish(s, w)
		return tell(c, a, false, "✅ %s", a.URL)
	}
	i := s.Playlist[at]
	mine := *r
	mine.Wishes = append(slices.Clone(r.Wishes), w)
	if why := unfit(set, s, &mine, *a, i); why != "" {
		return append(c.Delete(i.UID).Because(why).Events(), tell(c, a, false, "❌ %s does not stay on the playlist: %s", quoted(i.Title), why)...)
	}
	r.wish(s, w)
	out := r.place(c, s, i, a)
	number := slices.IndexFunc(upcoming(s), func(o view.Item) bool { return o.UID == i.UID }) + 1
	where := "it plays now" // .place, of earlier releases
	switch {
	case a.Next:
		where = "it comes next"
	case number > 0:
		where = fmt.Sprintf("number %d", number)
	}
	text := c.Render(set.Added, plugins.Values{
		"user": a.User, "title": plugins.Shorten(i.Title, 80), "length": length(i.Duration), "number": number, "next": a.Next, "place": where,
	})
	return append(out, tell(c, a, false, "%s", text)...)
}

// place puts an item that was added next behind those for which next was asked before: the
// server puts each right behind what plays. Which these are follows from the wishes and not
// from places, as those may be about to change.
func (r *room) place(c *plugins.Context, s *plugins.State, i view.Item, a *asked) []event.Envelope {
	if !a.Next {
		return nil
	}
	current := s.Current()
	for _, w := range slices.Backward(r.Wishes[:len(r.Wishes)-1]) {
		if !w.Next {
			continue
		}
		at := slices.IndexFunc(s.Playlist, func(o view.Item) bool { return o.URL == w.URL && o.Type == w.Type && o.UID != i.UID })
		if at > current && current >= 0 {
			return c.Move(i.UID, event.IntID(int64(s.Playlist[at].UID))).For(a.User).Events()
		}
	}
	return nil
}
