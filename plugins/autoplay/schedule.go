package autoplay

import (
	"fmt"
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
		return time.Time{}, c.Refuse(event.InvalidInput, s.NoZone, plugins.Values{"zone": plugins.Shorten(s.Zone, 40), "prefix": c.Prefix()})
	}
	return c.Now().In(zone), nil
}

func add(c *plugins.Context, words []string) ([]event.Envelope, error) {
	s := settings(c)
	now, err := zoned(c, s)
	if err != nil {
		return nil, err
	}
	when, rest, err := timeparse.CutSchedule(words, now)
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, c.Refuse(event.InvalidInput, s.WhatToPlay, plugins.Values{"prefix": c.Prefix(), "when": plugins.Shorten(strings.Join(words, " "), 60)})
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
		return c.Tell(s.to(c), c.Render(s.Scheduled, plugins.Values{"user": c.Command.User, "schedule": e.tell(c, s, now)})), nil
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
		return 0, full(c, "schedules", n)
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
func numbered(c *plugins.Context, example string) (int, error) {
	if len(c.Command.Args) < 2 {
		return 0, c.Refuse(event.InvalidInput, settings(c).WhichNumber, plugins.Values{"text": "", "prefix": c.Prefix(), "example": example})
	}
	n, err := strconv.Atoi(strings.TrimPrefix(c.Command.Args[1], "#"))
	if err != nil || n < 1 {
		return 0, c.Refuse(event.InvalidInput, settings(c).WhichNumber, plugins.Values{"text": plugins.Shorten(c.Command.Args[1], 20), "prefix": c.Prefix(), "example": example})
	}
	return n, nil
}

func missing(c *plugins.Context, n int) error {
	return c.Refuse(event.RecordNotFound, settings(c).NoSchedule, plugins.Values{"number": n, "prefix": c.Prefix()})
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
		return c.Tell(settings(c).to(c), c.Render(settings(c).Cancelled, plugins.Values{"user": c.Command.User, "number": n, "what": e.What})), nil
	})
}

// edit gives a schedule another time, which counts at once.
func edit(c *plugins.Context) ([]event.Envelope, error) {
	n, err := numbered(c, "edit 3 friday 21:00")
	if err != nil {
		return nil, err
	}
	s := settings(c)
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
		return c.Tell(s.to(c), c.Render(s.Scheduled, plugins.Values{"user": c.Command.User, "schedule": e.tell(c, s, now)})), nil
	})
	if err != nil {
		return nil, err
	}
	return out, e.wake(c)
}

func (e Schedule) due() time.Time { return time.Unix(e.Due, 0).In(e.Location()) }

// tell returns what is scheduled when, as text.
func (e Schedule) tell(c *plugins.Context, s Settings, now time.Time) string {
	return c.Render(s.Entry, plugins.Values{
		"number": e.Number, "what": e.What, "by": e.By, "left": e.due().Sub(now), "at": e.due(), "on": stamp(c, e.due()), "repeats": e.repeats(c, s),
	})
}

// repeats returns how a schedule goes on, "" if it is for once.
func (e Schedule) repeats(c *plugins.Context, s Settings) string {
	return c.Render(s.Repeats, plugins.Values{"n": e.Every.N, "unit": e.Every.Unit, "cron": e.Cron})
}

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
