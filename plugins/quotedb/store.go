package quotedb

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// maxListed is the most quotes that a list names.
const maxListed = 8

// page is the page size for reading all records.
const page = 1000

func get(c *plugins.Context, id event.ID) (Quote, error) {
	var q Quote
	err := c.DB(Collection).Get(id, &q)
	return q, missing(err, id)
}

// missing replaces a RECORD_NOT_FOUND error by the contract's.
func missing(err error, id event.ID) error {
	if event.CodeOf(err) != event.RecordNotFound {
		return err
	}
	return event.Errorf(event.RecordNotFound, "Quote #%s not found", id).With("collection", Collection).With("id", id)
}

func none(c *plugins.Context, what string) error {
	if what == "" {
		return event.Errorf(event.RecordNotFound, "there are no quotes yet: add one with %squote add TEXT", c.Prefix()).With("collection", Collection)
	}
	return event.Errorf(event.RecordNotFound, "there are no quotes %s", what).With("collection", Collection)
}

func pick(c *plugins.Context, filter map[string]any) (Quote, error) {
	total, err := c.DB(Collection).Count(filter)
	if err != nil {
		return Quote{}, err
	}
	// One may be deleted between the two requests, or not be a quote.
	first := c.Rand().IntN(max(total, 1))
	for i := range total {
		var found []Quote
		if _, err := c.DB(Collection).Find(plugins.Query{Filter: filter, OrderBy: "id", Limit: 1, Offset: (first + i) % total}, &found); err != nil {
			return Quote{}, err
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	return Quote{}, none(c, "")
}

// insert adds a quote unless it exists. A redelivered command gets the quote that its
// first attempt added.
func insert(c *plugins.Context, q Quote) (Quote, error) {
	q.Text = strings.Join(strings.Fields(q.Text), " ")
	q.Timestamp, q.Event = c.Now().Unix(), c.Event.Ref.String()
	limit := plugins.SettingsOf[Settings](c).MaxLength
	switch n := utf8.RuneCountInString(q.Text); {
	case n == 0:
		return Quote{}, event.Errorf(event.InvalidInput, "say what to remember, for example %squote add <bob> I meant to do that", c.Prefix()).With("field", "text")
	case n > limit:
		return Quote{}, event.Errorf(event.InvalidInput, "a quote has at most %d characters, and that has %d", limit, n).With("field", "text")
	case utf8.RuneCountInString(q.User) > MaxUserName:
		return Quote{}, event.Errorf(event.InvalidInput, "a name has at most %d characters", MaxUserName).With("field", "user")
	}
	var same []Quote
	if _, err := c.DB(Collection).Find(plugins.Query{Filter: map[string]any{"text": q.Text, "$and": []any{saidBy(q.User)}}, Limit: 1}, &same); err != nil {
		return Quote{}, err
	}
	if len(same) > 0 && q.Event != "" && same[0].Event == q.Event {
		return same[0], nil // added by this command before a crash
	}
	if len(same) > 0 {
		return Quote{}, event.Errorf(event.PluginError, "that is quote #%s already", same[0].ID)
	}
	id, err := c.DB(Collection).Add(q)
	q.ID = id
	return q, err
}

func find(c *plugins.Context, filter map[string]any, limit int) (found []Quote, total int, err error) {
	total, err = c.DB(Collection).Find(plugins.Query{Filter: filter, OrderBy: "timestamp DESC, id DESC", Limit: limit}, &found)
	return found, total, err
}

func containing(words []string) map[string]any {
	var all []map[string]any
	for _, w := range words {
		all = append(all, like("text", w, "%"))
	}
	return map[string]any{"$and": all}
}

func saidBy(user string) map[string]any {
	return like("user", user, "")
}

// like matches a field that is text, or contains it between wildcards, in any of the forms
// in which people type it.
func like(field, text, wildcard string) map[string]any {
	return map[string]any{field: map[string]any{"$alike": wildcard + escapes.Replace(plugins.Fold(text)) + wildcard}}
}

// escapes escapes text for a $alike pattern.
var escapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// tally counts quotes by the quoted user, case-insensitively.
func tally(c *plugins.Context) (total int, users map[string]int, err error) {
	users = map[string]int{}
	spelled := map[string]string{}
	for offset := 0; ; offset += page {
		var found []Quote
		if total, err = c.DB(Collection).Find(plugins.Query{OrderBy: "id", Limit: page, Offset: offset}, &found); err != nil {
			return 0, nil, err
		}
		for _, q := range found {
			key := strings.ToLower(q.User)
			if spelled[key] == "" {
				spelled[key] = q.User
			}
			users[spelled[key]]++
		}
		if offset+page >= total {
			return total, users, nil
		}
	}
}

func top(users map[string]int, n int) string {
	names := slices.SortedFunc(maps.Keys(users), func(a, b string) int {
		return cmp.Or(users[b]-users[a], strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names[:min(n, len(names))] {
		parts = append(parts, fmt.Sprintf("%s %d", name, users[name]))
	}
	if more := len(names) - n; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// list returns a message with the newest quote found and the numbers of others.
func list(c *plugins.Context, found []Quote, total int, what string) ([]event.Envelope, error) {
	if total == 0 || len(found) == 0 {
		return nil, none(c, what)
	}
	s := found[0].String()
	if total > 1 {
		var others []string
		for _, q := range found[1:] {
			others = append(others, "#"+string(q.ID))
		}
		if more := total - len(found); more > 0 {
			others = append(others, fmt.Sprintf("%d more", more))
		}
		s += " (also " + strings.Join(others, ", ") + ")"
	}
	return c.Say("%s", s), nil
}

// number parses a quote's number, with or without #.
func number(s string) (event.ID, bool) {
	id := event.ID(strings.TrimPrefix(plugins.Fold(s), "#"))
	n, ok := id.Int()
	return id, ok && n > 0
}

// attribution splits "<bob> text" and "@bob text".
func attribution(s string) (user, text string) {
	if rest, ok := strings.CutPrefix(s, "<"); ok {
		if user, text, ok := strings.Cut(rest, ">"); ok && validUser(user) {
			return user, strings.TrimSpace(text)
		}
	}
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		if user, text, ok := strings.Cut(rest, " "); ok && validUser(plugins.UserName(user)) {
			return plugins.UserName(user), strings.TrimSpace(text)
		}
	}
	return "", s
}

func validUser(s string) bool {
	return s != "" && !strings.ContainsAny(s, " <>") && utf8.RuneCountInString(s) <= MaxUserName
}
