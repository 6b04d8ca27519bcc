package playlist

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// votes are those to skip one item. The bot never says who voted.
type votes struct {
	Item   string   `json:"item" mark:"text"` // which: uid and URL
	Voters []string `json:"voters" mark:"person"`
	Passed bool     `json:"passed"`
	At     int64    `json:"at"` // ms, of the first
}

// entitled returns the persons who may vote, by the names of those who are there and not
// AFK. The bot is none of them.
func entitled(set Settings, s *plugins.State, asker string) map[string]string {
	persons := map[string]string{}
	for _, u := range s.Users {
		if name := strings.ToLower(u.Name); name == asker || !u.AFK && !strings.EqualFold(name, s.BotName) {
			persons[name] = person(set, u.Name, u.Rank < 1)
		}
	}
	return persons
}

// count returns how many votes there are of those who may vote, and how many are needed.
func (v votes) count(set Settings, persons map[string]string) (count, need int) {
	all, voted := map[string]bool{}, map[string]bool{}
	for name, p := range persons {
		all[p] = true
		if slices.Contains(v.Voters, name) {
			voted[p] = true
		}
	}
	return len(voted), max(1, (len(all)*set.SkipShare+99)/100)
}

// voteskip handles !voteskip. Votes go with the voter and with the film.
func voteskip(c *plugins.Context) ([]event.Envelope, error) {
	set := settings(c)
	s, err := look(c)
	if err != nil {
		return nil, err
	}
	if s.Playing == nil {
		return nil, nothingPlays(c)
	}
	name := strings.ToLower(c.Command.User)
	persons := entitled(set, s, name)
	if _, here := persons[name]; !here {
		return nil, c.Refuse(event.PermissionDenied, set.OnlyHere, plugins.Values{"user": c.Command.User})
	}
	item := s.Playing.URL
	if s.Playing.UID != nil {
		item = fmt.Sprint(*s.Playing.UID, " ", item)
	}
	a := newAsked(c, "voteskip")
	a.Title = s.Playing.Title
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		v := &r.Votes
		if v.Item != item {
			*v = votes{Item: item, At: a.At}
		}
		switch {
		case v.Passed:
			return c.SayText(set.Skipping, nil), nil
		case !slices.Contains(v.Voters, name):
			v.Voters = append(v.Voters, name)
		}
		count, need := v.count(set, persons)
		if count < need {
			return c.SayText(set.Votes, plugins.Values{"user": c.Command.User, "count": count, "need": need}), nil
		}
		v.Passed = true
		return r.ask(a, skipNow(c, s).Because("votes").Events()), nil
	})
}
