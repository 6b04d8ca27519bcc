package playlist

import (
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/cytube/view"
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
		return l, event.Errorf(event.InvalidInput, "that is a whole playlist: add its videos one by one, or have a moderator queue it on the site")
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
		return l, next, temp, event.Errorf(event.InvalidInput, "say what to add, one link, for example %sadd https://youtu.be/dQw4w9WgXcQ", c.Prefix())
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
	if err := check(c, set, s, a); err != nil {
		return nil, err
	}
	send := c.Ask(event.SubjectSendMediaQueue, event.SendMediaQueue{Type: l.Type, ID: l.ID}).For(a.User)
	if next {
		send = send.Next()
	}
	if temp || set.Temporary && !a.Exempt {
		send = send.Temporarily()
	}
	var r room
	return change(c, &r, func() ([]event.Envelope, error) {
		if err := limits(set, s, &r, a); err != nil {
			return nil, err
		}
		r.ask(a)
		return send.Events(), nil
	})
}

// check returns why something is not added, but for the limits of a person.
func check(c *plugins.Context, set Settings, s *plugins.State, a asked) error {
	if a.Next && c.Command.Rank < set.NextRank {
		return event.Errorf(event.PermissionDenied, "you may add, but not next: that needs rank %d", set.NextRank)
	}
	if why := banned(set.Banned, a.URL, a.User, ""); why != "" {
		return event.Errorf(event.PermissionDenied, "%s", why)
	}
	for n, i := range s.Playlist {
		switch {
		case i.URL != a.URL || i.Type != a.Type:
		case n == s.Current():
			return event.Errorf(event.InvalidInput, "%s plays now", quoted(i.Title))
		case !a.Next:
			return event.Errorf(event.InvalidInput, "%s is on the playlist already", quoted(i.Title))
		}
	}
	if a.Exempt {
		return nil
	}
	if s.Lock != nil && *s.Lock {
		return event.Errorf(event.PermissionDenied, "the playlist is locked: only moderators add now")
	}
	if set.RepeatDays == 0 {
		return nil
	}
	var p played
	err := c.DB(Played).Get(playedID(a.URL, a.Type, c.Channel()), &p)
	if event.CodeOf(err) == event.RecordNotFound {
		return nil
	}
	ago := c.Now().Sub(time.UnixMilli(p.At))
	if err == nil && ago < time.Duration(set.RepeatDays)*24*time.Hour {
		return event.Errorf(event.InvalidInput, "%s played here %s ago: not again within %s", quoted(p.Title), timeparse.Short(ago.Round(time.Minute)), english.Plural(set.RepeatDays, "day", ""))
	}
	return err
}

// limits returns why a person may not add more. What was asked for and is not queued yet
// counts, too.
func limits(set Settings, s *plugins.State, r *room, a asked) error {
	if a.Exempt {
		return nil
	}
	self := person(set, a.User, a.Guest)
	items, seconds, hour := 0, 0, 0
	for _, i := range s.Playlist {
		if w := r.wishedBy(s, i); person(set, w.User, w.Guest) == self {
			items++
			seconds += i.Duration
		}
	}
	last := ""
	if n := len(s.Playlist); n > 0 {
		w := r.wishedBy(s, s.Playlist[n-1])
		last = "of " + person(set, w.User, w.Guest)
	}
	for _, w := range r.Wishes {
		if person(set, w.User, w.Guest) == self && w.At > a.At-time.Hour.Milliseconds() {
			hour++
		}
	}
	for _, other := range r.Asked {
		if other.Kind == "add" && !other.Done && other.At > a.At-5*time.Minute.Milliseconds() {
			last = "of " + person(set, other.User, other.Guest)
			if last == "of "+self {
				items++
				hour++
			}
		}
	}
	whose := "you have"
	if self == "" {
		whose = "guests have together"
	}
	switch {
	case set.MaxItems > 0 && items >= set.MaxItems:
		return event.Errorf(event.PermissionDenied, "%s %s on the playlist, which is the most: wait until one was played", whose, english.Plural(items, "item", ""))
	case set.MaxMinutes > 0 && seconds >= set.MaxMinutes*60:
		return event.Errorf(event.PermissionDenied, "%s %s on the playlist, which is the most: wait until one was played", whose, english.Plural(seconds/60, "minute", ""))
	case set.PerHour > 0 && hour >= set.PerHour:
		return event.Errorf(event.PermissionDenied, "%s added %s within the hour, which is the most", whose, english.Plural(hour, "item", ""))
	case set.TakeTurns && last == "of "+self:
		return event.Errorf(event.PermissionDenied, "the last item is yours: let somebody else add one first")
	}
	return nil
}

// unfit returns why an item that was added does not stay, as the server tells its title and
// length only then.
func unfit(set Settings, s *plugins.State, r *room, a asked, i view.Item) string {
	if why := banned(set.Banned, i.URL, a.User, i.Title); why != "" {
		return why
	}
	if a.Exempt {
		return ""
	}
	length := time.Duration(i.Duration) * time.Second
	switch {
	case i.Duration == 0 && (set.MaxLength > 0 || set.MaxMinutes > 0):
		return "it is live, or its length is not known, and the channel limits lengths"
	case length < set.MinLength && i.Duration > 0:
		return "it is " + clock(i.Duration) + " long, and the shortest allowed is " + timeparse.Short(set.MinLength)
	case set.MaxLength > 0 && length > set.MaxLength:
		return "it is " + clock(i.Duration) + " long, and the longest allowed is " + timeparse.Short(set.MaxLength)
	}
	seconds := 0
	self := person(set, a.User, a.Guest)
	for _, other := range s.Playlist {
		if w := r.wishedBy(s, other); person(set, w.User, w.Guest) == self {
			seconds += other.Duration
		}
	}
	if set.MaxMinutes > 0 && seconds > set.MaxMinutes*60 {
		return "with it you would have " + english.Plural(seconds/60, "minute", "") + " on the playlist, and the most is " + english.Plural(set.MaxMinutes, "minute", "")
	}
	return ""
}

// banned returns why media are not taken: an entry is a link, a user, a /regular expression/
// on title or link, or words of the title.
func banned(list []string, url, user, title string) string {
	for _, entry := range list {
		entry = strings.TrimSpace(entry)
		if pattern, ok := strings.CutPrefix(entry, "/"); ok && strings.HasSuffix(pattern, "/") && len(pattern) > 1 {
			re, err := regexp.Compile("(?i)" + strings.TrimSuffix(pattern, "/"))
			if err == nil && (re.MatchString(url) || title != "" && re.MatchString(title)) {
				return "that is not played here"
			}
			continue
		}
		if l, err := medialink.Parse(entry); err == nil {
			if channel.MediaURL(l.Type, l.ID) == url {
				return "that video is not played here"
			}
			continue
		}
		switch {
		case entry == "":
		case strings.EqualFold(strings.TrimPrefix(entry, "@"), user):
			return "you may not add here"
		case title != "" && strings.Contains(plugins.Fold(title), plugins.Fold(entry)):
			return "that is not played here"
		}
	}
	return ""
}
