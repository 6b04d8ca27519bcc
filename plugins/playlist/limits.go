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

// share is what one person has of the playlist.
type share struct {
	items, seconds int
	hour           int  // items that were added within the hour
	last           bool // the last item is of the person
}

// shareOf counts what the person who asks has: what is on the playlist, and what was asked for
// or waits and is not there yet, so that several adds at once do not pass together.
func (r *room) shareOf(set Settings, s *plugins.State, a asked) (has share) {
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
func (r *room) pending(at int64) (all []asked) {
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
func limits(set Settings, s *plugins.State, r *room, a asked) error {
	if a.Exempt {
		return nil
	}
	has := r.shareOf(set, s, a)
	whose := "you have"
	if person(set, a.User, a.Guest) == "" {
		whose = "guests have together"
	}
	switch {
	case set.MaxItems > 0 && has.items >= set.MaxItems:
		return event.Errorf(event.PermissionDenied, "%s %s on the playlist, which is the most: wait until one was played", whose, english.Plural(has.items, "item", ""))
	case set.MaxMinutes > 0 && has.seconds >= set.MaxMinutes*60:
		return event.Errorf(event.PermissionDenied, "%s %s on the playlist, which is the most: wait until one was played", whose, english.Plural(has.seconds/60, "minute", ""))
	case set.PerHour > 0 && has.hour >= set.PerHour:
		return event.Errorf(event.PermissionDenied, "%s added %s within the hour, which is the most", whose, english.Plural(has.hour, "item", ""))
	case set.TakeTurns && has.last:
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
	if seconds := r.shareOf(set, s, a).seconds; set.MaxMinutes > 0 && seconds > set.MaxMinutes*60 {
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
