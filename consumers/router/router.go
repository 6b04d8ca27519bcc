// Package router turns chat lines into commands for the plugins that registered
// them.
package router

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/streams"
)

// Durable is the name of the router's durable consumer on the stream CYTUBE.
const Durable = "router"

// Router publishes the commands in chat lines on the subjects of the plugins that
// registered them (contract: plugin.{name}.command).
type Router struct {
	Registry *Registry
	Prefix   string            // of commands, for example "!"
	Prefixes map[string]string // of channels with another prefix, by lower-case name
	// IsBot reports whether a user of a channel is a bot of ours. Their lines are
	// ignored.
	IsBot  func(channel, user string) bool
	Logger *slog.Logger
	// Settings are those of the plugins and their commands; nil has none set.
	Settings *pluginsettings.Store
	// Cooldowns keeps the last uses of commands; nil lets nothing cool down.
	Cooldowns *Cooldowns
	// Grants are the rights that users have whatever their rank; nil has none.
	Grants *Grants
	// Suggestions tells who misspells a command which one is near; nil tells nobody.
	Suggestions *Suggestions
	// Stopping, if set, is closed when the process stops: commands that wait for a
	// registration are then left to the next process.
	Stopping <-chan struct{}
}

// Config returns the configuration of the router's consumer; pass it to
// consumers.Run with Handle.
func (r Router) Config() consumers.Config {
	return consumers.Config{
		Durable: Durable, Stream: streams.Cytube, Subjects: []string{event.SubjectChat, event.SubjectPM}, Name: Durable, Logger: r.Logger,
		Since: time.Now().Add(-consumers.MaxMaxAge), // older commands have expired
		// Only NATS fails here, for as long as a cluster elects a leader or longer.
		// Short waits deliver a command soon after that; many attempts keep it until
		// it has expired for its plugin.
		Backoff: []time.Duration{time.Second, time.Second, 2 * time.Second}, Attempts: int(consumers.DefaultMaxAge / (2 * time.Second)),
	}
}

// line is a chat line, or a private message, with a command.
type line struct {
	chat    event.Chat
	private bool
	ref     event.Ref
	at      time.Time // when it was typed
	prefix  string
}

// Handle implements consumers.Handler. It ignores a line without a registered command. A
// line older than the plugin's max_age is recorded as expired. What the settings of the
// command do not allow is recorded as plugin.{name}.event.denied with its reason, and
// answered where they say so, in private if the command was. A command that
// nobody registered waits for a minute while a plugin's registration is missing.
func (r Router) Handle(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
	chat, private, err := readLine(d.Envelope)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if d.Metadata[event.MetaBackfill] == true || string(chat.Extra["shadow"]) == "true" || r.IsBot(chat.Channel, chat.User) {
		return nil, nil
	}
	prefix, ok := r.Prefixes[strings.ToLower(chat.Channel)]
	if !ok {
		prefix = r.Prefix
	}
	name, args, ok := ParseCommand(chat.Message, prefix)
	if !ok {
		return nil, nil
	}
	l := line{chat: chat, private: private, ref: d.Ref, at: d.TypedAt(chat), prefix: prefix}
	to, ok, err := r.findOrWait(ctx, name, chat.Channel, d.Ref)
	if err != nil {
		return nil, err
	}
	if !ok {
		r.Logger.DebugContext(ctx, "command not registered", "command", name, "user", chat.User)
		return r.suggestion(ctx, d, l, name)
	}
	if to.command.Runs != "" {
		var problem *event.Phrase
		if to, args, problem, err = r.expand(ctx, to, &l); err != nil {
			return nil, err
		}
		if problem != nil {
			return r.reply(ctx, event.Command{User: chat.User, Channel: chat.Channel, Private: private}, *problem)
		}
	}
	if age, limit := consumers.Now(ctx).Sub(l.at), to.plugin.CommandMaxAge(); age > limit {
		return consumers.RecordExpired(ctx, Durable, to.plugin.Name, d, age, limit)
	}
	set, err := r.Settings.Load(ctx, to.plugin.Name, chat.Channel)
	if err != nil {
		return nil, err
	}
	p := policy{set: set, command: to.command}
	if ok, refused, err := r.admit(ctx, to, p, l); !ok || err != nil {
		return refused, err
	}
	r.Logger.InfoContext(ctx, "command routed", "command", to.command.key(r.Prefix), "plugin", to.plugin.Name, "user", event.Personal(chat.User), "channel", chat.Channel)
	e, err := event.New(event.CommandSubject(to.plugin.Name), event.Command{
		Command: to.command.key(r.Prefix), Args: args, User: chat.User, Channel: chat.Channel, Rank: chat.Rank, RawMessage: l.chat.Message,
		Private: private || p.private(),
	})
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	if limit := p.duration(keyTimeout); limit > 0 {
		e = e.WithMeta(event.MetaTimeout, limit.Seconds())
	}
	return []event.Envelope{e}, nil
}

// admit starts the cooldowns of a command if its settings allow it now, and returns else
// what says that they do not.
func (r Router) admit(ctx context.Context, to route, p policy, l line) (ok bool, refused []event.Envelope, err error) {
	for {
		f, err := r.check(ctx, to, p, l)
		if err != nil {
			return false, nil, err
		}
		if f != nil {
			refused, err = r.refuse(ctx, to, p, l, *f)
			return false, refused, err
		}
		if started, err := r.Cooldowns.start(ctx, p.uses(to.plugin, l), l); started || err != nil {
			return started, nil, err
		}
	}
}

// readLine returns a chat line, or a private message as one.
func readLine(e event.Envelope) (chat event.Chat, private bool, err error) {
	if e.Subject != event.SubjectPM {
		chat, err = event.As[event.Chat](e)
		return chat, false, err
	}
	pm, err := event.As[event.PM](e)
	return event.Chat{User: pm.User, Message: pm.Message, HTML: pm.HTML, Channel: pm.Channel, Rank: pm.Rank, Time: pm.Time}, true, err
}

// find returns the route of a command, by a name that it has registered or that the
// settings give it.
func (r Router) find(ctx context.Context, name, channel string) (to route, ok bool, err error) {
	if to, ok := r.Registry.lookup(name, channel); ok {
		return to, true, nil
	}
	revisions, err := r.Settings.List(ctx)
	if err != nil {
		return to, false, err
	}
	all := newAliasIndex(revisions)
	for _, at := range []string{strings.ToLower(channel), ""} {
		if plugin, command, ok := strings.Cut(all[at][fold.Key(name)], " "); ok {
			to, ok := r.Registry.commandOf(plugin, command, channel)
			return to, ok, nil
		}
	}
	return to, false, nil
}
