package router

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/event"
)

// maxRuns is how many commands in turn may stand for one another.
const maxRuns = 3

// expand follows a command that stands for another, and makes the line that of the other. It
// returns a problem, for the user, where that leads nowhere.
func (r Router) expand(ctx context.Context, to route, l *line) (route, []string, *event.Phrase, error) {
	first := l.prefix + to.command.key(r.Prefix)
	for range maxRuns {
		rest, _ := cutPrefix(trimLeft(l.chat.Message), l.prefix)
		_, rest = cutWord(rest)
		l.chat.Message = l.prefix + to.command.Runs + rest
		name, args, _ := ParseCommand(l.chat.Message, l.prefix)
		next, ok, err := r.find(ctx, name, l.chat.Channel)
		if err != nil {
			return to, nil, nil, err
		}
		if !ok {
			message := fmt.Sprintf("❌ %s stands for %s%s, which is no command", first, l.prefix, name)
			return to, nil, &event.Phrase{Text: "alias", Values: map[string]any{"command": first, "other": l.prefix + name, "most": 0}, Message: message}, nil
		}
		if to = next; to.command.Runs == "" {
			return to, args, nil, nil
		}
	}
	message := fmt.Sprintf("❌ %s stands for commands that stand for one another: that ends after %d", first, maxRuns)
	return to, nil, &event.Phrase{Text: "alias", Values: map[string]any{"command": first, "other": "", "most": maxRuns}, Message: message}, nil
}
