package countdown

import (
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// kindTick is the type of the timer event of a countdown.
const kindTick = "tick"

const (
	// maxTimer is the longest timer of a countdown, well below the max_age of the
	// stream of timers.
	maxTimer = 24 * time.Hour
	// timerEarly is how much too early a timer may fire.
	timerEarly = time.Second
	// maxNoticeDelay is how late an advance notice is still sent, or a tenth of the
	// remaining time if that is longer.
	maxNoticeDelay = 5 * time.Second
	// maxDueDelay is how late "now!" is still said.
	maxDueDelay = time.Minute
	// retention is how long a finished countdown stays in the database.
	retention = 7 * 24 * time.Hour
)

type tick struct {
	Name    string `json:"name" mark:"text"`
	Channel string `json:"channel"`
	Set     string `json:"set"`
}

// tick announces what is due. It goes by the present time and not by the timer's, as
// the bot may have been down when the timer fired.
func (k announcer) tick(c *plugins.Context) ([]event.Envelope, error) {
	var t tick
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	now := c.Now().Add(c.Waited())
	var d Countdown
	out, err := c.DB(Collection).Change(recordID(t.Channel, t.Name), &d, func() ([]event.Envelope, error) {
		if d.Done || d.Set != t.Set || now.Add(timerEarly).Before(time.Unix(d.Next, 0)) {
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

// announce returns the announcement of d and advances d.
func (k announcer) announce(c *plugins.Context, d *Countdown, now time.Time) []event.Envelope {
	due := d.due()
	if left := due.Sub(time.Unix(d.Next, 0)); left > 0 {
		missed := now.Sub(time.Unix(d.Next, 0))
		d.Next = k.next(*d, now)
		if missed > max(left/10, maxNoticeDelay) {
			return nil // no longer true
		}
		p := d.payload()
		p["left"] = left.Seconds()
		return append(c.Say("⏳ %s in %s", d.Name, timeparse.Short(left)), c.Emit("minus", p)...)
	}
	p := d.payload()
	p["late"] = max(0, now.Sub(due).Round(time.Second).Seconds())
	said := "⏰ " + d.Name + ": now!"
	if now.Sub(due) > maxDueDelay {
		said = "⏰ " + d.Name + " was due " + timeparse.Short(now.Sub(due)) + " ago"
	}
	if again := d.Schedule().After(slices.MaxFunc([]time.Time{now, due}, time.Time.Compare)); again.IsZero() {
		d.Done = true
	} else {
		d.Due = again.Unix()
		d.Next = k.next(*d, now)
		said += " — next on " + stamp(again)
	}
	return append(c.Say("%s", said), c.Emit("due", p)...)
}

// wake sets the timer of d's next tick. A timer that became obsolete does nothing when
// it fires.
func (k announcer) wake(c *plugins.Context, d Countdown) error {
	if d.Done {
		return nil
	}
	at := time.Unix(d.Next, 0)
	if soonest := c.Now().Add(maxTimer); soonest.Before(at) {
		at = soonest
	}
	return c.At(at, string(recordID(d.Channel, d.Name)), kindTick, map[string]any{"name": d.Name, "channel": d.Channel, "set": d.Set})
}

// start sets all timers again, in case the database was restored from a backup, and
// deletes countdowns that finished long ago.
func (k announcer) start(c *plugins.Context) error {
	for {
		var old []struct{ ID event.ID }
		filter := map[string]any{"done": true, "due": map[string]any{"$lt": c.Now().Add(-retention).Unix()}}
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
		total, err := c.DB(Collection).Find(plugins.Query{Filter: map[string]any{"done": false}, OrderBy: "id", Limit: page, Offset: offset}, &running)
		if err != nil {
			return err
		}
		for _, d := range running {
			if err := k.wake(c, d); err != nil {
				return err
			}
		}
		if offset+page >= total {
			return nil
		}
	}
}
