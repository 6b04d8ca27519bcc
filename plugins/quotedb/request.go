package quotedb

import (
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// actions are the actions of plugin.quote-db.request; see EVENTS.md.
var actions = map[string]func(c *plugins.Context, r query) (any, error){
	"random": func(c *plugins.Context, r query) (any, error) {
		var filter map[string]any
		if r.User != "" {
			filter = saidBy(r.User)
		}
		q, err := pick(c, filter)
		return one(q), err
	},
	"get": func(c *plugins.Context, r query) (any, error) {
		if r.ID == "" {
			return nil, event.Errorf(event.InvalidInput, "id is required").With("field", "id")
		}
		q, err := get(c, r.ID)
		return one(q), err
	},
	"add": func(c *plugins.Context, r query) (any, error) {
		q, err := insert(c, Quote{Text: r.Text, User: r.User, AddedBy: r.User, Channel: r.Channel})
		return one(q), err
	},
	"search": func(c *plugins.Context, r query) (any, error) {
		words := strings.Fields(r.Query)
		if len(words) == 0 {
			return nil, event.Errorf(event.InvalidInput, "query is required").With("field", "query")
		}
		if r.Limit <= 0 || r.Limit > page {
			r.Limit = maxListed
		}
		found, total, err := find(c, containing(words), r.Limit)
		quotes := make([]public, len(found))
		for i, q := range found {
			quotes[i] = publish(q)
		}
		return map[string]any{"success": true, "quotes": quotes, "count": total}, err
	},
	"count": func(c *plugins.Context, r query) (any, error) {
		var filter map[string]any
		if r.User != "" {
			filter = saidBy(r.User)
		}
		n, err := c.DB(Collection).Count(filter)
		return map[string]any{"success": true, "count": n}, err
	},
}

// query is the payload of a request.
type query struct {
	Action  string   `json:"action"`
	ID      event.ID `json:"id"`
	Text    string   `json:"text"`
	User    string   `json:"user"`
	Channel string   `json:"channel"`
	Query   string   `json:"query"`
	Limit   int      `json:"limit"`
}

// public is a quote in the contract's form.
type public struct {
	ID        event.ID `json:"id"`
	Text      string   `json:"text"`
	User      string   `json:"user"`
	Timestamp int64    `json:"timestamp"`
}

func publish(q Quote) public { return public{q.ID, q.Text, q.User, q.Timestamp} }

func one(q Quote) any { return map[string]any{"success": true, "quote": publish(q)} }

func request(c *plugins.Context) (any, error) {
	var r query
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	answer, ok := actions[r.Action]
	if !ok {
		return nil, event.Errorf(event.InvalidInput, "action must be random, get, add, search or count, not %q", r.Action).With("field", "action")
	}
	return answer(c, r)
}
