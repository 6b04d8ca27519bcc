package seen

import (
	"slices"
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
	Channel  string `json:"channel"`
	User     string `json:"user" mark:"person"`
	First    int64  `json:"first"` // ms since the epoch
	Last     int64  `json:"last"`  // when they did anything
	SaidAt   int64  `json:"said_at,omitempty"`
	Said     string `json:"said,omitempty"` // the event of their last line that is no command
	Lines    int    `json:"lines"`
	Words    int    `json:"words"`
	Emotes   int    `json:"emotes"`
	Films    int    `json:"films"`    // that they queued and that were played
	Time     int64  `json:"time"`     // seconds in the channel
	Here     int64  `json:"here"`     // when they came, 0 while they are away
	Watched  int    `json:"watched"`  // films of which they saw the middle
	Watching int64  `json:"watching"` // seconds in the channel while something played
	CameAt   Played `json:"came_at"`  // what the channel had played when they came
	Day      int64  `json:"day"`      // of their last line, since the epoch
	Days     int    `json:"days"`     // in a row until that day
	Streak   int    `json:"streak"`   // most days in a row
	Bot      bool   `json:"bot"`      // it said what the bot sent
}

// Played is how much a channel has played, see Reel.
type Played struct {
	Films   int   `json:"films"`
	Seconds int64 `json:"seconds"`
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
	return c.DB(People).Change(key(channel, user), &p, func() ([]event.Envelope, error) {
		before := p
		p.Channel, p.User = strings.ToLower(channel), user
		ms := at.UnixMilli()
		if p.First == 0 || ms < p.First {
			p.First = ms
		}
		do(&p)
		p.Last = max(p.Last, ms)
		return achieved(c, before, p), nil
	})
}

// achieved returns what is said where a count has become a round number.
func achieved(c *plugins.Context, before, p Person) (out []event.Envelope) {
	s := plugins.SettingsOf[Settings](c)
	if !s.Achievements || p.Bot || ignored(s, p.User) {
		return nil
	}
	say := func(was, is int, of string, steps ...int) {
		for _, n := range steps {
			if was < n && is >= n {
				values := plugins.Values{"user": p.User, "what": humanize.Comma(int64(n)) + " " + of, "n": n, "of": of}
				out = append(out, c.SayText(s.Achieved, values)...)
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
	reel, err := reelOf(c, join.Channel)
	if err != nil {
		return nil, err
	}
	return change(c, join.Channel, join.User, c.Now(), func(p *Person) {
		if p.Here > 0 { // the bot did not see them go: they were here until they did something last
			p.Time += max(p.Last-p.Here, 0) / 1000
		}
		p.Here = c.Now().UnixMilli()
		p.CameAt.Films, p.CameAt.Seconds = reel.at(p.Here)
	})
}

func countLeave(c *plugins.Context) ([]event.Envelope, error) {
	leave, err := event.As[event.UserLeave](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	reel, err := reelOf(c, leave.Channel)
	if err != nil {
		return nil, err
	}
	return change(c, leave.Channel, leave.User, c.Now(), func(p *Person) {
		*p = p.until(c.Now().UnixMilli(), reel)
		p.Here = 0
	})
}

// until returns the person with the time up to now, if they are here.
func (p Person) until(now int64, reel Reel) Person {
	if p.Here == 0 || now < p.Here {
		return p
	}
	films, seconds := reel.at(now)
	p.Time += (now - p.Here) / 1000
	p.Watched += max(films-p.CameAt.Films, 0)
	p.Watching += max(seconds-p.CameAt.Seconds, 0)
	return p
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
	p.Time, p.Watched, p.Watching = p.Time+o.Time, p.Watched+o.Watched, p.Watching+o.Watching
	p.Streak, p.Bot = max(p.Streak, o.Streak), p.Bot || o.Bot
	return p
}
