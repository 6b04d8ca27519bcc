package router

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// The reasons of refusals, in the details of plugin.{name}.event.denied.
const (
	reasonRank     = "rank"
	reasonDisabled = "disabled"
	reasonQuiet    = "quiet_hours"
	reasonCooldown = "cooldown"
)

// refusal is why a command is not routed.
type refusal struct {
	reason  string
	text    string         // of the record, for operators
	answer  *event.Phrase  // sent to the user; nil sends nothing
	details map[string]any // further ones
}

// refuse records a refusal, and tells the user why where the settings say.
func (r Router) refuse(ctx context.Context, to route, p policy, l line, f refusal) ([]event.Envelope, error) {
	chat := l.chat
	err := event.Errorf(event.PermissionDenied, "%s", f.text)
	_ = propagation.RecordError(trace.SpanFromContext(ctx), err, err.Code)
	r.Logger.InfoContext(ctx, "command denied", "command", to.command.key(r.Prefix), "plugin", to.plugin.Name, "reason", f.reason, "user", event.Personal(chat.User), "error", event.Personal(f.text))
	details := map[string]any{"command": to.command.key(r.Prefix), "user": chat.User, "rank": chat.Rank, "reason": f.reason}
	maps.Copy(details, f.details)
	denied, newErr := event.New(event.EventSubject(to.plugin.Name, event.TypeDenied), event.Denied{
		EventType: event.TypeDenied, Error: err.Message, Code: err.Code, Details: details, Channel: chat.Channel,
	})
	if newErr != nil {
		return nil, consumers.Permanent(newErr)
	}
	out := []event.Envelope{denied}
	where := p.refusals()
	if f.answer == nil || where == refuseSilence {
		return out, nil
	}
	typed := event.Command{User: chat.User, Channel: chat.Channel, Private: l.private || where == refuseInPM}
	reply, newErr := r.reply(ctx, typed, *f.answer)
	return append(out, reply...), newErr
}

// reply returns an answer to a command that no plugin gets, in the channel's words; none where
// those are empty.
func (r Router) reply(ctx context.Context, typed event.Command, p event.Phrase) ([]event.Envelope, error) {
	text := pluginsettings.Words(ctx, r.Settings, r.Logger, typed.Channel, p, nil)
	if text == "" {
		return nil, nil
	}
	e, err := typed.Reply(text)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	return []event.Envelope{e}, nil
}

// check returns why a command is not routed, or nil. What costs nobody anything comes
// first: a user who may not use a command does not hear of its cooldown.
func (r Router) check(ctx context.Context, to route, p policy, l line) (*refusal, error) {
	command := l.prefix + to.command.key(r.Prefix)
	if !p.enabled() {
		return &refusal{reason: reasonDisabled, text: fmt.Sprintf("%s is switched off in channel %s", command, l.chat.Channel)}, nil
	}
	if need := p.rank(to.plugin); l.chat.Rank < need {
		granted, err := r.Grants.allows(ctx, to.plugin.Name, to.command, l)
		if err != nil {
			return nil, err
		}
		if granted {
			return r.checkTime(ctx, to, p, l)
		}
		return &refusal{
			reason: reasonRank, details: map[string]any{"min_rank": need},
			text: fmt.Sprintf("%s needs rank %d, and %s has %d", command, need, l.chat.User, l.chat.Rank),
			answer: &event.Phrase{
				Text: "rank", Values: map[string]any{"user": l.chat.User, "command": command, "need": need, "rank": l.chat.Rank},
				Message: fmt.Sprintf("⛔ %s: %s needs rank %d, yours is %d", l.chat.User, command, need, l.chat.Rank),
			},
		}, nil
	}
	return r.checkTime(ctx, to, p, l)
}

// checkTime returns why a command is not routed at this time to a user who may use it, or
// nil.
func (r Router) checkTime(ctx context.Context, to route, p policy, l line) (*refusal, error) {
	command := l.prefix + to.command.key(r.Prefix)
	if p.quiet(l.at) {
		return &refusal{reason: reasonQuiet, text: fmt.Sprintf("%s was used in the quiet hours of channel %s", command, l.chat.Channel)}, nil
	}
	for _, u := range p.uses(to.plugin, l) {
		f, err := r.Cooldowns.check(ctx, u, l)
		if f == nil && err == nil {
			continue
		}
		if err == nil {
			left := time.Duration(f.details["seconds"].(float64) * float64(time.Second))
			f.text = fmt.Sprintf("%s cools down for %s more", command, left)
			if f.answer != nil {
				*f.answer = event.Phrase{
					Text: "cooldown", Values: map[string]any{"user": l.chat.User, "command": command, "left": left},
					Message: fmt.Sprintf("⏳ %s: %s again in %s", l.chat.User, command, timeparse.Short(left)),
				}
			}
		}
		return f, err
	}
	return nil, nil
}

// uses returns what a use of the command makes cool down: for the user, and for everybody.
func (p policy) uses(plugin Registration, l line) []use {
	if p.exempt(l.chat.Rank) {
		return nil
	}
	return []use{
		{plugin: plugin, command: p.command, user: l.chat.User, cooldown: p.duration(keyCooldownUser)},
		{plugin: plugin, command: p.command, cooldown: p.duration(keyCooldownChannel)},
	}
}
