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

// notDone returns what is said when what a command asked for was not done.
func (set Settings) notDone(c *plugins.Context, a *asked, o event.Delivery) string {
	return c.Render(set.NotDone, plugins.Values{"user": a.User, "kind": a.Kind, "title": short(a.Title), "reason": why(c, set, o)})
}

// outcome handles what came of the plugin's sends.
func outcome(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
	if strings.HasPrefix(o.Subject, event.SubjectSendChat) || o.Subject == event.SubjectSendPM {
		return nil, nil
	}
	set := settings(c)
	var s *plugins.State
	if o.Subject == event.SubjectSendMediaQueue {
		var err error
		if s, err = look(c); err != nil {
			return nil, err
		}
	}
	var r record
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
			out = c.Tell(asked.to(false), set.notDone(c, &asked, o))
		}
		return append(out, r.release(c, s)...), nil
	})
}

// did handles the outcome of what a command asked for, but for adds.
func (r *record) did(c *plugins.Context, set Settings, a *asked, o event.Delivery) []event.Envelope {
	quiet := set.Quiet && a.Kind != "voteskip"
	if o.Status == event.DeliveryDone || o.Status == event.DeliveryAlready {
		return c.Tell(a.to(quiet), set.done(c, a))
	}
	if a.Kind == "voteskip" {
		r.Votes.Passed = false
	}
	return c.Tell(a.to(quiet), set.notDone(c, a, o))
}

// why returns why something was not done.
func why(c *plugins.Context, set Settings, o event.Delivery) string {
	expired := o.Status == event.DeliveryExpired
	if o.Reason != "" && !expired {
		return c.Reason(o.Reason)
	}
	return c.Render(set.NoReason, plugins.Values{"expired": expired})
}

// added handles an item that the server took: it stays if its title and length are fit, and
// goes to its place.
func (r *record) added(c *plugins.Context, set Settings, s *plugins.State, a *asked) []event.Envelope {
	at := -1
	for n, i := range s.Playlist {
		if i.URL == a.URL && i.Type == a.Type && strings.EqualFold(i.QueuedBy, s.BotName) && (at < 0 || i.UID > s.Playlist[at].UID) {
			at = n
		}
	}
	w := wish{URL: a.URL, Type: a.Type, User: a.User, Guest: a.Guest, Next: a.Next, At: a.At}
	if at < 0 { // it has gone again
		r.wish(s, w)
		return c.Tell(a.to(false), c.Render(set.AddedGone, plugins.Values{"user": a.User, "url": a.URL}))
	}
	i := s.Playlist[at]
	mine := *r
	mine.Wishes = append(slices.Clone(r.Wishes), w)
	if why := unfit(c, set, s, &mine, *a, i); why != "" {
		said := c.Render(set.NotStays, plugins.Values{"user": a.User, "title": short(i.Title), "reason": why})
		return append(c.Delete(i.UID).Because(why).Events(), c.Tell(a.to(false), said)...)
	}
	out := r.place(c, s, i, a)
	number := slices.IndexFunc(upcoming(s), func(o view.Item) bool { return o.UID == i.UID }) + 1
	if turn := r.turn(set, s, *a, i); set.FairTurns && !a.Next && number > turn && turn > 0 {
		out = c.Move(i.UID, event.IntID(int64(s.Playlist[s.Current()+turn-1].UID))).For(a.User).Events()
		number = turn
	}
	r.wish(s, w)
	if s.Current() < 0 { // the first is about to play
		number = at
	}
	where := "it plays now" // .place, of earlier releases
	switch {
	case a.Next:
		where = "it comes next"
	case number > 0:
		where = fmt.Sprintf("number %d", number)
	}
	text := c.Render(set.Added, plugins.Values{
		"user": a.User, "title": plugins.Shorten(i.Title, 80), "length": length(c, i.Duration), "number": number, "next": a.Next, "place": where,
	})
	return append(out, c.Tell(a.to(false), text)...)
}

// turn returns the place of an item that was added so that all take turns: what is there has the
// rounds in which its persons added it, what plays among it, and an item goes after those of its own.
// It is 0 where nothing plays.
func (r *record) turn(set Settings, s *plugins.State, a asked, item view.Item) int {
	rounds := map[string]int{}
	current := s.Current()
	if current < 0 {
		return 0
	}
	var of []int // the rounds of what comes
	for n, i := range s.Playlist[current:] {
		if i.UID == item.UID {
			continue
		}
		w := r.wishedBy(s, i)
		who := person(set, w.User, w.Guest)
		if rounds[who]++; n > 0 {
			of = append(of, rounds[who])
		}
	}
	own := rounds[person(set, a.User, a.Guest)] + 1
	if at := slices.IndexFunc(of, func(round int) bool { return round > own }); at >= 0 {
		return at + 1
	}
	return len(of) + 1
}

// place puts an item that was added next after those for which next was asked before: the
// server puts each right after what plays. Which these are follows from the wishes and not
// from places, as those may be about to change.
func (r *record) place(c *plugins.Context, s *plugins.State, i view.Item, a *asked) []event.Envelope {
	if !a.Next {
		return nil
	}
	current := s.Current()
	for _, w := range slices.Backward(r.Wishes) {
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
