package seen

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// Person is a record of People: what one name did in one channel. Its ID is
// channel/name, folded.
type Person struct {
	Channel string `json:"channel"`
	User    string `json:"user" mark:"person"`
	First   int64  `json:"first"` // ms since the epoch
	Last    int64  `json:"last"`  // when they did anything
	SaidAt  int64  `json:"said_at,omitempty"`
	Said    string `json:"said,omitempty"` // the event of their last line that is no command
	Lines   int    `json:"lines"`
	Words   int    `json:"words"`
	Emotes  int    `json:"emotes"`
	Films   int    `json:"films"`  // that they queued and that were played
	Time    int64  `json:"time"`   // seconds in the channel
	Here    int64  `json:"here"`   // when they came, 0 while they are away
	Day     int64  `json:"day"`    // of their last line, since the epoch
	Days    int    `json:"days"`   // in a row until that day
	Streak  int    `json:"streak"` // most days in a row
	Bot     bool   `json:"bot"`    // it said what the bot sent
}

// key returns the ID of what is stored of a user in a channel.
func key(channel, user string) event.ID {
	return event.ID(strings.ToLower(channel) + "/" + plugins.Fold(user))
}

// counted reports whether what a user does is counted: not that of the server and the anonymous.
func counted(user string) bool { return user != "" && !strings.HasPrefix(user, "[") }

// ignored reports whether the settings leave a user out.
func ignored(s Settings, user string) bool {
	return slices.ContainsFunc(s.Ignore, func(name string) bool { return plugins.Fold(name) == plugins.Fold(user) })
}

// change changes what is known of a user, once for the event being handled.
func change(c *plugins.Context, channel, user string, at time.Time, do func(*Person)) ([]event.Envelope, error) {
	if !counted(user) {
		return nil, nil
	}
	var p Person
	s := plugins.SettingsOf[Settings](c)
	return c.DB(People).Change(key(channel, user), &p, func() ([]event.Envelope, error) {
		before := p
		p.Channel, p.User = strings.ToLower(channel), user
		ms := at.UnixMilli()
		if p.First == 0 || ms < p.First {
			p.First = ms
		}
		do(&p)
		p.Last = max(p.Last, ms)
		if !s.Achievements || p.Bot || ignored(s, user) {
			return nil, nil
		}
		return achieved(c, s, before, p), nil
	})
}

// achieved returns what is said where a count has become a round number.
func achieved(c *plugins.Context, s Settings, before, p Person) (out []event.Envelope) {
	say := func(was, is int, what string, steps ...int) {
		for _, n := range steps {
			if was < n && is >= n {
				out = append(out, c.SayText(s.Achieved, plugins.Values{"user": p.User, "what": humanize.Comma(int64(n)) + " " + what})...)
			}
		}
	}
	say(before.Lines, p.Lines, "lines", 100, 1_000, 10_000, 100_000, 1_000_000)
	say(before.Streak, p.Streak, "days in a row", 7, 30, 100, 365)
	say(before.Films, p.Films, "films played", 10, 100, 1_000)
	return out
}

const day = 24 * time.Hour

func countLine(c *plugins.Context) ([]event.Envelope, error) {
	line, err := event.As[event.Chat](c.Event.Envelope)
	if err != nil || line.Rank < 0 || string(line.Extra["shadow"]) == "true" {
		return nil, err
	}
	// The echo of the bot's own line has the send as its cause.
	cause, caused := c.Event.Causation()
	own := caused && cause.Stream == streams.Cytube
	at := c.Typed(line)
	if c.Event.Metadata[event.MetaBackfill] == true {
		at = time.UnixMilli(line.Time)
	}
	return change(c, line.Channel, line.User, at, func(p *Person) {
		p.Bot = p.Bot || own
		p.Lines++
		p.Words += len(strings.Fields(line.Message))
		p.Emotes += strings.Count(line.HTML, "channel-emote")
		if ms := at.UnixMilli(); ms >= p.SaidAt && !strings.HasPrefix(line.Message, c.Prefix()) {
			p.SaidAt, p.Said = ms, c.Event.Ref.String()
		}
		if string(line.Extra["action"]) == "true" {
			p.Emotes++
		}
		switch today := at.Unix() / int64(day.Seconds()); {
		case today == p.Day+1:
			p.Day, p.Days = today, p.Days+1
		case today > p.Day:
			p.Day, p.Days = today, 1
		}
		p.Streak = max(p.Streak, p.Days)
	})
}

func countJoin(c *plugins.Context) ([]event.Envelope, error) {
	join, err := event.As[event.UserJoin](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	return change(c, join.Channel, join.User, c.Now(), func(p *Person) {
		p.away(p.Last) // where the bot did not see them go, they were here until they did something last
		p.Here = c.Now().UnixMilli()
	})
}

func countLeave(c *plugins.Context) ([]event.Envelope, error) {
	leave, err := event.As[event.UserLeave](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	return change(c, leave.Channel, leave.User, c.Now(), func(p *Person) { p.away(c.Now().UnixMilli()) })
}

// away ends the time in the channel.
func (p *Person) away(at int64) {
	if p.Here > 0 && at > p.Here {
		p.Time += (at - p.Here) / 1000
	}
	p.Here = 0
}

func countFilm(c *plugins.Context) ([]event.Envelope, error) {
	m, err := event.As[event.MediaChange](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	var p Person
	if !counted(m.QueuedBy) {
		return nil, nil
	}
	// That an item of theirs plays does not show that they are here.
	return c.DB(People).Change(key(m.Channel, m.QueuedBy), &p, func() ([]event.Envelope, error) {
		if p.First == 0 {
			return nil, nil
		}
		before := p
		p.Films++
		s := plugins.SettingsOf[Settings](c)
		if !s.Achievements || p.Bot || ignored(s, p.User) {
			return nil, nil
		}
		return achieved(c, s, before, p), nil
	})
}

// add adds what another name did.
func (p Person) add(o Person) Person {
	if o.First == 0 {
		return p
	}
	if p.First == 0 || o.First < p.First {
		p.First = o.First
	}
	if p.Channel == "" {
		p.Channel = o.Channel
	}
	if o.SaidAt > p.SaidAt {
		p.SaidAt, p.Said = o.SaidAt, o.Said
	}
	p.Last, p.Here = max(p.Last, o.Last), max(p.Here, o.Here)
	p.Lines, p.Words, p.Emotes, p.Films = p.Lines+o.Lines, p.Words+o.Words, p.Emotes+o.Emotes, p.Films+o.Films
	p.Time, p.Streak, p.Bot = p.Time+o.Time, max(p.Streak, o.Streak), p.Bot || o.Bot
	return p
}

// seconds returns how long they were here until now.
func (p Person) seconds(now time.Time) int64 {
	if p.Here == 0 {
		return p.Time
	}
	return p.Time + max(now.UnixMilli()-p.Here, 0)/1000
}

// span returns a time in the channel.
func span(seconds int64) string {
	switch d := time.Duration(seconds) * time.Second; {
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 2*day:
		return strconv.Itoa(int(d.Hours())) + "h"
	default:
		return strconv.Itoa(int(d/day)) + " days"
	}
}
