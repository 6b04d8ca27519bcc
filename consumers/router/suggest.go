package router

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// suggestInterval is the least time between two suggestions.
	suggestInterval = 10 * time.Minute
	// answeredWithin is how soon a line follows a command that another bot answers.
	answeredWithin = 5 * time.Second
	// suggestMaxAge is the age from which a line is too old for a suggestion.
	suggestMaxAge = time.Minute
	// suggestScan is how many events before a line tell who answers which word.
	suggestScan = 5000
	// leastWord is how many letters a word has that is taken for a misspelt command.
	leastWord = 3
)

// Suggestions tells who misspells a command which one is near. What it decides is a fold of
// the stored lines, so that a redelivery decides the same. The nil Suggestions has none.
type Suggestions struct {
	js       jetstream.JetStream
	interval time.Duration // between two to one user, and between two for one word
}

// NewSuggestions returns Suggestions that read the stream CYTUBE.
func NewSuggestions(js jetstream.JetStream) *Suggestions { return &Suggestions{js, suggestInterval} }

// suggestion returns a line that names the command that a user meant who typed a word that
// no plugin has registered: one that the user may use. It returns none for a word that
// somebody else answers, another bot perhaps, and none soon after another to the user
// or for the word. What was typed in private is answered there.
func (r Router) suggestion(ctx context.Context, d streams.Stored, l line, word string) ([]event.Envelope, error) {
	if r.Suggestions == nil || utf8.RuneCountInString(word) < leastWord || consumers.Now(ctx).Sub(l.at) > suggestMaxAge {
		return nil, nil
	}
	near := r.Registry.nearest(word, l.chat.Channel)
	to, ok := r.Registry.lookup(near, l.chat.Channel)
	if near == "" || !ok {
		return nil, nil
	}
	set, err := r.Settings.Load(ctx, to.plugin.Name, l.chat.Channel)
	if err != nil {
		return nil, err
	}
	p := policy{set: set, command: to.command}
	if !p.enabled() || l.chat.Rank < p.rank(to.plugin) || p.quiet(l.at) || p.refusals() == refuseSilence {
		return nil, nil
	}
	if taken, err := r.taken(ctx, d, l, word); err != nil || taken {
		return nil, err
	}
	typed := event.Command{User: l.chat.User, Channel: l.chat.Channel, Private: l.private || p.refusals() == refuseInPM}
	suggested := event.Phrase{
		Text: "suggestion", Values: map[string]any{"user": l.chat.User, "command": l.prefix + near, "private": typed.Private},
		Message: "did you mean " + l.prefix + near + "?",
	}
	if !typed.Private {
		suggested.Message = l.chat.User + ": " + suggested.Message
	}
	return r.reply(ctx, typed, suggested)
}

// taken reports whether the lines of the channel before a line show that others answer its
// word, or that its user or its word had a suggestion lately. A private message is seen
// by nobody else: those of its user count there.
func (r Router) taken(ctx context.Context, d streams.Stored, l line, word string) (bool, error) {
	var asked struct { // the word's latest use
		by string
		at time.Time
	}
	selection := streams.Selection{Stream: streams.Cytube, Subjects: []string{d.Subject}, From: 1, To: d.Ref.Seq - 1}
	if d.Ref.Seq > suggestScan {
		selection.From = d.Ref.Seq - suggestScan
	}
	if selection.To == 0 {
		return false, nil
	}
	for msg, err := range streams.Messages(ctx, r.Suggestions.js, selection) {
		if err != nil {
			return false, err
		}
		s, err := streams.ReadRaw(streams.Cytube, msg)
		if err != nil {
			continue
		}
		before, private, err := readLine(s.Envelope)
		if err != nil || !strings.EqualFold(before.Channel, l.chat.Channel) || r.IsBot(before.Channel, before.User) {
			continue
		}
		own := strings.EqualFold(before.User, l.chat.User)
		if private && !own {
			continue
		}
		if asked.by != "" && !strings.EqualFold(asked.by, before.User) && s.At.Sub(asked.at) <= answeredWithin {
			return true, nil
		}
		name, _, ok := ParseCommand(before.Message, l.prefix)
		if !ok {
			continue
		}
		same := fold.Key(name) == fold.Key(word)
		if same {
			asked.by, asked.at = before.User, s.At
		}
		if lately := d.At.Sub(s.At) < r.Suggestions.interval; lately && (same || own && r.misspelt(name, l.chat.Channel)) {
			return true, nil
		}
	}
	return false, nil
}

// misspelt reports whether a word is no command, but near one.
func (r Router) misspelt(word, channel string) bool {
	_, known := r.Registry.lookup(word, channel)
	return !known && utf8.RuneCountInString(word) >= leastWord && r.Registry.nearest(word, channel) != ""
}

// nearest returns the command of a channel that is most like a word, or "".
func (g *Registry) nearest(word, channel string) string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	names := make([]string, 0, len(g.commands))
	for name, routes := range g.commands {
		if slices.ContainsFunc(routes, func(r route) bool { return r.command.in(channel) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return suggest.Nearest(fold.Key(word), names)
}
