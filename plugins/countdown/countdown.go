// Package countdown is the plugin countdown: named timers, announced some time before
// they are due and then.
package countdown

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "countdown"

// The collection of countdowns, and limits.
const (
	Collection = "countdowns"
	MaxName    = 40 // characters
	MaxRunning = 50 // in one channel
)

const (
	member    = 1 // the rank that may add countdowns
	moderator = 2 // the rank that may remove those of others
)

// Minus lists how long before it is due a countdown is announced.
var Minus = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, 10 * time.Minute, time.Minute}

// Settings are the plugin's settings.
type Settings struct {
	MaxRunning int `json:"max_running" default:"50" min:"1" max:"50" jsonschema:"most countdowns of a channel"`
}

// New returns the plugin.
func New() plugins.Plugin { return build(Minus) }

func build(minus []time.Duration) plugins.Plugin {
	k := announcer{minus}
	return plugins.Plugin{
		Name:         Name,
		Version:      "1.0.0",
		Description:  "Counts down to what is coming",
		Concurrent:   false, // how many countdowns run is looked up before one is added
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM, event.CapabilityStorage},
		Collections:  map[string]any{Collection: Countdown{}},
		Settings:     Settings{},
		Emits:        map[string]any{"added": about{}, "removed": about{}, "minus": about{}, "due": about{}, kindTick: tick{}},
		Commands: []plugins.Command{{
			Name:        "countdown",
			Aliases:     []string{"cd"},
			Usage:       "[list | NAME | add NAME 2h30m | add NAME 2026-12-24 20:00 [ZONE] [weekly] | rm NAME]",
			Description: "counts down to a time and tells when it has come, once or again and again",
			Handle:      k.command,
		}},
		Events: []plugins.Subscription{
			{Subject: event.EventSubject(Name, kindTick), Handle: k.tick, MaxAge: plugins.Never},
		},
		Start: k.start,
	}
}

// about is the payload of the plugin's events.
type about struct {
	Name    string  `json:"name" mark:"text"`
	Channel string  `json:"channel"`
	By      string  `json:"by" mark:"person"`
	Due     int64   `json:"due"`
	Every   string  `json:"every"`
	Left    float64 `json:"left"`
	Late    float64 `json:"late"`
}

// announcer handles the plugin's events; minus is when it announces countdowns.
type announcer struct{ minus []time.Duration }

// Countdown is a record of the collection. Its ID is channel/name in lower case.
type Countdown struct {
	Name    string `json:"name" mark:"text"`
	Channel string `json:"channel"`
	By      string `json:"by" mark:"person"`
	Set     string `json:"set"` // STREAM:SEQ of the command that set it
	timeparse.Rule
	Due  int64 `json:"due"`  // Unix seconds
	Next int64 `json:"next"` // Unix seconds of the next announcement
	Done bool  `json:"done"` // over or removed
}

func (d Countdown) due() time.Time { return time.Unix(d.Due, 0).In(d.Location()) }

func recordID(channel, name string) event.ID {
	return event.ID(channel + "/" + strings.ToLower(name))
}

// resolve returns the ID of the record that a name stands for: of that name or, if there
// is none, of one that people take for the same, also with what completion adds to a user's.
func resolve(c *plugins.Context, name string) (event.ID, error) {
	id := recordID(c.Channel(), name)
	var all []Countdown
	_, err := c.DB(Collection).Find(plugins.Query{Filter: map[string]any{"channel": c.Channel()}, OrderBy: "done, due", Limit: 10 * MaxRunning}, &all)
	same, wanted := id, []string{plugins.Fold(name), plugins.Fold(plugins.UserName(name))}
	for _, d := range all {
		switch other := recordID(d.Channel, d.Name); {
		case other == id:
			return id, err
		case same == id && slices.Contains(wanted, plugins.Fold(d.Name)):
			same = other
		}
	}
	return same, err
}

// subcommands returns the handlers by the word after !countdown.
func (k announcer) subcommands() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"add": k.add, "set": k.add, "list": k.list, "ls": k.list, "show": k.show,
		"rm": k.remove, "remove": k.remove, "delete": k.remove, "cancel": k.remove,
	}
}

func (k announcer) command(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return k.list(c)
	}
	if handle, ok := k.subcommands()[plugins.Fold(c.Command.Args[0])]; ok {
		return handle(c)
	}
	return k.shown(c, c.Command.Args)
}

func (k announcer) add(c *plugins.Context) ([]event.Envelope, error) {
	if c.Command.Rank < member {
		return nil, event.Errorf(event.PermissionDenied, "only registered users can add countdowns")
	}
	if len(c.Command.Args) < 3 {
		return nil, event.Invalidf("say what and when, for example %scountdown add movie 2h30m or … add movie 2026-12-24 20:00", c.Prefix())
	}
	name := c.Command.Args[1]
	if n := utf8.RuneCountInString(name); name != strings.TrimSpace(name) || n == 0 || n > MaxName {
		return nil, event.Invalidf("a name has 1 to %d characters", MaxName)
	}
	if _, taken := k.subcommands()[plugins.Fold(name)]; taken {
		return nil, event.Invalidf("%s cannot be a name, it is a command", name)
	}
	when, err := timeparse.ParseSchedule(c.Command.Args[2:], c.Now().UTC())
	if err != nil {
		return nil, err
	}
	others, err := c.DB(Collection).Count(map[string]any{
		"channel": c.Channel(), "done": false, "set": map[string]any{"$ne": c.Event.Ref.String()},
	})
	if err != nil {
		return nil, err
	}
	if others >= plugins.SettingsOf[Settings](c).MaxRunning {
		return nil, event.Invalidf("there are %d countdowns already: remove one first", others)
	}
	id := recordID(c.Channel(), name)
	var d Countdown
	if same, err := resolve(c, name); err != nil {
		return nil, err
	} else if same != id {
		if err := c.DB(Collection).Get(same, &d); err == nil && !d.Done {
			return nil, exists(c, d)
		}
	}
	out, err := c.DB(Collection).Change(id, &d, func() ([]event.Envelope, error) {
		if d.Name != "" && !d.Done {
			return nil, exists(c, d)
		}
		d = Countdown{Rule: when.Rule()}
		d.Name, d.Channel, d.By, d.Set, d.Due = name, c.Channel(), c.Command.User, c.Event.Ref.String(), when.After(c.Now()).Unix()
		d.Next = k.next(d, c.Now())
		return append(c.Say("⏳ %s", d.tell(c.Now())), c.Emit("added", d.payload())...), nil
	})
	if err != nil {
		return nil, err
	}
	return out, k.wake(c, d)
}

func (k announcer) list(c *plugins.Context) ([]event.Envelope, error) {
	var running []Countdown
	if _, err := c.DB(Collection).Find(plugins.Query{
		Filter: map[string]any{"channel": c.Channel(), "done": false}, OrderBy: "due", Limit: MaxRunning,
	}, &running); err != nil {
		return nil, err
	}
	if len(running) == 0 {
		return c.Say("⏳ There are no countdowns: add one with %scountdown add movie 2h30m", c.Prefix()), nil
	}
	var parts []string
	for _, d := range running {
		s := d.Name + " in " + timeparse.Short(d.due().Sub(c.Now()))
		if repeats := d.Repeats(); repeats != "" {
			s += " (" + repeats + ")"
		}
		parts = append(parts, s)
	}
	return c.Say("⏳ %s", strings.Join(parts, "; ")), nil
}

func (k announcer) show(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Invalidf("say which one, for example %scountdown show movie", c.Prefix())
	}
	return k.shown(c, c.Command.Args[1:])
}

// shown tells of the countdown that the first word names, and if there is none how one is
// set: perhaps the further words say when.
func (k announcer) shown(c *plugins.Context, words []string) ([]event.Envelope, error) {
	name := words[0]
	id, err := resolve(c, name)
	if err != nil {
		return nil, err
	}
	var d Countdown
	err = c.DB(Collection).Get(id, &d)
	if event.CodeOf(err) == event.RecordNotFound || err == nil && d.Done {
		return nil, fmt.Errorf("%w, or to set it: %scountdown add %s", missing(c, name), c.Prefix(), example(words, c.Now()))
	}
	if err != nil {
		return nil, err
	}
	return c.Say("⏳ %s, set by %s", d.tell(c.Now()), d.By), nil
}

func (k announcer) remove(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Invalidf("say which one, for example %scountdown rm movie", c.Prefix())
	}
	name := c.Command.Args[1]
	id, err := resolve(c, name)
	if err != nil {
		return nil, err
	}
	var d Countdown
	return c.DB(Collection).Change(id, &d, func() ([]event.Envelope, error) {
		if d.Name == "" || d.Done {
			return nil, missing(c, name)
		}
		if c.Command.Rank < moderator && !strings.EqualFold(d.By, c.Command.User) {
			return nil, event.Errorf(event.PermissionDenied, "%s was set by %s: only they and moderators can remove it", d.Name, d.By)
		}
		d.Done = true
		return append(c.Say("🗑️ Removed the countdown %s", d.Name), c.Emit("removed", d.payload())...), nil
	})
}

func exists(c *plugins.Context, d Countdown) error {
	return event.Invalidf("there is a countdown %s already, due in %s: remove it first", d.Name, timeparse.Short(d.due().Sub(c.Now())))
}

func missing(c *plugins.Context, name string) error {
	return event.Errorf(event.RecordNotFound, "there is no countdown %s: see %scountdown list", plugins.Shorten(name, 40), c.Prefix())
}

// tell returns a countdown's remaining time and due date, as text.
func (d Countdown) tell(now time.Time) string {
	s := fmt.Sprintf("%s in %s, on %s", d.Name, timeparse.Short(d.due().Sub(now)), stamp(d.due()))
	if repeats := d.Repeats(); repeats != "" {
		s += ", then " + repeats
	}
	return s
}

func stamp(t time.Time) string {
	layout := "Mon 2006-01-02 15:04 "
	if t.Second() != 0 {
		layout = "Mon 2006-01-02 15:04:05 "
	}
	return t.Format(layout) + timeparse.ZoneName(t)
}

func (d Countdown) payload() map[string]any {
	p := map[string]any{"name": d.Name, "channel": d.Channel, "by": d.By, "due": d.Due}
	if repeats := d.Repeats(); repeats != "" {
		p["every"] = repeats
	}
	return p
}

// next returns when d is announced next after t, in Unix seconds. A time less than a
// second after t is skipped, since it may be t itself.
func (k announcer) next(d Countdown, t time.Time) int64 {
	times := []int64{d.Due}
	for _, m := range k.minus {
		if at := d.due().Add(-m); at.After(t.Add(time.Second)) {
			times = append(times, at.Unix())
		}
	}
	return slices.Min(times)
}

// example returns a name and a time to set a countdown with, of the typed words those that
// serve: NAME, NAME TIME or TIME.
func example(words []string, now time.Time) string {
	name, when := "movie", "2h30m"
	if _, err := timeparse.ParseSchedule(words, now.UTC()); err == nil {
		return name + " " + plugins.Shorten(strings.Join(words, " "), 60)
	}
	if n := utf8.RuneCountInString(words[0]); n > 0 && n <= MaxName {
		if name = words[0]; strings.Contains(name, " ") {
			name = `"` + name + `"`
		}
	}
	if _, err := timeparse.ParseSchedule(words[1:], now.UTC()); err == nil {
		when = plugins.Shorten(strings.Join(words[1:], " "), 60)
	}
	return name + " " + when
}
