package bottest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// handAsk is what the plugin hand asks of the channel, and what becomes of it.
type handAsk struct {
	name    string
	ask     func(*plugins.Context) plugins.Ask
	outcome string // status, and code of a refusal
	shows   string // the subject of the event that confirms it
}

func handAsks() []handAsk {
	set := func(subject, name, value string) func(*plugins.Context) plugins.Ask {
		return func(c *plugins.Context) plugins.Ask {
			return c.Ask(subject, event.SendValues{Values: map[string]json.RawMessage{name: json.RawMessage(value)}})
		}
	}
	poll := func(options ...string) func(*plugins.Context) plugins.Ask {
		return func(c *plugins.Context) plugins.Ask { return c.OpenPoll("Pizza?", options...) }
	}
	vote := func(option int) func(*plugins.Context) plugins.Ask {
		return func(c *plugins.Context) plugins.Ask {
			return c.Ask(event.SubjectSendPollVote, event.SendPollVote{Option: option})
		}
	}
	rank := func(rank float64) func(*plugins.Context) plugins.Ask {
		return func(c *plugins.Context) plugins.Ask {
			return c.Ask(event.SubjectSendRank, event.SendRank{User: "alice", Rank: rank})
		}
	}
	return []handAsk{
		{"vote-without-poll", vote(0), "refused RECORD_NOT_FOUND", ""},
		{"poll-of-one", poll("yes"), "refused INVALID_INPUT", ""},
		{"poll", poll("yes", "no"), "done", event.SubjectPollOpen},
		{"vote", vote(1), "done", event.SubjectPollUpdate},
		{"vote-for-nothing", vote(2), "refused INVALID_INPUT", ""},
		{"hidden-poll", func(c *plugins.Context) plugins.Ask {
			return c.Ask(event.SubjectSendPollOpen, event.SendPollOpen{Title: "Secret?", Options: []string{"a", "b"}, Hidden: true, Timeout: 600, RetainVotes: true})
		}, "done", event.SubjectPollOpen},
		{"close", (*plugins.Context).ClosePoll, "done", event.SubjectPollClose},
		{"close-again", (*plugins.Context).ClosePoll, "already", ""},
		{"option", set(event.SubjectSendOptions, "allow_dupes", "true"), "done", event.SubjectOptions},
		{"option-again", set(event.SubjectSendOptions, "allow_dupes", "true"), "already", ""},
		{"option-of-another-type", set(event.SubjectSendOptions, "allow_dupes", "1"), "refused INVALID_INPUT", ""},
		{"no-option", set(event.SubjectSendOptions, "no_such", "true"), "refused INVALID_INPUT", ""},
		{"permission", set(event.SubjectSendPermissions, "drink", "3"), "done", event.SubjectPermissions},
		{"rank", rank(2), "done", event.SubjectUserRank},
		{"rank-back", rank(1), "done", event.SubjectUserRank},
		{"rank-of-the-bot", rank(3), "refused PERMISSION_DENIED", ""},
	}
}

// hand asks for what its command names, and says what became of it.
func hand() plugins.Plugin {
	return plugins.Plugin{
		Name: "hand", Version: "1.0.0", Description: "Asks", Capabilities: []string{"chat", "poll", "channel", "moderation"},
		Commands: []plugins.Command{{Name: "hand", Description: "asks", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			for _, a := range handAsks() {
				if a.name == c.Text(0) {
					return a.ask(c).For(c.Command.User).Events(), nil
				}
			}
			return c.Say("unknown"), nil
		}}},
		Outcomes: func(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
			return c.Say("%s: %s|%s", o.For, strings.TrimSpace(o.Status+" "+string(o.Code)), o.ConfirmedBy), nil
		},
	}
}

// Polls, options, permissions and ranks that a plugin asks for are written to the server and
// confirmed by what it does, and the plugin receives the outcome of each.
func TestAsks(t *testing.T) {
	t.Parallel()
	w := bottest.Start(t)
	w.Join("alice")
	mod := w.Join("mod")
	for _, a := range handAsks() {
		outcome, confirmed, _ := strings.Cut(w.Asks(mod, "!hand "+a.name), "|")
		if outcome != "mod: "+a.outcome {
			t.Errorf("%s: %s, not %s", a.name, outcome, a.outcome)
		}
		shown := ""
		if a.shows != "" {
			all := w.Stored(a.shows)
			shown = all[len(all)-1].Ref.String()
		}
		if confirmed != shown {
			t.Errorf("%s: confirmed by %q, not by the last %s, %q", a.name, confirmed, a.shows, shown)
		}
	}
	if got := w.BotLines(); len(got) != len(handAsks()) {
		t.Errorf("it said %q", got)
	}
}
