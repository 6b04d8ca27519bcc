package consumers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// NotifyUser tells the user of a plugin's command, where it was typed, that its
// first attempt failed and is repeated, and that it failed for good. An outage of NATS
// and a process that stops are no failures of the command: they are not told until it is
// given up. A line that cannot be stored is logged.
func NotifyUser(bus *streams.Bus, c Config) Middleware {
	return func(next Handler) Handler {
		if !c.NotifyUser {
			return next
		}
		return func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			out, err := next(ctx, d)
			var again *retryError
			var late *TimeoutError
			isLate := errors.As(err, &late)
			switch {
			case err == nil || !event.Match(event.AllCommands, d.Subject):
			case !errors.As(err, &again) && isLate:
				notify(ctx, bus, c, d, Dead, late.Limit)
			case !errors.As(err, &again):
				notify(ctx, bus, c, d, Dead, 0)
			case isLate && d.Attempt == 1:
				notify(ctx, bus, c, d, Retried, late.Limit)
			case d.Attempt == 1 && c.Attempts > 1 && !errors.Is(err, ErrStopping) && !jsapi.IsRetryable(err) && ctx.Err() == nil:
				notify(ctx, bus, c, d, Retried, 0)
			}
			return out, err
		}
	}
}

// notify publishes a line about a command under an ID of its own, so that it uses up no
// number of the handler's outputs. A limit is what the command took longer than.
func notify(ctx context.Context, bus *streams.Bus, c Config, d streams.Stored, result string, limit time.Duration) {
	command, err := event.As[event.Command](d.Envelope)
	if err != nil {
		return // malformed: nobody is known to have typed it
	}
	typed := command.Command
	if words := strings.Fields(command.RawMessage); len(words) > 0 {
		typed = words[0] // with the channel's prefix
	}
	said := failure(command.User, typed, result == Retried, limit)
	text := said.Message
	if c.Words != nil {
		text = c.Words(ctx, command.Channel, said)
	}
	if text == "" {
		return
	}
	e, err := command.Reply(text)
	if err == nil {
		p := publisher{bus: bus, log: c.Logger, attempt: d.Attempt, waited: deliveryOf(ctx).Waited}
		_, err = p.publish(ctx, e.WithMeta(event.MetaResult, result), NewMessageIDs(c.Durable, d.Ref).Next(result))
	}
	if err != nil {
		c.Logger.WarnContext(ctx, "user not told that a command failed", "event", d.Ref.String(), "result", result, "error", err)
	}
}

// failure returns what is said of a command that failed.
func failure(user, typed string, again bool, limit time.Duration) event.Phrase {
	what := map[bool]string{true: "did not work yet, trying again", false: "failed, an operator can see why (rosey dead ls)"}[again]
	if limit > 0 {
		took := limit.String()
		if limit >= time.Second {
			took = timeparse.Short(limit)
		}
		what = fmt.Sprintf(map[bool]string{true: "took longer than %s, trying again", false: "failed, it took longer than %s (rosey dead ls)"}[again], took)
	}
	return event.Phrase{
		Text: "failed", Values: map[string]any{"user": user, "command": typed, "again": again, "limit": limit}, Message: user + ": " + typed + " " + what,
	}
}
