package seen

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Box is a record of Boxes: the messages that wait for a user. Its ID is that of the Person.
type Box struct {
	Channel  string               `json:"channel"`
	User     string               `json:"user" mark:"person"`
	Messages map[string][]Message `json:"messages" mark:"person"` // by who wrote them; "" for notices of the bot
}

// Message is one that waits.
type Message struct {
	Number  int64  `json:"number"`
	Text    string `json:"text" mark:"text"`
	At      int64  `json:"at"`    // ms since the epoch
	Until   int64  `json:"until"` // when it expires
	Private bool   `json:"private,omitempty"`
}

// addressed is a message with who wrote it and whom it is for.
type addressed struct {
	Message
	from, to string
}

// all returns the messages, the oldest first.
func (b Box) all() (all []addressed) {
	for from, list := range b.Messages {
		for _, m := range list {
			all = append(all, addressed{m, from, b.User})
		}
	}
	slices.SortFunc(all, func(a, b addressed) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

func (b *Box) add(from string, m Message) {
	if b.Messages == nil {
		b.Messages = map[string][]Message{}
	}
	b.Messages[from] = append(b.Messages[from], m)
}

// remove removes messages and reports whether there were any.
func (b *Box) remove(which func(from string, m Message) bool) (any bool) {
	for from, list := range b.Messages {
		kept := slices.DeleteFunc(list, func(m Message) bool { return which(from, m) })
		any = any || len(kept) < len(list)
		if b.Messages[from] = kept; len(kept) == 0 {
			delete(b.Messages, from)
		}
	}
	return any
}

const maxText = 300 // characters

var validName = regexp.MustCompile(`^[\w-]{1,20}$`)

func tell(c *plugins.Context) ([]event.Envelope, error) {
	text := strings.Join(strings.Fields(c.Text(1)), " ")
	if len(c.Command.Args) < 2 || text == "" {
		return nil, usage(c, "tell alice the film was great")
	}
	s, to := plugins.SettingsOf[Settings](c), plugins.UserName(c.Command.Args[0])
	var known Person
	if err := c.DB(People).Get(key(c.Channel(), to), &known); err != nil && event.CodeOf(err) != event.RecordNotFound {
		return nil, err
	}
	wrong := func(t plugins.Text) error {
		return refuse(c, event.InvalidInput, t, plugins.Values{"user": plugins.Shorten(to, 20), "most": maxText, "length": len([]rune(text))})
	}
	switch {
	case !validName.MatchString(to):
		return nil, wrong(s.NoUser)
	case plugins.Fold(to) == plugins.Fold(c.Command.User):
		return nil, wrong(s.TellSelf)
	case known.Bot, ignored(s, to):
		return nil, wrong(s.TellBot)
	case len([]rune(text)) > maxText:
		return nil, wrong(s.TooLong)
	}
	waiting, err := own(c)
	if err != nil {
		return nil, err
	}
	m := Message{
		Number: int64(c.Event.Ref.Seq), Text: text, At: c.Now().UnixMilli(), Until: c.Now().Add(s.Expire).UnixMilli(), Private: c.Command.Private,
	}
	waiting = slices.DeleteFunc(waiting, func(w addressed) bool { return w.Number == m.Number }) // stored before a crash
	if len(waiting) >= s.MaxFrom {
		return nil, refuse(c, event.PluginError, s.TooMany, plugins.Values{"user": "", "n": len(waiting), "prefix": c.Prefix()})
	}
	var box Box
	out, err := c.DB(Boxes).Change(key(c.Channel(), to), &box, func() ([]event.Envelope, error) {
		if n := len(box.all()); n >= s.MaxTo {
			return nil, refuse(c, event.PluginError, s.TooMany, plugins.Values{"user": to, "n": n, "prefix": c.Prefix()})
		}
		box.Channel, box.User = strings.ToLower(c.Channel()), to
		box.add(c.Command.User, m)
		return c.SayText(s.Told, plugins.Values{"user": to}), nil
	})
	if err != nil {
		return nil, err
	}
	return out, c.After(s.Expire, "message-"+strconv.FormatInt(m.Number, 10), kindExpired, map[string]any{"user": to, "channel": c.Channel()})
}

// own returns the messages of the command's user that wait, the oldest first.
func own(c *plugins.Context) (all []addressed, err error) {
	var boxes []Box
	if _, err := c.DB(Boxes).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, Limit: maxNames}, &boxes); err != nil {
		return nil, err
	}
	for _, box := range boxes {
		all = append(all, slices.DeleteFunc(box.all(), func(m addressed) bool { return plugins.Fold(m.from) != plugins.Fold(c.Command.User) })...)
	}
	slices.SortFunc(all, func(a, b addressed) int { return cmp.Compare(a.Number, b.Number) })
	return all, nil
}

// tells lists messages; what was told privately only privately.
func tells(c *plugins.Context) ([]event.Envelope, error) {
	all, err := own(c)
	if err != nil {
		return nil, err
	}
	parts := []string{}
	for _, m := range all {
		text := plugins.Shorten(m.Text, 40)
		if m.Private && !c.Command.Private {
			text = "🔒"
		}
		parts = append(parts, fmt.Sprintf("#%d @%s: %s", m.Number, m.to, text))
	}
	return c.SayText(plugins.SettingsOf[Settings](c).Waiting, plugins.Values{"messages": parts}), nil
}

func untell(c *plugins.Context) ([]event.Envelope, error) {
	number := int64(-1)
	if len(c.Command.Args) == 1 {
		if n, err := strconv.ParseInt(strings.TrimPrefix(plugins.Fold(c.Command.Args[0]), "#"), 10, 64); err == nil {
			number = n
		}
	}
	if number < 0 {
		return nil, usage(c, "untell 812")
	}
	s := plugins.SettingsOf[Settings](c)
	var boxes []Box
	if _, err := c.DB(Boxes).Find(plugins.Query{Filter: map[string]any{"channel": strings.ToLower(c.Channel())}, Limit: maxNames}, &boxes); err != nil {
		return nil, err
	}
	for _, b := range boxes {
		var box Box
		out, err := c.DB(Boxes).Change(key(c.Channel(), b.User), &box, func() ([]event.Envelope, error) {
			if !box.remove(func(from string, m Message) bool {
				return m.Number == number && plugins.Fold(from) == plugins.Fold(c.Command.User)
			}) {
				return nil, nil
			}
			return c.SayText(s.TakenBack, plugins.Values{"user": b.User, "number": number}), nil
		})
		if err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, refuse(c, event.RecordNotFound, s.NoMessage, plugins.Values{"number": number})
}

func deliverOnLine(c *plugins.Context) ([]event.Envelope, error) {
	line, ok := c.Chat()
	if !ok || !counted(line.User) {
		return nil, nil
	}
	return deliver(c, line.Channel, line.User)
}

func deliverOnJoin(c *plugins.Context) ([]event.Envelope, error) {
	join, err := event.As[event.UserJoin](c.Event.Envelope)
	if err != nil || !counted(join.User) {
		return nil, err
	}
	return deliver(c, join.Channel, join.User)
}

// deliver empties the box of a user: once, whatever tells that they are back.
func deliver(c *plugins.Context, channel, user string) ([]event.Envelope, error) {
	var box Box
	s := plugins.SettingsOf[Settings](c)
	return c.DB(Boxes).Change(key(channel, user), &box, func() (out []event.Envelope, err error) {
		inChat := 0
		for _, m := range box.all() {
			if m.Until <= c.Now().UnixMilli() {
				continue
			}
			said := m.Text
			if m.from != "" {
				said = c.Render(s.Deliver, plugins.Values{"user": user, "from": m.from, "ago": c.Since(m.At), "text": m.Text})
			}
			if m.Private || inChat == s.InChat {
				out = append(out, c.PM(user, "%s", said)...)
				continue
			}
			inChat++
			out = append(out, c.SayIn(channel, "%s", said)...)
		}
		if len(out) > 0 {
			box.Messages = nil
		}
		return out, nil
	})
}

// expire takes the messages out of a box that nobody fetched in time, and leaves word of
// that to who wrote them.
func expire(c *plugins.Context) ([]event.Envelope, error) {
	var due messageDue
	if err := c.Decode(&due); err != nil {
		return nil, err
	}
	now := c.Now().Add(time.Second).UnixMilli() // a timer is due to the second
	var box Box
	if err := c.DB(Boxes).Get(key(due.Channel, due.User), &box); event.CodeOf(err) == event.RecordNotFound {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	expired := plugins.SettingsOf[Settings](c).Expired
	for _, m := range box.all() {
		if m.Until > now || m.from == "" {
			continue
		}
		var back Box
		_, err := c.DB(Boxes).Change(key(due.Channel, m.from), &back, func() ([]event.Envelope, error) {
			back.Channel, back.User = strings.ToLower(due.Channel), m.from
			if !slices.ContainsFunc(back.Messages[""], func(b Message) bool { return b.Number == m.Number }) {
				text := c.Render(expired, plugins.Values{"from": m.from, "user": box.User})
				back.add("", Message{Number: m.Number, Text: text, At: now, Until: now + m.Until - m.At, Private: m.Private})
			}
			return nil, nil
		})
		if err != nil {
			return nil, err
		}
	}
	_, err := c.DB(Boxes).Change(key(due.Channel, due.User), &box, func() ([]event.Envelope, error) {
		box.remove(func(_ string, m Message) bool { return m.Until <= now })
		return nil, nil
	})
	return nil, err
}
