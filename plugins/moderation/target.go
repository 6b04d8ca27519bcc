package moderation

import (
	"regexp"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

var (
	userName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,20}$`)
	// What is mistyped is not taken for a reason: that would be a ban without end.
	mistyped = regexp.MustCompile(`^[-+]?[0-9]+[.,]?[0-9]*[A-Za-z]+$`)
	ordinal  = regexp.MustCompile(`^(?i)[0-9]+(st|nd|rd|th)$`)
)

// longest is how long a ban or mute with an end may be.
const longest = 10 * 365 * 24 * time.Hour

// denied returns the error of what is not done to a user.
func denied(c *plugins.Context, why, user string, rank, own int) error {
	return c.Refuse(event.PermissionDenied, settings(c).TextDenied, plugins.Values{"why": why, "user": user, "rank": rank, "own": own})
}

// noTime returns the error of a time that a ban or mute does not last.
func noTime(c *plugins.Context, why, command, text string) error {
	return c.Refuse(event.InvalidInput, settings(c).TextNoTime, plugins.Values{"why": why, "command": command, "text": text})
}

// named returns the user whom the first argument names.
func named(c *plugins.Context, example string) (string, error) {
	values := plugins.Values{"text": "", "prefix": c.Prefix(), "command": c.Command.Command, "example": example}
	if len(c.Command.Args) == 0 {
		return "", c.Refuse(event.InvalidInput, settings(c).TextWhom, values)
	}
	user := plugins.UserName(c.Command.Args[0])
	if !userName.MatchString(user) {
		values["text"] = plugins.Shorten(c.Command.Args[0], 30)
		return "", c.Refuse(event.InvalidInput, settings(c).TextWhom, values)
	}
	return user, nil
}

// timed returns how long a ban or mute is to be, 0 without end, and the reason after that.
func timed(c *plugins.Context) (length time.Duration, reason string, err error) {
	if len(c.Command.Args) < 2 || !strings.ContainsAny(c.Command.Args[1][:min(1, len(c.Command.Args[1]))], "0123456789-+") {
		return 0, c.Text(1), nil
	}
	length, err = timeparse.Duration(c.Command.Args[1])
	switch {
	case err != nil && mistyped.MatchString(c.Command.Args[1]) && !ordinal.MatchString(c.Command.Args[1]):
		return 0, "", noTime(c, "none", c.Command.Command, plugins.Shorten(c.Command.Args[1], 20))
	case err != nil: // as in "3 warnings are enough"
		return 0, c.Text(1), nil //nolint:nilerr // it is no duration
	case length < time.Second:
		return 0, "", noTime(c, "short", c.Command.Command, c.Command.Args[1])
	case length > longest:
		return 0, "", noTime(c, "long", c.Command.Command, "")
	}
	return length, c.Text(2), nil
}

// target checks that the asker, and for what the bot does the bot, are above a user in rank,
// before anything is done, and returns the user's name as it is spelled.
func target(c *plugins.Context, user string, bot bool) (string, error) {
	s, err := c.State(plugins.Users, view.PartRanks)
	if err != nil {
		return "", err
	}
	if key(user) == key(s.BotName) {
		return "", denied(c, "bot", s.BotName, 0, 0)
	}
	if key(user) == key(c.Command.User) {
		return "", denied(c, "self", user, 0, 0)
	}
	user, rank, err := rankOf(c, s, user)
	switch {
	case err != nil:
		return "", err
	case rank >= c.Command.Rank:
		return "", denied(c, "yours", user, rank, c.Command.Rank)
	case bot && rank >= s.Bot().Rank && s.Bot().Rank >= 0:
		return "", denied(c, "mine", user, rank, s.Bot().Rank)
	}
	return user, nil
}

// rankOf returns a user's name as it is spelled, and the rank, which of one who is away is that
// of the channel's list, or the last that was seen.
func rankOf(c *plugins.Context, s *plugins.State, user string) (string, int, error) {
	if u, here := s.User(user); here {
		return u.Name, u.Rank, nil
	}
	var p Person
	if err := c.DB(People).Get(personID(c.Channel(), user), &p); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return user, 0, err
	}
	if p.Name != "" {
		user = p.Name
	}
	if s.Ranks == nil {
		return user, p.Rank, nil
	}
	for _, r := range s.Ranks {
		if key(r.Name) == key(user) {
			return user, int(r.Rank), nil
		}
	}
	return user, 0, nil
}
