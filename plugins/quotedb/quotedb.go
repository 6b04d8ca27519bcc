// Package quotedb is the plugin quote-db: it stores quotes.
package quotedb

import (
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "quote-db"

// The collection of quotes, and limits in characters.
const (
	Collection  = "quotes"
	MaxText     = 400
	MaxUserName = 40
)

// Quote is a record of the collection.
type Quote struct {
	ID        event.ID `json:"id"`
	Text      string   `json:"text" mark:"text"`
	User      string   `json:"user" mark:"person"` // who said it
	Timestamp int64    `json:"timestamp"`          // Unix seconds, when it was added
	AddedBy   string   `json:"added_by,omitempty" mark:"person"`
	Channel   string   `json:"channel,omitempty"`
	Event     string   `json:"event,omitempty"` // STREAM:SEQ of the command that added it
}

// Settings are the plugin's settings.
type Settings struct {
	MaxLength  int `json:"max_length" default:"400" min:"20" max:"400" jsonschema:"most characters of a quote"`
	AddRank    int `json:"add_rank" default:"0" min:"0" max:"255" jsonschema:"rank that may add quotes"`
	DeleteRank int `json:"delete_rank" default:"2" min:"0" max:"255" jsonschema:"rank that may delete others' quotes"`
}

// added and deleted are the payloads of the plugin's events.
type (
	added struct {
		ID      event.ID `json:"id"`
		Text    string   `json:"text" mark:"text"`
		User    string   `json:"user" mark:"person"`
		AddedBy string   `json:"added_by" mark:"person"`
		Channel string   `json:"channel"`
	}
	deleted struct {
		ID        event.ID `json:"id"`
		DeletedBy string   `json:"deleted_by" mark:"person"`
		Channel   string   `json:"channel"`
	}
)

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         Name,
		Version:      "1.0.0",
		Description:  "Remembers what people said",
		Concurrent:   false, // whether a quote is there is looked up before it is added
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM, event.CapabilityStorage},
		Collections:  map[string]any{Collection: Quote{}},
		Settings:     Settings{},
		Emits:        map[string]any{"quote_added": added{}, "quote_deleted": deleted{}},
		Commands: []plugins.Command{{
			Name:        "quote",
			Aliases:     []string{"q"},
			Usage:       "[NUMBER | add [<USER>] TEXT | search WORDS | by USER | count [USER] | delete NUMBER]",
			Description: "shows a quote, at random unless you say which, or adds, finds and deletes them",
			Handle:      quote,
		}},
		Requests: []plugins.Endpoint{{Handle: request}},
	}
}

// subcommands are the handlers by the word after !quote.
var subcommands = map[string]plugins.Handler{
	"add": add, "random": random, "search": search, "find": search, "by": by,
	"count": count, "stats": count, "delete": remove, "del": remove, "rm": remove,
}

func quote(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) == 0 {
		return random(c)
	}
	if handle, ok := subcommands[plugins.Fold(c.Command.Args[0])]; ok {
		return handle(c)
	}
	id, ok := number(c.Command.Args[0])
	if !ok {
		return nil, event.Errorf(event.InvalidInput, "I do not know quote %s: try %[2]squote 42, %[2]squote add TEXT, %[2]squote search WORDS or %[2]shelp quote", plugins.Shorten(c.Command.Args[0], 20), c.Prefix())
	}
	q, err := get(c, id)
	if err != nil {
		return nil, err
	}
	return c.Say("%s", q), nil
}

func random(c *plugins.Context) ([]event.Envelope, error) {
	q, err := pick(c, nil)
	if err != nil {
		return nil, err
	}
	return c.Say("%s", q), nil
}

func add(c *plugins.Context) ([]event.Envelope, error) {
	if need := plugins.SettingsOf[Settings](c).AddRank; c.Command.Rank < need {
		return nil, event.Errorf(event.PermissionDenied, "adding a quote needs rank %d, and yours is %d", need, c.Command.Rank)
	}
	user, text := attribution(c.Text(1))
	if user == "" {
		user = c.Command.User
	}
	q, err := insert(c, Quote{Text: text, User: user, AddedBy: c.Command.User, Channel: c.Command.Channel})
	if err != nil {
		return nil, err
	}
	return append(c.Say("📖 Added quote #%s", q.ID), c.Emit("quote_added", map[string]any{
		"id": q.ID, "text": q.Text, "user": q.User, "added_by": q.AddedBy, "channel": q.Channel,
	})...), nil
}

func search(c *plugins.Context) ([]event.Envelope, error) {
	words := slices.DeleteFunc(slices.Clone(c.Command.Args[1:]), func(w string) bool { return strings.TrimSpace(w) == "" })
	if len(words) == 0 {
		return nil, event.Errorf(event.InvalidInput, "say what to look for, for example %squote search hello", c.Prefix())
	}
	found, total, err := find(c, containing(words), maxListed)
	if err != nil {
		return nil, err
	}
	return list(c, found, total, "with "+plugins.Shorten(strings.Join(words, " "), 40))
}

func by(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Errorf(event.InvalidInput, "say whose quotes, for example %squote by alice", c.Prefix())
	}
	user := plugins.UserName(c.Command.Args[1])
	found, total, err := find(c, saidBy(user), maxListed)
	if err != nil {
		return nil, err
	}
	return list(c, found, total, "by "+plugins.Shorten(user, MaxUserName))
}

func count(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) > 1 {
		user := plugins.UserName(c.Command.Args[1])
		said, err := c.DB(Collection).Count(saidBy(user))
		if err != nil {
			return nil, err
		}
		added, err := c.DB(Collection).Count(like("added_by", user, ""))
		if err != nil {
			return nil, err
		}
		return c.Say("📖 %s: %s, added %d", plugins.Shorten(user, MaxUserName), english.Plural(said, "quote", ""), added), nil
	}
	total, users, err := tally(c)
	if err != nil {
		return nil, err
	}
	if total == 0 {
		return nil, none(c, "")
	}
	return c.Say("📖 %s: %s", english.Plural(total, "quote", ""), top(users, 5)), nil
}

// remove deletes a quote. The quoted user, the one who added it and moderators may.
func remove(c *plugins.Context) ([]event.Envelope, error) {
	if len(c.Command.Args) < 2 {
		return nil, event.Errorf(event.InvalidInput, "say which one, for example %squote delete 42", c.Prefix())
	}
	id, ok := number(c.Command.Args[1])
	if !ok {
		return nil, event.Errorf(event.InvalidInput, "%s is not a quote's number", plugins.Shorten(c.Command.Args[1], 20))
	}
	q, err := get(c, id)
	switch {
	case event.CodeOf(err) == event.RecordNotFound:
		// Perhaps this command deleted it before a crash: then Delete succeeds.
	case err != nil:
		return nil, err
	case c.Command.Rank < plugins.SettingsOf[Settings](c).DeleteRank && !strings.EqualFold(q.User, c.Command.User) && !strings.EqualFold(q.AddedBy, c.Command.User):
		return nil, event.Errorf(event.PermissionDenied, "quote #%s is not yours: whoever said or added it can delete it, and moderators", id)
	}
	if err := c.DB(Collection).Delete(id); err != nil {
		return nil, missing(err, id)
	}
	return append(c.Say("🗑️ Deleted quote #%s", id), c.Emit("quote_deleted", map[string]any{
		"id": id, "deleted_by": c.Command.User, "channel": c.Command.Channel,
	})...), nil
}

// String returns the quote as text for chat.
func (q Quote) String() string {
	s := "📖 #" + string(q.ID) + ": “" + q.Text + "”"
	if q.User != "" {
		s += " — " + q.User
	}
	if q.Timestamp > 0 {
		s += ", " + time.Unix(q.Timestamp, 0).UTC().Format(time.DateOnly)
	}
	return s
}
