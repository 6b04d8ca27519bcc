// Package plugins is the SDK: what a plugin is, and the Context that its handlers get.
// Package plugins/host runs plugins; plugins/plugintest tests them.
//
// A plugin is a value: a name, and tables of the commands, events and requests
// it handles.
//
//	func New() plugins.Plugin {
//		return plugins.Plugin{
//			Name: "greeter", Version: "1.0.0", Description: "Says hello",
//			Commands: []plugins.Command{
//				{Name: "hello", Description: "greets you", Handle: hello},
//			},
//		}
//	}
//
//	func hello(c *plugins.Context) ([]event.Envelope, error) {
//		return c.Say("Hello, %s!", c.Command.User), nil
//	}
package plugins

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Handler handles a command or an event and returns the events to publish. For a
// command, an error of code INVALID_INPUT, RECORD_NOT_FOUND, PERMISSION_DENIED or
// PLUGIN_ERROR is sent to the user. Any other error is a failed attempt, which is
// retried with backoff and finally dead-lettered.
//
// The same event may be redelivered after a crash. What is published then is
// deduplicated if it comes in the same order, so take the time from Context.Now and
// randomness from Context.Rand, and modify records on which the output depends with
// Collection.Change.
type Handler func(c *Context) ([]event.Envelope, error)

// RequestHandler handles a request. Its result becomes the reply's body, its error the
// contract's error response.
type RequestHandler func(c *Context) (any, error)

// OutcomeHandler handles the outcome of a send of the plugin's, as a Handler does an event.
type OutcomeHandler func(c *Context, outcome event.Delivery) ([]event.Envelope, error)

// Plugin describes a plugin. Name and Version are required.
type Plugin struct {
	Name        string
	Version     string // a semantic version, such as 1.0.0
	Description string
	MinRank     int           // of commands without their own; 0 admits everybody
	MaxAge      time.Duration // commands older than this expire; 10 min when 0

	Commands []Command
	Events   []Subscription
	Requests []Endpoint

	// Custom, if set, handles the commands that Context.SetCommands registered.
	Custom Handler

	// Outcomes, if set, handles what came of the plugin's own sends: each of what it asked
	// of a channel (see Context.Ask), and of what it said only what was not heard.
	Outcomes OutcomeHandler

	// Concurrent says that commands of different users may be handled beside each other,
	// and beside the plugin's events: the handlers share no state of the process without
	// a lock, and no order but that of one user's commands matters to them.
	Concurrent bool

	// Capabilities are what the plugin does beside handling its commands and publishing its
	// own events, such as chat, playlist.add or read:chat; see event.Capabilities. It is then
	// held to them, and where it has credentials of its own, to what an operator grants. A
	// plugin that does not say is held to nothing but those credentials. Where the bot's rank
	// does not allow what it may ask of a channel, rosey status, doctor and the console say so.
	Capabilities []string

	// Collections are the collections that the plugin stores records in, each with a
	// record, of the type of which the tag mark names persons and texts: those are
	// erased by rosey audit forget. See event.FieldsOf.
	Collections map[string]any

	// Projection, if set, is what the subscriptions FromFirst make of the past.
	Projection Projection

	// Settings, if set, is a struct whose fields are the plugin's settings, of type bool,
	// int, float64, string, time.Duration, []string or Text, each with its name in the tag json,
	// what it is for in the tag jsonschema, and its default; min, max, enum, pattern (with an
	// example) and format:"regex", of RE2, limit it, and a list's elements:
	//
	//	Questions int `json:"questions" default:"10" min:"1" max:"50" jsonschema:"questions of a game"`
	//
	// Handlers get them by SettingsOf.
	Settings any

	// Emits are the plugin's own events by type, each with a payload, of the type of which
	// the tag mark names persons and texts. Of an event that is not among them, any value
	// may be the name of a person: rosey audit forget erases it with that person.
	Emits map[string]any

	// Variables are the environment variables that the plugin reads, for programs
	// that look for misspelled ones.
	Variables []string

	// Start, if set, is called each time the plugin starts, before it handles
	// anything. After an error it is retried with backoff.
	Start func(c *Context) error
}

// Projection is what a plugin makes of the past by its subscriptions FromFirst. Where a store holds
// another version of it, the plugin deletes its records when it starts, and reads the past again; but
// not where the streams no longer hold the first event, as the records know more than they do then.
type Projection struct {
	// Version is raised when the subscriptions make something else of the same events; a store
	// without a version, of earlier releases, holds version 1.
	Version int
	// Collections are those of Plugin.Collections that nothing but these subscriptions changes.
	Collections []string
}

// Command is a command that users type.
type Command struct {
	Name        string   // without prefix, for example roll
	Aliases     []string // other names of the same command
	Usage       string   // what follows the name, for example "2d6+3"
	Description string   // one line for help
	MinRank     int      // that a user needs; the plugin's if 0
	// Timeout is how long an attempt at the command may take; consumers.DefaultTimeout if
	// 0. Its context then ends, and the attempt fails.
	Timeout time.Duration
	Handle  Handler
}

// Subscription is a pattern of events that the plugin handles on its durable consumer,
// such as cytube.chat (see Context.Chat), its own timers, or other plugins' events. It
// starts with the events stored after the plugin first started.
type Subscription struct {
	Subject string
	Handle  Handler
	// MaxAge is the age beyond which an event is skipped, because the plugin was
	// down. 0 is the plugin's MaxAge; Never skips none.
	MaxAge time.Duration
	// FromFirst makes the subscription start at the first event that is stored, however
	// long ago, also when the plugin is new. Its events are read in order by a durable
	// consumer of their own, so that commands and other events do not wait behind the
	// past. Events older than MaxAge are not skipped: the handler modifies records because
	// of them, best by Collection.Change, but what it returns or publishes, timers too, is
	// dropped, since nobody waits for it any more.
	FromFirst bool
}

// Never is the MaxAge of events that must be handled however late, such as timers.
// Context.Waited returns how late it is.
const Never time.Duration = -1

// Endpoint handles requests on plugin.{name}.request or, with an Action, on
// plugin.{name}.request.{action}.
type Endpoint struct {
	Action string
	Handle RequestHandler
}

var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

// Validate returns an error if the plugin's description is invalid.
func (p Plugin) Validate() error {
	r, err := p.registration()
	if err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	if p.Version == "" {
		return fmt.Errorf("plugin %s has no version: give it one such as 1.0.0", p.Name)
	}
	if !semantic.MatchString(p.Version) {
		return fmt.Errorf("version %q of plugin %s is not a semantic version: write one such as 1.0.0", p.Version, p.Name)
	}
	seen := map[string]bool{}
	for _, c := range p.Commands {
		if c.Handle == nil {
			return fmt.Errorf("command %s of plugin %s has no handler", c.Name, p.Name)
		}
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if name = strings.ToLower(name); seen[name] {
				return fmt.Errorf("plugin %s has two commands %s", p.Name, name)
			}
			seen[name] = true
		}
	}
	for _, s := range p.Events {
		if s.Handle == nil {
			return fmt.Errorf("subscription %s of plugin %s has no handler", s.Subject, p.Name)
		}
		if _, err := streams.Overlapping(s.Subject); err != nil {
			return fmt.Errorf("subscription of plugin %s: %w", p.Name, err)
		}
		if s.FromFirst && s.MaxAge == Never {
			return fmt.Errorf("subscription %s of plugin %s: with a MaxAge of Never it would speak about the past", s.Subject, p.Name)
		}
	}
	for _, name := range p.Projection.Collections {
		if _, ok := p.Collections[name]; !ok {
			return fmt.Errorf("projection of plugin %s: %s is none of its collections", p.Name, name)
		}
	}
	for _, r := range p.Requests {
		if r.Action != "" && !event.ValidName(r.Action) {
			return fmt.Errorf("action %q of plugin %s: it is 1 to %d of A-Z a-z 0-9 _ -", r.Action, p.Name, event.MaxNameLength)
		}
		if r.Handle == nil {
			return fmt.Errorf("request %s of plugin %s has no handler", r.Subject(p.Name), p.Name)
		}
	}
	return nil
}

// Subject returns the subject of the endpoint's requests.
func (e Endpoint) Subject(plugin string) string {
	if e.Action == "" {
		return event.RequestSubject(plugin)
	}
	return event.RequestSubject(plugin, e.Action)
}

// CommandMaxAge returns how old a command may be when it is handled, and an event whose
// subscription has no MaxAge of its own.
func (p Plugin) CommandMaxAge() time.Duration {
	return router.Registration{MaxAge: p.MaxAge.Seconds()}.CommandMaxAge()
}

// Registration returns the plugin's registration. As it describes each setting by a JSON
// Schema it takes milliseconds: callers keep it.
func (p Plugin) Registration() router.Registration {
	r, _ := p.registration() // see Validate
	return r
}

func (p Plugin) registration() (r router.Registration, err error) {
	r = router.Registration{
		Name: p.Name, Version: p.Version, Contract: event.ContractVersion, Description: p.Description, MinRank: p.MinRank, MaxAge: p.MaxAge.Seconds(),
		Events: []string{},
	}
	for _, s := range p.Events {
		r.Events = append(r.Events, s.Subject)
	}
	if p.Outcomes != nil {
		r.Events = append(r.Events, event.SubjectDelivery)
	}
	r.Capabilities = p.Capabilities
	r.Settings, err = p.schema()
	r.Collections, r.Emits = fieldsOf(p.Collections), fieldsOf(p.Emits)
	r.Commands = p.registeredCommands()
	var usage []string
	for _, c := range p.Commands {
		usage = append(usage, strings.TrimSpace(c.Name+" "+c.Usage))
	}
	r.Usage = strings.Join(usage, " | ")
	return r, err
}

func (p Plugin) registeredCommands() (commands []router.Command) {
	for _, c := range p.Commands {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			rc := router.Command{Name: name, Description: c.Description, Usage: strings.TrimSpace(name + " " + c.Usage)}
			if c.MinRank != 0 {
				rc.MinRank = &c.MinRank
			}
			rc.Timeout = c.Timeout.Seconds()
			if name != c.Name {
				rc.AliasOf = c.Name
			}
			commands = append(commands, rc)
		}
	}
	return commands
}

// fieldsOf returns the fields of the types of values.
func fieldsOf(values map[string]any) map[string][]event.Field {
	var all map[string][]event.Field
	for name, value := range values {
		if all == nil {
			all = map[string][]event.Field{}
		}
		all[name] = event.FieldsOf(reflect.TypeOf(value))
	}
	return all
}

// commandHandlers returns the handlers by name and alias, in lower case.
func (p Plugin) commandHandlers() map[string]Handler {
	m := map[string]Handler{}
	for _, c := range p.Commands {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			m[strings.ToLower(name)] = c.Handle
		}
	}
	return m
}
