package autoplay

import (
	"cmp"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// due handles the timer of a schedule. It goes by the present time and not by the timer's, as
// the bot may have been away when it fired.
func due(c *plugins.Context) ([]event.Envelope, error) {
	var t tick
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	s := settings(c)
	now := c.Now().Add(c.Waited())
	var e Schedule
	out, err := c.DB(Schedules).Change(scheduleID(t.Channel, t.Number), &e, func() ([]event.Envelope, error) {
		if e.Done || e.Set != t.Set || now.Add(timerEarly).Before(time.Unix(e.Next, 0)) {
			return nil, nil
		}
		if err := e.Check(); err != nil {
			c.Log.WarnContext(c, "schedule skipped, its record is damaged", "channel", e.Channel, "number", e.Number, "error", event.Loggable(err))
			return nil, nil
		}
		return e.advance(c, s, now), nil
	})
	if err != nil || e.Set != t.Set || e.Check() != nil {
		return out, err
	}
	if e.Started == c.Event.Ref.String() {
		more, err := begin(c, e)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, e.wake(c)
}

// advance returns the announcement of e, which is due or nearly, and notes what comes next.
func (e *Schedule) advance(c *plugins.Context, s Settings, now time.Time) (out []event.Envelope) {
	if left := e.Due - e.Next; left > 0 {
		missed := now.Unix() - e.Next
		e.Next = e.next(s, now)
		if missed > max(left/10, 5) {
			return nil // no longer true
		}
		return c.SayText(s.Soon, plugins.Values{"what": e.What, "left": time.Duration(left) * time.Second})
	}
	late := now.Sub(e.due())
	again := e.Schedule().After(slices.MaxFunc([]time.Time{now, e.due()}, time.Time.Compare))
	if skipped := late > max(s.Late, timerEarly) && s.Missed == "skip"; skipped {
		next := ""
		if !again.IsZero() {
			next = stamp(c, again)
		}
		out = c.SayText(s.TooLate, plugins.Values{"what": e.What, "late": late, "next": next})
	} else {
		e.Started = c.Event.Ref.String()
		out = c.SayText(s.Due, plugins.Values{"what": e.What, "by": e.By})
	}
	if e.Done = again.IsZero(); !e.Done {
		e.Due = again.Unix()
		e.Next = e.next(s, now)
	}
	return out
}

// begin puts what is due on the playlist.
func begin(c *plugins.Context, e Schedule) ([]event.Envelope, error) {
	show, err := resolve(c, cmp.Or(e.Link, e.What), e.By)
	show.What = e.What
	if event.CodeOf(err) == event.RecordNotFound || event.CodeOf(err) == event.InvalidInput {
		return c.SayText(settings(c).Unplayable, plugins.Values{"what": e.What, "by": e.By, "reason": c.Explain(err)}), nil
	}
	if err != nil {
		return nil, err
	}
	return enqueue(c, show)
}

// enqueue has a programme loaded as soon as those before it are.
func enqueue(c *plugins.Context, show Show) ([]event.Envelope, error) {
	var ch Channel
	out, err := changeChannel(c, &ch, func() []event.Envelope {
		ch.Waiting = append(ch.Waiting, show)
		return nil
	})
	if err != nil {
		return nil, err
	}
	more, err := drive(c)
	return append(out, more...), err
}

// start sets all timers again, in case the database was restored from a backup, and deletes
// schedules that were over long ago.
func start(c *plugins.Context) error {
	if err := forget(c); err != nil {
		return err
	}
	const page = 500
	for offset := 0; ; offset += page {
		var list []Schedule
		total, err := c.DB(Schedules).Find(plugins.Query{Filter: map[string]any{"done": false}, OrderBy: "id", Limit: page, Offset: offset}, &list)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := e.wake(c); err != nil {
				return err
			}
		}
		if offset+page >= total {
			break
		}
	}
	return wakeAll(c)
}

// forget deletes schedules that were over long ago.
func forget(c *plugins.Context) error {
	var old []struct{ ID event.ID }
	filter := map[string]any{"done": true, "due": map[string]any{"$lt": c.Now().Add(-retention).Unix()}}
	if _, err := c.DB(Schedules).Find(plugins.Query{Filter: filter, Limit: 1000}, &old); err != nil {
		return err
	}
	for _, e := range old {
		if err := c.DB(Schedules).Delete(e.ID); err != nil && event.CodeOf(err) != event.RecordNotFound {
			return err
		}
	}
	return nil
}
