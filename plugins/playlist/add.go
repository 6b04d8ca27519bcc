package playlist

import (
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

var bareID = regexp.MustCompile(`^[A-Za-z0-9_-]{11}$`)

// parseLink reads a link, or the ID of a YouTube video.
func parseLink(text string) (medialink.Link, error) {
	l, err := medialink.Parse(text)
	if err != nil && bareID.MatchString(text) {
		return medialink.Link{Type: "yt", ID: text}, nil
	}
	if err == nil && l.Type == "yp" {
		return l, event.Invalidf("that is a whole playlist: add its videos one by one, or have a moderator queue it on the site")
	}
	return l, err
}

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
		return l, next, temp, event.Invalidf("say what to add, one link, for example %sadd https://youtu.be/dQw4w9WgXcQ", c.Prefix())
	}
	l, err = parseLink(links[0])
	return l, next, temp, err
}

// add handles !add.
func add(c *plugins.Context) ([]event.Envelope, error) {
	l, next, temp, err := parseAdd(c)
	if err != nil {
		return nil, err
	}
	set := plugins.SettingsOf[Settings](c)
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
	var r room
	return change(c, &r, func() ([]event.Envelope, error) {
		if err := limits(set, s, &r, a); err != nil {
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
		return event.Errorf(event.PermissionDenied, "you may add, but not next: that needs rank %d", set.NextRank)
	}
	if why := banned(set.Banned, a.URL, a.User, ""); why != "" {
		return event.Errorf(event.PermissionDenied, "%s", why)
	}
	if err := listed(s, a); err != nil {
		return err
	}
	if set.locks(s, a) && set.WhenLocked == lockedRefuse {
		return event.Errorf(event.PermissionDenied, "the playlist is locked: only moderators add now")
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
		return event.Invalidf("%s played here %s ago: not again within %s", quoted(p.Title), timeparse.Short(ago.Round(time.Minute)), english.Plural(set.RepeatDays, "day", ""))
	}
	return err
}

// listed returns an error for media that are on the playlist already.
func listed(s *plugins.State, a asked) error {
	for n, i := range s.Playlist {
		switch {
		case i.URL != a.URL || i.Type != a.Type:
		case n == s.Current():
			return event.Invalidf("%s plays now", quoted(i.Title))
		case !a.Next:
			return event.Invalidf("%s is on the playlist already", quoted(i.Title))
		}
	}
	return nil
}
