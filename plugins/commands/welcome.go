package commands

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// calm is how long after a welcome, or after the bot has come back, nobody is welcomed: a wave of
// arrivals gets one line.
const calm = 20 * time.Second

// Visitor is a person who was in a channel, since the first event that is stored.
type Visitor struct {
	User     string `json:"user" mark:"person"`
	Channel  string `json:"channel"`
	First    int64  `json:"first"`    // ms
	Last     int64  `json:"last"`     // ms, when the person was there last
	Welcomed int64  `json:"welcomed"` // ms
}

// welcomed is what a channel is calm after.
type welcomed struct {
	Channel string `json:"channel"`
	Last    int64  `json:"last"` // ms, when somebody was welcomed, or the bot came
}

func join(c *plugins.Context) ([]event.Envelope, error) {
	var j event.UserJoin
	if err := c.Decode(&j); err != nil {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
	now := c.Now().UnixMilli()
	var w welcomed
	if err := c.DB(welcomes).Get(event.ID(strings.ToLower(j.Channel)), &w); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	speaks := s.Welcome && c.Waited() <= maxOld && now-w.Last >= calm.Milliseconds()
	var v Visitor
	out, err := c.DB(visitors).Change(recordID(j.Channel, j.User), &v, func() (out []event.Envelope, err error) {
		if speaks && (v.First == 0 || now-max(v.Last, v.Welcomed) >= s.WelcomeAgain.Milliseconds()) {
			if out, err = welcome(c, s, j, v); err != nil {
				return nil, err
			}
		}
		if len(out) > 0 {
			v.Welcomed = now
		}
		v.seen(j.User, j.Channel, now)
		return out, nil
	})
	if err != nil || v.Welcomed != now {
		return out, err
	}
	_, err = c.DB(welcomes).Set(event.ID(strings.ToLower(j.Channel)), welcomed{j.Channel, now})
	return out, err
}

// welcome returns what is said to a person who was here as a record says.
func welcome(c *plugins.Context, s Settings, j event.UserJoin, v Visitor) ([]event.Envelope, error) {
	channel, err := c.State(plugins.Users)
	isBot := func(name string) bool { return strings.EqualFold(name, j.User) }
	if err != nil || isBot(channel.BotName) || slices.ContainsFunc(s.Ignore, isBot) {
		return nil, err
	}
	away := c.Now().Sub(time.UnixMilli(v.Last))
	values := plugins.Values{"user": j.User, "rank": j.Rank, "channel": j.Channel, "prefix": c.Prefix()}
	if v.First == 0 {
		return c.SayText(s.First, values), nil
	}
	values["away"] = away
	if away >= s.BackAfter {
		return c.SayText(s.Back, values), nil
	}
	return c.SayText(s.Arrival, values), nil
}

func (v *Visitor) seen(user, channel string, at int64) {
	v.User, v.Channel, v.Last = user, channel, at
	if v.First == 0 {
		v.First = at
	}
}

func leave(c *plugins.Context) ([]event.Envelope, error) {
	var l event.UserLeave
	if err := c.Decode(&l); err != nil {
		return nil, err
	}
	return nil, saw(c, l.Channel, l.User)
}

// saw records that a person is there now.
func saw(c *plugins.Context, channel, user string) error {
	var v Visitor
	_, err := c.DB(visitors).Change(recordID(channel, user), &v, func() ([]event.Envelope, error) {
		v.seen(user, channel, c.Now().UnixMilli())
		return nil, nil
	})
	return err
}

// present handles the list of those who were in the channel when the bot came.
func present(c *plugins.Context) ([]event.Envelope, error) {
	var s event.State
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	var users []struct{ Name string }
	if s.Part != plugins.Users || json.Unmarshal(s.Value, &users) != nil {
		return nil, nil
	}
	for _, u := range users {
		if u.Name == "" {
			continue
		}
		if err := saw(c, s.Channel, u.Name); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// connected handles that the bot is in the channel again: who came while it was away is not
// welcomed.
func connected(c *plugins.Context) ([]event.Envelope, error) {
	var e event.Connection
	if err := c.Decode(&e); err != nil || e.State != "up" {
		return nil, err
	}
	_, err := c.DB(welcomes).Set(event.ID(strings.ToLower(e.Channel)), welcomed{e.Channel, c.Now().UnixMilli()})
	return nil, err
}
