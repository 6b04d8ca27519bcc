package autoplay

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	maxSchedules = 100 // of a channel
	// maxTimer is the longest timer of a schedule, well below the max_age of the stream of timers.
	maxTimer = 24 * time.Hour
	// retention is how long a schedule that is over stays in the database.
	retention = 7 * 24 * time.Hour
)

func scheduleID(channel string, n int) event.ID { return event.ID(fmt.Sprintf("%s/%d", channel, n)) }

// schedule handles !schedule.
func schedule(c *plugins.Context) ([]event.Envelope, error) {
	args := c.Command.Args
	if len(args) == 0 {
		return calendar(c)
	}
	switch plugins.Fold(args[0]) {
	case "list", "ls":
		return calendar(c)
	case "rm", "remove", "delete", "cancel":
		return cancel(c)
	case "edit", "move":
		return edit(c)
	case "add":
		args = args[1:]
	}
	return add(c, args)
}

// zoned returns the time of the event in the channel's zone.
func zoned(c *plugins.Context, s Settings) (time.Time, error) {
	zone, ok := timeparse.Zone(s.Zone)
	if !ok {
		return time.Time{}, event.Invalidf("the setting zone is %q, which is no time zone: an admin sets it with %sset autoplay.zone Europe/Berlin", plugins.Shorten(s.Zone, 40), c.Prefix())
	}
	return c.Now().In(zone), nil
}

func add(c *plugins.Context, words []string) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	now, err := zoned(c, s)
	if err != nil {
		return nil, err
	}
	when, rest, err := timeparse.CutSchedule(words, now)
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, event.Invalidf("say what is to be played: %sschedule %s NAME or LINK", c.Prefix(), plugins.Shorten(strings.Join(words, " "), 60))
	}
	show, err := resolve(c, strings.Join(rest, " "), c.Command.User)
	if err != nil {
		return nil, err
	}
	number, err := nextNumber(c)
	if err != nil {
		return nil, err
	}
	var e Schedule
	out, err := c.DB(Schedules).Change(scheduleID(c.Channel(), number), &e, func() ([]event.Envelope, error) {
		e = Schedule{Channel: c.Channel(), Number: number, What: show.What, Link: show.Link, By: c.Command.User, Set: c.Event.Ref.String(), Rule: when.Rule()}
		e.Due = when.After(now).Unix()
		e.Next = e.next(s, now)
		return answer(c, "📅 %s", e.tell(now))
	})
	if err != nil {
		return nil, err
	}
	return out, e.wake(c)
}

// nextNumber returns the number of a new schedule of the channel.
func nextNumber(c *plugins.Context) (int, error) {
	n, err := c.DB(Schedules).Count(map[string]any{"channel": c.Channel(), "done": false, "set": map[string]any{"$ne": c.Event.Ref.String()}})
	if err != nil {
		return 0, err
	}
	if n >= maxSchedules {
		return 0, event.Invalidf("there are %d schedules already: remove one first", n)
	}
	var same []Schedule // where this command is handled again
	if _, err := c.DB(Schedules).Find(plugins.Query{Filter: map[string]any{"channel": c.Channel(), "set": c.Event.Ref.String()}}, &same); err != nil {
		return 0, err
	}
	if len(same) > 0 {
		return same[0].Number, nil
	}
	var ch Channel
	_, err = changeChannel(c, &ch, func() []event.Envelope { ch.Last++; return nil })
	return ch.Last, err
}

// numbered returns the number that an argument names.
func numbered(c *plugins.Context, usage string) (int, error) {
	if len(c.Command.Args) < 2 {
		return 0, event.Invalidf("say which one by its number in %scalendar: %sschedule %s", c.Prefix(), c.Prefix(), usage)
	}
	n, err := strconv.Atoi(strings.TrimPrefix(c.Command.Args[1], "#"))
	if err != nil || n < 1 {
		return 0, event.Invalidf("%q is no number of a schedule: see %scalendar", plugins.Shorten(c.Command.Args[1], 20), c.Prefix())
	}
	return n, nil
}

func missing(c *plugins.Context, n int) error {
	return event.Errorf(event.RecordNotFound, "there is no schedule %d: see %scalendar", n, c.Prefix())
}

func cancel(c *plugins.Context) ([]event.Envelope, error) {
	n, err := numbered(c, "rm 3")
	if err != nil {
		return nil, err
	}
	var e Schedule
	return c.DB(Schedules).Change(scheduleID(c.Channel(), n), &e, func() ([]event.Envelope, error) {
		if e.Number == 0 || e.Done {
			return nil, missing(c, n)
		}
		e.Done = true
		return answer(c, "🗑️ Removed %d: %s", n, e.What)
	})
}

// edit gives a schedule another time, which counts at once.
func edit(c *plugins.Context) ([]event.Envelope, error) {
	n, err := numbered(c, "edit 3 friday 21:00")
	if err != nil {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
	now, err := zoned(c, s)
	if err != nil {
		return nil, err
	}
	when, err := timeparse.ParseSchedule(c.Command.Args[2:], now)
	if err != nil {
		return nil, err
	}
	var e Schedule
	out, err := c.DB(Schedules).Change(scheduleID(c.Channel(), n), &e, func() ([]event.Envelope, error) {
		if e.Number == 0 || e.Done {
			return nil, missing(c, n)
		}
		e.Rule, e.Set, e.Due = when.Rule(), c.Event.Ref.String(), when.After(now).Unix()
		e.Next = e.next(s, now)
		return answer(c, "📅 %s", e.tell(now))
	})
	if err != nil {
		return nil, err
	}
	return out, e.wake(c)
}

func (e Schedule) due() time.Time { return time.Unix(e.Due, 0).In(e.Location()) }

// tell returns what is scheduled when, as text.
func (e Schedule) tell(now time.Time) string {
	text := fmt.Sprintf("%d. %s in %s, on %s", e.Number, e.What, timeparse.Short(e.due().Sub(now)), stamp(e.due()))
	if repeats := e.Repeats(); repeats != "" {
		text += ", then " + repeats
	}
	return text
}

func stamp(t time.Time) string { return t.Format("Mon 2006-01-02 15:04 ") + t.Location().String() }

// next returns when e is announced next after t, or is due, in Unix seconds.
func (e Schedule) next(s Settings, t time.Time) int64 {
	at := e.Due
	for _, before := range []time.Duration{s.AnnounceFirst, s.AnnounceLast} {
		if notice := e.due().Add(-before); before > 0 && notice.After(t.Add(timerEarly)) {
			at = min(at, notice.Unix())
		}
	}
	return at
}

// wake sets the timer of e's next announcement. One that became obsolete does nothing when it
// fires.
func (e Schedule) wake(c *plugins.Context) error {
	if e.Done {
		return nil
	}
	at := time.Unix(e.Next, 0)
	if soonest := c.Now().Add(maxTimer); soonest.Before(at) {
		at = soonest
	}
	return c.At(at, string(scheduleID(e.Channel, e.Number)), kindTick, map[string]any{"channel": e.Channel, "number": e.Number, "set": e.Set})
}

// due handles the timer of a schedule. It goes by the present time and not by the timer's, as
// the bot may have been away when it fired.
func due(c *plugins.Context) ([]event.Envelope, error) {
	var t tick
	if err := c.Decode(&t); err != nil {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
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
			next = stamp(again)
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
		return c.Say("❌ %s cannot be played: %s", e.What, err), nil
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
