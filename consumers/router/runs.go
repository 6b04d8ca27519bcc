package router

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
)

// maxRuns is how many commands in turn may stand for one another.
const maxRuns = 3

// expand follows a command that stands for another, and makes the line that of the other. It
// returns a problem, for the user, where that leads nowhere.
func (r Router) expand(ctx context.Context, to route, l *line) (route, []string, string, error) {
	first := l.prefix + to.command.key(r.Prefix)
	for range maxRuns {
		rest, _ := cutPrefix(trimLeft(l.chat.Message), l.prefix)
		_, rest = cutWord(rest)
		l.chat.Message = l.prefix + to.command.Runs + rest
		name, args, _ := ParseCommand(l.chat.Message, l.prefix)
		next, ok, err := r.find(ctx, name, l.chat.Channel)
		if err != nil {
			return to, nil, "", err
		}
		if !ok {
			return to, nil, fmt.Sprintf("❌ %s stands for %s%s, which is no command", first, l.prefix, name), nil
		}
		if to = next; to.command.Runs == "" {
			return to, args, "", nil
		}
	}
	return to, nil, fmt.Sprintf("❌ %s stands for commands that stand for one another: that ends after %d", first, maxRuns), nil
}

// reply returns an answer to a command that no plugin gets.
func reply(typed event.Command, text string) ([]event.Envelope, error) {
	e, err := typed.Reply(text)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{e}, nil
}
