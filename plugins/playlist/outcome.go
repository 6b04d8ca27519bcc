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
func (s Settings) done(c *plugins.Context, a *asked) string {
	texts := map[string]plugins.Text{
		"skip": s.Skipped, "voteskip": s.VotedOff, "remove": s.Removed, "move": s.Moved, "shuffle": s.Shuffled, "clear": s.Cleared, "lock": s.Locked, "unlock": s.Unlocked,
	}
	text, has := texts[a.Kind]
	if !has {
		return "↩️ undone: " + a.Title
	}
	return c.Render(text, plugins.Values{"user": a.User, "title": plugins.Shorten(a.Title, 80)})
}

// verbs say what was not done.
var verbs = map[string]string{
	"add": "add it", "skip": "skip", "voteskip": "skip", "remove": "remove it", "move": "move it", "shuffle": "shuffle", "clear": "clear the playlist",
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
		a := r.find(c.Event.CorrelationID)
		if a == nil || a.Done {
			return nil, nil
		}
		a.Done = true
		quiet := set.Quiet && !slices.Contains([]string{"add", "voteskip"}, a.Kind)
		switch {
		case o.Status == event.DeliveryDone && a.Kind == "add":
			return r.added(c, set, s, a)
		case o.Status == event.DeliveryDone || o.Status == event.DeliveryAlready && a.Kind != "add":
			return tell(c, a, quiet, "%s", set.done(c, a)), nil
		}
		if a.Kind == "voteskip" {
			r.Votes.Passed = false
		}
		return tell(c, a, quiet, "❌ could not %s: %s", verbs[a.Kind], why(o)), nil
	})
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
func (r *room) added(c *plugins.Context, set Settings, s *plugins.State, a *asked) ([]event.Envelope, error) {
	at := -1
	for n, i := range s.Playlist {
		if i.URL == a.URL && i.Type == a.Type && strings.EqualFold(i.QueuedBy, s.BotName) && (at < 0 || i.UID > s.Playlist[at].UID) {
			at = n
		}
	}
	w := wish{URL: a.URL, Type: a.Type, User: a.User, Guest: a.Guest, Next: a.Next, At: a.At}
	if at < 0 { // it has gone again
		r.wish(s, w)
		return tell(c, a, false, "✅ added"), nil
	}
	i := s.Playlist[at]
	mine := *r
	mine.Wishes = append(slices.Clone(r.Wishes), w)
	if why := unfit(set, s, &mine, *a, i); why != "" {
		return append(c.Delete(i.UID).Because(why).Events(), tell(c, a, false, "❌ %s does not stay on the playlist: %s", quoted(i.Title), why)...), nil
	}
	r.wish(s, w)
	out := r.place(c, s, i, a)
	where := "it plays now"
	coming := upcoming(s)
	if n := slices.IndexFunc(coming, func(o view.Item) bool { return o.UID == i.UID }); n >= 0 {
		where = fmt.Sprintf("number %d", n+1)
	}
	if a.Next {
		where = "it comes next"
	}
	text := c.Render(set.Added, plugins.Values{"user": a.User, "title": plugins.Shorten(i.Title, 80), "length": clock(i.Duration), "place": where})
	return append(out, tell(c, a, false, "%s", text)...), nil
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
