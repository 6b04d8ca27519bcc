package playlist

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// waiting is something that a user wished to be added while the playlist was locked.
type waiting struct {
	Number int    `json:"number"`
	By     string `json:"by"` // the correlation ID of what accepted it, "" while it waits
	Asked  asked  `json:"asked"`
}

const (
	mostWaiting  = 100
	longestWaits = 7 * 24 * time.Hour
)

// What the setting when_locked says of an add while the playlist is locked.
const (
	lockedRefuse = "refuse"
	lockedAdd    = "add"
)

// locks reports whether the lock keeps what is asked for off the playlist.
func (set Settings) locks(s *plugins.State, a asked) bool {
	return !a.Exempt && set.WhenLocked != lockedAdd && s.Lock != nil && *s.Lock
}

// wait keeps a wish.
func (r *record) wait(c *plugins.Context, set Settings, a asked) ([]event.Envelope, error) {
	r.Waiting = slices.DeleteFunc(r.Waiting, func(w waiting) bool { return w.Asked.At < a.At-longestWaits.Milliseconds() })
	for _, w := range r.Waiting {
		if w.Asked.URL == a.URL && w.Asked.Type == a.Type {
			return nil, c.Refuse(event.InvalidInput, set.AlreadyWished, plugins.Values{"user": w.Asked.User, "number": w.Number})
		}
	}
	if len(r.Waiting) >= mostWaiting {
		return nil, c.Refuse(event.PermissionDenied, set.Closed, plugins.Values{"user": a.User, "waiting": mostWaiting})
	}
	if len(r.Waiting) == 0 {
		r.Number = 0
	}
	r.Number++
	r.Waiting = append(r.Waiting, waiting{Number: r.Number, Asked: a})
	return c.Tell(a.to(false), c.Render(set.Wished, plugins.Values{"user": a.User, "number": r.Number, "url": a.URL})), nil
}

// withdraw takes back what a user wished for last, if that waits.
func (r *record) withdraw(user string) (a asked, ok bool) {
	for n, w := range slices.Backward(r.Waiting) {
		if w.By == "" && strings.EqualFold(w.Asked.User, user) {
			r.Waiting = slices.Delete(r.Waiting, n, n+1)
			return w.Asked, true
		}
	}
	return asked{}, false
}

// accept has wishes added, one after the other: each when the outcome of the one before is
// known, so that they come in order and at the pace of the server.
func (r *record) accept(c *plugins.Context, s *plugins.State, chosen func(waiting) bool) []event.Envelope {
	for n, w := range r.Waiting {
		if w.By == "" && chosen(w) {
			r.Waiting[n].By = c.Event.CorrelationID
		}
	}
	return r.release(c, s)
}

// release returns the send of the next wish that the event's conversation accepted.
func (r *record) release(c *plugins.Context, s *plugins.State) (out []event.Envelope) {
	for {
		n := slices.IndexFunc(r.Waiting, func(w waiting) bool { return w.By == c.Event.CorrelationID })
		if n < 0 {
			return out
		}
		a := r.Waiting[n].Asked
		r.Waiting = slices.Delete(r.Waiting, n, n+1)
		if err := listed(c, s, a); err != nil {
			out = append(out, c.Tell(a.to(false), strings.TrimSpace("❌ "+c.Explain(err)))...)
			continue
		}
		a.ID = c.Event.CorrelationID
		return append(out, r.ask(a, a.queue(c))...)
	}
}

// opened handles cytube.media.lock: who wished is not kept waiting.
func opened(c *plugins.Context) ([]event.Envelope, error) {
	l, err := event.As[event.MediaLock](c.Event.Envelope)
	if err != nil || l.Locked {
		return nil, err
	}
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		return r.accept(c, s, func(waiting) bool { return true }), nil
	})
}

func wishes(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	if len(args) == 0 || len(args) == 1 && strings.EqualFold(args[0], "list") {
		return listWishes(c)
	}
	if len(args) == 1 {
		return nil, usage(c, "wishes")
	}
	number, err := strconv.Atoi(strings.TrimPrefix(args[1], "#"))
	all := strings.EqualFold(args[1], "all")
	if err != nil && !all {
		return nil, usage(c, "wishes")
	}
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	set := settings(c)
	chosen := func(w waiting) bool { return w.By == "" && (all || w.Number == number) }
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		if !slices.ContainsFunc(r.Waiting, chosen) {
			return nil, c.Refuse(event.RecordNotFound, set.NoWish, plugins.Values{"prefix": c.Prefix()})
		}
		switch strings.ToLower(args[0]) {
		case "accept", "add", "yes":
			return r.accept(c, s, chosen), nil
		case "refuse", "rm", "no":
			return r.refuse(c, set, chosen, c.Text(2)), nil
		}
		return nil, usage(c, "wishes")
	})
}

func listWishes(c *plugins.Context) ([]event.Envelope, error) {
	var r record
	if err := c.DB(Collection).Get(recordID(c.Channel()), &r); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	var said []string
	for _, w := range r.Waiting {
		if w.By == "" {
			said = append(said, c.Render(settings(c).WaitingItem, plugins.Values{"number": w.Number, "user": w.Asked.User, "url": w.Asked.URL}))
		}
	}
	values := plugins.Values{"count": len(said), "wishes": said[:min(len(said), 5)]}
	return c.SayText(settings(c).Waiting, values), nil
}

// refuse takes wishes away, and tells who wished.
func (r *record) refuse(c *plugins.Context, set Settings, chosen func(waiting) bool, reason string) (out []event.Envelope) {
	var gone []asked
	r.Waiting = slices.DeleteFunc(r.Waiting, func(w waiting) bool {
		if chosen(w) {
			gone = append(gone, w.Asked)
			return true
		}
		return false
	})
	text := c.Render(set.Refused, plugins.Values{"user": c.Command.User, "count": len(gone), "url": gone[0].URL, "reason": reason})
	told := map[string]bool{}
	var names []string // of those who wished where all read it
	for _, a := range gone {
		switch {
		case told[a.User]:
		case a.Private:
			out = append(out, c.Tell(a.to(false), text)...)
		default:
			names = append(names, a.User)
		}
		told[a.User] = true
	}
	if len(names) > 0 {
		out = append(out, c.Tell(plugins.Recipient{User: strings.Join(names, ", ")}, text)...)
	}
	return out
}
