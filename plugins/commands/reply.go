package commands

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// maxPattern is how many characters a pattern may have.
const maxPattern = 200

// Replies are those of a channel.
type Replies struct {
	Channel string  `json:"channel"`
	Items   []Reply `json:"items"`
	Before  []Reply `json:"before"` // the last change by a command, null if there was none
}

// Reply is what is said to lines that a pattern matches.
type Reply struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern" mark:"text"`
	Text    string `json:"text" mark:"text"`
	By      string `json:"by" mark:"person"`
	Said    int64  `json:"said"` // ms, when it was said last
}

const (
	replyUsage = `reply add discord "discord|dis cord" We are at …`
	replyWords = "show, list, rm, undo"
)

func replyVerbs() map[string]plugins.Handler {
	return map[string]plugins.Handler{
		"add": addReply, "rm": removeReply, "remove": removeReply, "delete": removeReply, "del": removeReply,
		"undo": undoReplies, "show": showReply, "list": listReplies, "ls": listReplies,
	}
}

// compile returns a pattern as it is matched: whole words, in any case.
func compile(c *plugins.Context, pattern string) (*regexp.Regexp, error) {
	const edge = `[^\pL\pN_]`
	bad := func(most int, reason string) error {
		reason = strings.TrimPrefix(reason, "error parsing regexp: ")
		return c.Refuse(event.InvalidInput, texts(c).TextBadPattern, plugins.Values{"most": most, "reason": reason})
	}
	re, err := regexp.Compile(pattern)
	switch {
	case utf8.RuneCountInString(pattern) > maxPattern:
		return nil, bad(maxPattern, "")
	case err != nil:
		return nil, bad(0, err.Error())
	case re.MatchString(""):
		return nil, bad(0, "")
	}
	whole, err := regexp.Compile("(?i)(?:^|" + edge + ")(" + pattern + ")(?:$|" + edge + ")")
	if err != nil {
		return nil, bad(0, err.Error())
	}
	return whole, nil
}

func addReply(c *plugins.Context) ([]event.Envelope, error) {
	if err := needs(c, 4, replyUsage); err != nil {
		return nil, err
	}
	name, err := typedName(c, c.Command.Args[1])
	if err != nil {
		return nil, err
	}
	pattern := c.Command.Args[2]
	if _, err := compile(c, pattern); err != nil {
		return nil, err
	}
	text, err := checkText(c, tail(c, 3), ofReply)
	if err != nil {
		return nil, err
	}
	return changeReplies(c, func(r *Replies) ([]event.Envelope, error) {
		if r.find(name) >= 0 {
			return nil, taken(c, ofReplies, name)
		}
		if len(r.Items) >= maxItems {
			return nil, full(c, "replies", maxItems)
		}
		r.Items = append(r.Items, Reply{Name: name, Pattern: pattern, Text: text, By: c.Command.User})
		slices.SortFunc(r.Items, func(a, b Reply) int { return strings.Compare(a.Name, b.Name) })
		return did(c, changed{Action: "add", What: "reply", Name: name, Text: text}, about(c, texts(c).TextReplying, name, plugins.Values{"pattern": pattern})), nil
	})
}

func changeReplies(c *plugins.Context, do func(r *Replies) ([]event.Envelope, error)) ([]event.Envelope, error) {
	var r Replies
	return c.DB(replies).Change(event.ID(strings.ToLower(c.Channel())), &r, func() ([]event.Envelope, error) {
		if len(r.Items) == 0 && c.Command.Command == "" {
			return nil, nil
		}
		r.Channel = c.Channel()
		before := append([]Reply{}, r.Items...)
		out, err := do(&r)
		if c.Command.Command != "" && !slices.Equal(before, r.Items) {
			r.Before = before
		}
		return out, err
	})
}

// undoReplies takes back the last change, or makes it again.
func undoReplies(c *plugins.Context) ([]event.Envelope, error) {
	return changeReplies(c, func(r *Replies) ([]event.Envelope, error) {
		if r.Before == nil {
			return nil, unchanged(c, ofReplies, "")
		}
		r.Items = r.Before
		answer := c.Render(texts(c).TextRepliesUndone, plugins.Values{"user": c.Command.User, "replies": r.list()})
		return did(c, changed{Action: "undo", What: "reply"}, answer), nil
	})
}

// list returns the replies with their patterns.
func (r *Replies) list() (all []string) {
	for _, a := range r.Items {
		all = append(all, a.Name+" ("+a.Pattern+")")
	}
	return all
}

func (r *Replies) find(name string) int {
	return slices.IndexFunc(r.Items, func(a Reply) bool { return plugins.Fold(a.Name) == plugins.Fold(name) })
}

// changeReply changes the reply that a command names.
func changeReply(c *plugins.Context, example string, do func(r *Replies, i int) []event.Envelope) ([]event.Envelope, error) {
	if err := needs(c, 2, example); err != nil {
		return nil, err
	}
	return changeReplies(c, func(r *Replies) ([]event.Envelope, error) {
		i := r.find(c.Command.Args[1])
		if i < 0 {
			return nil, missing(c, ofReplies, c.Command.Args[1])
		}
		return do(r, i), nil
	})
}

func removeReply(c *plugins.Context) ([]event.Envelope, error) {
	return changeReply(c, "reply rm discord", func(r *Replies, i int) []event.Envelope {
		name := r.Items[i].Name
		r.Items = slices.Delete(r.Items, i, i+1)
		return did(c, changed{Action: "rm", What: "reply", Name: name}, about(c, texts(c).TextReplyRemoved, name, nil))
	})
}

func showReply(c *plugins.Context) ([]event.Envelope, error) {
	return changeReply(c, "reply show discord", func(r *Replies, i int) []event.Envelope {
		a := r.Items[i]
		return c.Tell(plugins.Recipient{}, about(c, texts(c).TextReplyShown, a.Name, plugins.Values{"by": a.By, "pattern": a.Pattern, "text": a.Text}))
	})
}

func listReplies(c *plugins.Context) ([]event.Envelope, error) {
	var r Replies
	err := c.DB(replies).Get(event.ID(strings.ToLower(c.Channel())), &r)
	if err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	return c.SayText(texts(c).TextReplies, plugins.Values{"replies": r.list(), "prefix": c.Prefix()}), nil
}

// hear handles a line of the channel.
func hear(c *plugins.Context) ([]event.Envelope, error) {
	line, ok := c.Chat()
	s := plugins.SettingsOf[Settings](c)
	ignored := slices.ContainsFunc(s.Ignore, func(name string) bool { return strings.EqualFold(name, line.User) })
	if !ok || ignored {
		return nil, nil
	}
	var out []event.Envelope
	var err error
	if s.Announcements {
		if out, err = announce(c); err != nil {
			return nil, err
		}
	}
	if _, _, command := router.ParseCommand(line.Message, c.Prefix()); command || !s.Replies {
		return out, nil
	}
	said, err := replyTo(c, line, s)
	return append(out, said...), err
}

// replyTo returns the first reply that matches a line and was not said a short while ago.
func replyTo(c *plugins.Context, line event.Chat, s Settings) ([]event.Envelope, error) {
	return changeReplies(c, func(r *Replies) ([]event.Envelope, error) {
		for i := range r.Items {
			a := &r.Items[i]
			if c.Now().UnixMilli()-a.Said < s.ReplyCooldown.Milliseconds() {
				continue
			}
			re, err := compile(c, a.Pattern)
			if err != nil {
				continue // erased with its author
			}
			groups := re.FindStringSubmatch(line.Message)
			if groups == nil {
				continue
			}
			a.Said = c.Now().UnixMilli()
			text, err := a.render(c, line, groups)
			if event.CodeOf(err) == event.PluginError {
				c.Log.WarnContext(c, "reply not said", "name", a.Name, "channel", c.Channel(), "error", event.Personal(err.Error()))
				return nil, nil
			}
			if err != nil || text == "" {
				return nil, err
			}
			return c.Say("%s", text), nil
		}
		return nil, nil
	})
}

func (a Reply) render(c *plugins.Context, line event.Chat, groups []string) (string, error) {
	t, err := parse(c, a.Text, ofReply)
	if err != nil {
		return "", err
	}
	values := plugins.Values{"user": line.User, "rank": line.Rank, "text": line.Message, "match": groups[1]}
	for i := range 3 {
		value := ""
		if i+2 < len(groups) {
			value = groups[i+2]
		}
		values["group"+strconv.Itoa(i+1)] = value
	}
	return render(c, t, values)
}
