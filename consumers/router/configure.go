package router

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/internal/suggest"
	"github.com/rosey-bot/rosey/streams"
)

// Setting is a change of a setting that somebody asks for.
type Setting struct {
	Plugin  string
	Channel string // "" is all channels
	Key     string
	Text    string // as typed
	Unset   bool   // in place of Text: what holds for all channels, or the default, holds again
	By      string
	Reason  string
}

// Configure changes a setting of one of the plugins that are registered. It returns an
// INVALID_INPUT error for an unknown plugin or key and for an invalid value.
func Configure(ctx context.Context, bus *streams.Bus, store *pluginsettings.Store, registered []Entry, s Setting) ([]pluginsettings.Change, error) {
	properties, err := s.properties(registered)
	if err != nil {
		return nil, err
	}
	o := pluginsettings.Update{Plugin: s.Plugin, Channel: s.Channel, Values: map[string]json.RawMessage{}, By: s.By, Reason: s.Reason}
	if s.Unset {
		o.Values[s.Key] = json.RawMessage("null") // also one that there is no longer
		changes, err := store.Apply(ctx, bus, o)
		if err == nil && len(changes) == 0 {
			_, err = properties.Find(s.Plugin, s.Key)
		}
		return changes, err
	}
	if o.Values[s.Key], err = s.Value(registered); err == nil {
		err = checkAliases(ctx, store, registered, s, o.Values[s.Key])
	}
	if err != nil {
		return nil, err
	}
	return store.Apply(ctx, bus, o)
}

// Value returns the value that the text means. The error is INVALID_INPUT for a plugin, key
// or value that there is not.
func (s Setting) Value(registered []Entry) (json.RawMessage, error) {
	properties, err := s.properties(registered)
	if err != nil {
		return nil, err
	}
	p, err := properties.Find(s.Plugin, s.Key)
	if err != nil {
		return nil, err
	}
	return p.Parse(s.Text)
}

func (s Setting) properties(registered []Entry) (pluginsettings.Properties, error) {
	r, err := find(registered, s.Plugin)
	if err != nil {
		return nil, err
	}
	if s.Channel != "" && !event.ValidName(s.Channel) {
		return nil, event.Errorf(event.InvalidInput, "%q is no channel", s.Channel)
	}
	return r.Properties()
}

func find(registered []Entry, plugin string) (Registration, error) {
	for _, e := range registered {
		if e.Name == plugin {
			return e.Registration, e.Err
		}
	}
	return Registration{}, UnknownPlugin(registered, plugin)
}

// UnknownPlugin returns the RECORD_NOT_FOUND error that lists the plugins there are.
func UnknownPlugin(registered []Entry, plugin string) error {
	if len(registered) == 0 {
		return event.Errorf(event.RecordNotFound, "there is no plugin %q: none has registered yet, which plugins do when the bot runs", plugin)
	}
	var names []string
	for _, e := range registered {
		names = append(names, e.Name)
	}
	if hint := suggest.DidYouMean(plugin, "", names); hint != "" {
		return event.Errorf(event.RecordNotFound, "there is no plugin %q:%s", plugin, hint)
	}
	return event.Errorf(event.RecordNotFound, "there is no plugin %q: there are %s", plugin, strings.Join(names, ", "))
}

// checkAliases refuses what nobody can type as a command, and names of other commands.
func checkAliases(ctx context.Context, store *pluginsettings.Store, registered []Entry, s Setting, value json.RawMessage) error {
	if s.Key != keyAliases && !strings.HasSuffix(s.Key, "."+keyAliases) {
		return nil
	}
	var names []string
	if err := json.Unmarshal(value, &names); err != nil {
		return event.Errorf(event.InvalidInput, "%s: %w", s.Key, err)
	}
	for part := range strings.SplitSeq(s.Text, ",") {
		if words := strings.Fields(part); len(words) > 1 {
			return event.Errorf(event.InvalidInput, "%q is more than one word: write aliases with commas between them, such as r,throw", strings.TrimSpace(part)).With("field", s.Key)
		}
	}
	revisions, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !IsName(name) {
			return event.Errorf(event.InvalidInput, "%q cannot be an alias: it is 1 to %d letters, digits, _ and -, without what commands begin with", name, maxAlias).With("field", s.Key)
		}
		if of := aliasOf(revisions, s, name); of != "" {
			return event.Errorf(event.InvalidInput, "%s is an alias of %s already: choose another", name, of).With("field", s.Key)
		}
		for _, e := range registered {
			if e.has(fold.Key(name), "!") {
				return event.Errorf(event.InvalidInput, "%s is a command of %s already: choose another alias", name, e.Name)
			}
		}
	}
	return nil
}

// maxAlias is the length of the longest alias.
const maxAlias = 30

// IsName reports whether a name can be typed as a command after any prefix.
func IsName(name string) bool {
	strange := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_' && r != '-'
	}
	return name != "" && utf8.RuneCountInString(name) <= maxAlias && !strings.ContainsFunc(name, strange) &&
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// aliasOf returns the command that the settings give a name, where those of the change hold
// too, "" if none; the command that is to have it is none.
func aliasOf(revisions []pluginsettings.Revision, s Setting, name string) string {
	for channel, names := range newAliasIndex(revisions) {
		if channel != "" && s.Channel != "" && !strings.EqualFold(channel, s.Channel) {
			continue
		}
		if plugin, command, ok := strings.Cut(names[fold.Key(name)], " "); ok && (plugin != s.Plugin || command+"."+keyAliases != s.Key) {
			return command + " of " + plugin
		}
	}
	return ""
}
