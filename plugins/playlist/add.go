package playlist

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// parseAdd reads the arguments of !add: a link, and next and temp in any order.
func parseAdd(c *plugins.Context) (l medialink.Link, next, temp bool, err error) {
	var links []string
	for _, arg := range c.Command.Args {
		switch strings.ToLower(arg) {
		case "next":
			next = true
		case "temp":
			temp = true
		default:
			links = append(links, arg)
		}
	}
	if len(links) != 1 {
		return l, next, temp, usage(c, "add")
	}
	if l, err = medialink.ParseTyped(links[0]); err == nil && l.Type == "yp" {
		err = c.Refuse(event.InvalidInput, settings(c).WholeList, plugins.Values{"url": links[0]})
	}
	return l, next, temp, err
}

func add(c *plugins.Context) ([]event.Envelope, error) {
	l, next, temp, err := parseAdd(c)
	if err != nil {
		return nil, err
	}
	set := settings(c)
	s, err := c.State(plugins.Playlist, plugins.Playing, plugins.Users, plugins.Lock)
	if err != nil {
		return nil, err
	}
	a := newAsked(c, "add")
	a.URL, a.Type, a.Next, a.Exempt = channel.MediaURL(l.Type, l.ID), l.Type, next, c.Command.Rank >= set.ExemptRank
	a.Temp, a.Media = temp || set.Temporary && !a.Exempt, l.ID
	if err := check(c, set, s, a); err != nil {
		return nil, err
	}
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		if err := limits(c, set, s, &r, a); err != nil {
			return nil, err
		}
		if set.locks(s, a) {
			return r.wait(c, set, a)
		}
		return r.ask(a, a.queue(c)), nil
	})
}

// queue returns the send that adds what was asked for.
func (a asked) queue(c *plugins.Context) []event.Envelope {
	send := c.Ask(event.SubjectSendMediaQueue, event.SendMediaQueue{Type: a.Type, ID: a.Media}).For(a.User)
	if a.Next {
		send = send.Next()
	}
	if a.Temp {
		send = send.Temporarily()
	}
	return send.Events()
}

// check returns why something is not added, but for the limits of a person.
func check(c *plugins.Context, set Settings, s *plugins.State, a asked) error {
	if a.Next && c.Command.Rank < set.NextRank {
		return c.Refuse(event.PermissionDenied, set.NotNext, plugins.Values{"user": a.User, "rank": set.NextRank})
	}
	if why := banned(set.Banned, a.URL, a.User, ""); why != "" {
		return c.Refuse(event.PermissionDenied, set.NotPlayed, plugins.Values{"why": why, "title": ""})
	}
	if err := listed(c, s, a); err != nil {
		return err
	}
	if set.locks(s, a) && set.WhenLocked == lockedRefuse {
		return c.Refuse(event.PermissionDenied, set.Closed, plugins.Values{"user": a.User, "waiting": 0})
	}
	if a.Exempt || set.RepeatDays == 0 {
		return nil
	}
	var p played
	err := c.DB(Played).Get(playedID(a.URL, a.Type, c.Channel()), &p)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil
	}
	ago := c.Now().Sub(time.UnixMilli(p.At))
	if err == nil && ago < time.Duration(set.RepeatDays)*24*time.Hour {
		return c.Refuse(event.InvalidInput, set.Repeat, plugins.Values{"title": short(p.Title), "ago": ago.Round(time.Minute), "days": set.RepeatDays})
	}
	return err
}

// listed returns an error for media that are on the playlist already.
func listed(c *plugins.Context, s *plugins.State, a asked) error {
	for n, i := range s.Playlist {
		plays := n == s.Current()
		if i.URL == a.URL && i.Type == a.Type && (plays || !a.Next) {
			return c.Refuse(event.InvalidInput, settings(c).There, plugins.Values{"title": short(i.Title), "plays": plays})
		}
	}
	return nil
}
