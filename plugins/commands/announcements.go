package commands

import (
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

func removeAnnouncement(c *plugins.Context) ([]event.Envelope, error) {
	return changeAnnouncement(c, "announce rm rules", func(r *Announcements, i int) []event.Envelope {
		name := r.Items[i].Name
		r.Items = slices.Delete(r.Items, i, i+1)
		return did(c, changed{Action: "rm", What: "announcement", Name: name}, about(c, texts(c).TextAnnouncementRemoved, name, nil))
	})
}

// switchAnnouncements switches the announcement of a name, and those of a group of that name.
func switchAnnouncements(c *plugins.Context) ([]event.Envelope, error) {
	verb := plugins.Fold(c.Command.Args[0])
	if err := needs(c, 2, "announce "+verb+" rules"); err != nil {
		return nil, err
	}
	return changeAnnouncements(c, func(r *Announcements) ([]event.Envelope, error) {
		wanted := plugins.Fold(c.Command.Args[1])
		var names []string
		for i := range r.Items {
			a := &r.Items[i]
			if plugins.Fold(a.Name) != wanted && a.Group != wanted {
				continue
			}
			a.Off, a.Said, a.Line = verb == "off", c.Now().UnixMilli(), r.Lines
			names = append(names, a.Name)
		}
		if len(names) == 0 {
			return nil, noAnnouncement(c)
		}
		answer := c.Render(texts(c).TextSwitched, plugins.Values{
			"user": c.Command.User, "names": english.OxfordWordSeries(names, c.Render(texts(c).TextAnd, nil)), "count": len(names), "off": verb == "off",
		})
		return did(c, changed{Action: verb, What: "announcement", Name: strings.Join(names, ", ")}, answer), nil
	})
}

func noAnnouncement(c *plugins.Context) error {
	return missing(c, ofAnnouncements, c.Command.Args[1])
}

// groupAnnouncement puts an announcement into a group, or out of any. It is switched as the group is.
func groupAnnouncement(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 3, "announce group rules evening, or none"); err != nil {
		return nil, err
	}
	group, err := typedName(c, c.Command.Args[2])
	if err != nil {
		return nil, err
	}
	return changeAnnouncement(c, "", func(r *Announcements, i int) []event.Envelope {
		a := &r.Items[i]
		told := changed{Action: "group", What: "announcement", Name: a.Name, Text: group}
		if group == "none" {
			a.Group, told.Text = "", ""
			return did(c, told, about(c, texts(c).TextGrouped, a.Name, plugins.Values{"group": "", "state": a.state(c)}))
		}
		a.Group = group
		if of := slices.IndexFunc(r.Items, func(o Announcement) bool { return o.Group == group && o.Name != a.Name }); of >= 0 {
			a.Off = r.Items[of].Off
		}
		return did(c, told, about(c, texts(c).TextGrouped, a.Name, plugins.Values{"group": group, "state": a.state(c)}))
	})
}

// undoAnnouncements takes back the last change, or makes it again.
func undoAnnouncements(c *plugins.Context) ([]event.Envelope, error) {
	return changeAnnouncements(c, func(r *Announcements) ([]event.Envelope, error) {
		if r.Before == nil {
			return nil, unchanged(c, ofAnnouncements, "")
		}
		now := r.Items
		r.Items = r.Before
		for i := range r.Items { // what was announced since stays so
			a := &r.Items[i]
			a.Said, a.Line = c.Now().UnixMilli(), r.Lines
			if of := slices.IndexFunc(now, func(o Announcement) bool { return o.Name == a.Name }); of >= 0 {
				a.Said, a.Line, a.Count = now[of].Said, now[of].Line, now[of].Count
			}
		}
		answer := c.Render(texts(c).TextAnnouncementsUndone, plugins.Values{"user": c.Command.User, "announcements": r.list(c)})
		return did(c, changed{Action: "undo", What: "announcement"}, answer), nil
	})
}

func showAnnouncement(c *plugins.Context) ([]event.Envelope, error) {
	return changeAnnouncement(c, "announce show rules", func(r *Announcements, i int) []event.Envelope {
		a := r.Items[i]
		return c.Tell(plugins.Recipient{}, about(c, texts(c).TextAnnouncementShown, a.Name, plugins.Values{"state": a.state(c), "by": a.By, "text": a.Text}))
	})
}

// list returns the announcements with their states.
func (r *Announcements) list(c *plugins.Context) (all []string) {
	for _, a := range r.Items {
		all = append(all, c.Render(texts(c).TextAnnouncement, plugins.Values{"name": a.Name, "group": a.Group, "state": a.state(c)}))
	}
	slices.Sort(all)
	return all
}

func listAnnouncements(c *plugins.Context) ([]event.Envelope, error) {
	var r Announcements
	err := c.DB(announcements).Get(event.ID(strings.ToLower(c.Channel())), &r)
	if err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	s := plugins.SettingsOf[Settings](c)
	return c.SayText(s.TextAnnouncements, plugins.Values{"announcements": r.list(c), "off": !s.Announcements, "prefix": c.Prefix()}), nil
}
