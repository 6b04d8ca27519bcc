package playlist

import (
	"regexp"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// share is what one person has of the playlist.
type share struct {
	items, seconds int
	hour           int  // items that were added within the hour
	last           bool // the last item is of the person
}

// shareOf counts what the person who asks has: what is on the playlist, and what was asked for
// or waits and is not there yet, so that several adds at once do not pass together.
func (r *record) shareOf(set Settings, s *plugins.State, a asked) (has share) {
	self := person(set, a.User, a.Guest)
	hourAgo := a.At - time.Hour.Milliseconds()
	for _, i := range s.Playlist {
		w := r.wishedBy(s, i)
		if has.last = person(set, w.User, w.Guest) == self; has.last {
			has.items++
			has.seconds += i.Duration
		}
	}
	for _, w := range r.Wishes {
		if person(set, w.User, w.Guest) == self && w.At > hourAgo {
			has.hour++
		}
	}
	for _, other := range r.pending(a.At) {
		if has.last = person(set, other.User, other.Guest) == self; has.last {
			has.items++
			if other.At > hourAgo {
				has.hour++
			}
		}
	}
	return has
}

// pending returns the adds whose outcome is not known, and those that wait, in order.
func (r *record) pending(at int64) (all []asked) {
	for _, a := range r.Asked {
		if a.Kind == "add" && !a.Done && a.At > at-5*time.Minute.Milliseconds() {
			all = append(all, a)
		}
	}
	for _, w := range r.Waiting {
		all = append(all, w.Asked)
	}
	return all
}

// limits returns why a person may not add more.
func limits(c *plugins.Context, set Settings, s *plugins.State, r *record, a asked) error {
	if a.Exempt {
		return nil
	}
	has := r.shareOf(set, s, a)
	reached := func(of string, count int) error {
		return c.Refuse(event.PermissionDenied, set.Limit, plugins.Values{"of": of, "guests": person(set, a.User, a.Guest) == "", "count": count})
	}
	switch {
	case set.MaxItems > 0 && has.items >= set.MaxItems:
		return reached("items", has.items)
	case set.MaxMinutes > 0 && has.seconds >= set.MaxMinutes*60:
		return reached("minutes", has.seconds/60)
	case set.PerHour > 0 && has.hour >= set.PerHour:
		return reached("hour", has.hour)
	case set.TakeTurns && has.last:
		return reached("turns", 0)
	}
	return nil
}

// unfit returns why an item that was added does not stay, as the server tells its title and
// length only then.
func unfit(c *plugins.Context, set Settings, s *plugins.State, r *record, a asked, i view.Item) string {
	if why := banned(set.Banned, i.URL, a.User, i.Title); why != "" {
		return c.Render(set.NotPlayed, plugins.Values{"why": why, "title": short(i.Title)})
	}
	if a.Exempt {
		return ""
	}
	length := time.Duration(i.Duration) * time.Second
	why := func(why string, most time.Duration, minutes int) string {
		return c.Render(set.Unfit, plugins.Values{"why": why, "length": clock(i.Duration), "most": most, "minutes": minutes, "max_minutes": set.MaxMinutes})
	}
	switch {
	case i.Duration == 0 && (set.MaxLength > 0 || set.MaxMinutes > 0):
		return why("live", 0, 0)
	case length < set.MinLength && i.Duration > 0:
		return why("short", set.MinLength, 0)
	case set.MaxLength > 0 && length > set.MaxLength:
		return why("long", set.MaxLength, 0)
	}
	if seconds := r.shareOf(set, s, a).seconds; set.MaxMinutes > 0 && seconds > set.MaxMinutes*60 {
		return why("much", 0, seconds/60)
	}
	return ""
}

// banned returns why media are not taken, as the text text_banned has it: an entry is a link, a user, a /regular expression/
// on title or link, or words of the title.
func banned(list []string, url, user, title string) string {
	for _, entry := range list {
		entry = strings.TrimSpace(entry)
		if pattern, ok := strings.CutPrefix(entry, "/"); ok && strings.HasSuffix(pattern, "/") && len(pattern) > 1 {
			re, err := regexp.Compile("(?i)" + strings.TrimSuffix(pattern, "/"))
			if err == nil && (re.MatchString(url) || title != "" && re.MatchString(title)) {
				return "title"
			}
			continue
		}
		if l, err := medialink.Parse(entry); err == nil {
			if channel.MediaURL(l.Type, l.ID) == url {
				return "link"
			}
			continue
		}
		switch {
		case entry == "":
		case strings.EqualFold(strings.TrimPrefix(entry, "@"), user):
			return "user"
		case title != "" && strings.Contains(plugins.Fold(title), plugins.Fold(entry)):
			return "title"
		}
	}
	return ""
}
