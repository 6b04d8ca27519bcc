package countdown

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// kindTick is the plugin's own event that wakes it for a countdown.
const kindTick = "tick"

const (
	// nap is the longest time between two ticks of a countdown. The stream that
	// keeps the timer forgets what is older than its max_age, so a timer must not
	// be set further ahead than that.
	nap = 24 * time.Hour
	// early is how much sooner than asked a timer may fire.
	early = time.Second
	// stale is how late the word that something is coming may be; a tenth of the
	// time that is left is never too late.
	stale = 5 * time.Second
	// late is how late an announcement that something is due still is one.
	late = time.Minute
	// keep is how long a countdown that is over stays in the database.
	keep = 7 * 24 * time.Hour
)

type tick struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Set     string `json:"set"`
}

// tick announces what is due. The bot may have been down when it was: then the
// time that has passed counts, and not the time for which the timer was set.
func (k keeper) tick(c *plugins.Context) ([]event.Envelope, error) {
	var t tick
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	now := c.Now().Add(c.Waited())
	var d Countdown
	out, err := c.DB(Collection).Change(recordID(t.Channel, t.Name), &d, func() ([]event.Envelope, error) {
		if d.Done || d.Set != t.Set || now.Add(early).Before(time.Unix(d.Next, 0)) {
			return nil, nil
		}
		return k.announce(c, &d, now), nil
	})
	if err != nil {
		return nil, err
	}
	if d.Set != t.Set {
		return out, nil
	}
	return out, k.wake(c, d)
}

// announce says that d is due, or will be, and moves it on.
func (k keeper) announce(c *plugins.Context, d *Countdown, now time.Time) []event.Envelope {
	due := d.due()
	if left := due.Sub(time.Unix(d.Next, 0)); left > 0 {
		missed := now.Sub(time.Unix(d.Next, 0))
		d.Next = k.next(*d, now)
		if missed > max(left/10, stale) {
			return nil // what it would say is no longer so
		}
		p := d.payload()
		p["left"] = left.Seconds()
		return append(c.Say("⏳ %s in %s", d.Name, shown(left)), c.Emit("minus", p)...)
	}
	p := d.payload()
	p["late"] = max(0, now.Sub(due).Round(time.Second).Seconds())
	said := "⏰ " + d.Name + ": now!"
	if now.Sub(due) > late {
		said = "⏰ " + d.Name + " was due " + shown(now.Sub(due)) + " ago"
	}
	if again := d.schedule().After(latest(now, due)); again.IsZero() {
		d.Done = true
	} else {
		d.Due = again.Unix()
		d.Next = k.next(*d, now)
		said += " — next on " + stamp(again)
	}
	return append(c.Say("%s", said), c.Emit("due", p)...)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wake sets the timer of d's next tick. A timer that is set and no longer wanted
// does nothing when it fires.
func (k keeper) wake(c *plugins.Context, d Countdown) error {
	if d.Done {
		return nil
	}
	at := time.Unix(d.Next, 0)
	if soonest := c.Now().Add(nap); soonest.Before(at) {
		at = soonest
	}
	return c.At(at, string(recordID(d.Channel, d.Name)), kindTick, map[string]any{"name": d.Name, "channel": d.Channel, "set": d.Set})
}

// start sets every timer again, for a database that came from a backup, and
// forgets what was over long ago.
func (k keeper) start(c *plugins.Context) error {
	for {
		var old []struct{ ID event.ID }
		filter := map[string]any{"done": true, "due": map[string]any{"$lt": c.Now().Add(-keep).Unix()}}
		if _, err := c.DB(Collection).Find(plugins.Query{Filter: filter}, &old); err != nil {
			return err
		}
		for _, d := range old {
			if err := c.DB(Collection).Delete(d.ID); err != nil && event.CodeOf(err) != event.RecordNotFound {
				return err
			}
		}
		if len(old) == 0 {
			break
		}
	}
	const page = 500
	for offset := 0; ; offset += page {
		var running []Countdown
		if _, err := c.DB(Collection).Find(plugins.Query{Filter: map[string]any{"done": false}, OrderBy: "id", Limit: page, Offset: offset}, &running); err != nil {
			return err
		}
		for _, d := range running {
			if err := k.wake(c, d); err != nil {
				return err
			}
		}
		if len(running) < page {
			return nil
		}
	}
}
