// Package plugins is the SDK: what a plugin is, the context its handlers get,
// and the runner that keeps it going. A folder below holds each shipped plugin.
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
	"regexp"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Handler handles a command or an event and returns what to publish. Returning
// an error of code INVALID_INPUT, RECORD_NOT_FOUND, PERMISSION_DENIED or
// PLUGIN_ERROR to a command tells the user so; any other error is a failed
// attempt, which is repeated with backoff and at last becomes a dead letter.
//
// The same event may be handled again after a crash. What is published then is
// recognised as a repeat if it comes in the same order, so take the time from
// Context.Now and randomness from Context.Rand, and change records that what is
// said depends on with Collection.Change.
type Handler func(c *Context) ([]event.Envelope, error)

// RequestHandler answers a request; its result becomes the reply's body, and
// its error the contract's error response.
type RequestHandler func(c *Context) (any, error)

// Plugin describes a plugin to the runner. Name and Version are required.
type Plugin struct {
	Name        string
	Version     string // a semantic version, such as 1.0.0
	Description string
	MinRank     int           // for commands that do not say; 0 is everybody
	MaxAge      time.Duration // commands older than this expire; 10 min when 0

	Commands []Command
	Events   []Subscription
	Requests []Endpoint

	// Variables are the environment variables that the plugin reads, for programs
	// that look for misspelled ones.
	Variables []string

	// Start, if set, is called before anything is handled, each time the plugin
	// starts. An error keeps the plugin from starting; it is tried again with
	// backoff.
	Start func(c *Context) error
}

// Command is a command that users type.
type Command struct {
	Name        string   // without prefix, for example roll
	Aliases     []string // other names of the same command
	Usage       string   // what follows the name, for example "2d6+3"
	Description string   // one line for help
	MinRank     int      // rank a user needs; the plugin's when 0
	Handle      Handler
}

// Subscription is a pattern of events that the plugin handles, on its durable
// consumer: cytube.chat, its own timers, other plugins' events. It begins with
// what is stored once the plugin first starts; see Context.Chat for chat.
type Subscription struct {
	Subject string
	Handle  Handler
	// MaxAge is the age past which an event is passed over, because the plugin
	// was down: 0 takes the plugin's, Never passes over none.
	MaxAge time.Duration
}

// Never is the MaxAge of events that must be handled however late, such as
// timers. A handler can ask Context.Waited how late it is.
const Never time.Duration = -1

// Endpoint answers requests on plugin.{name}.request, or with an Action on
// plugin.{name}.request.{action}.
type Endpoint struct {
	Action string
	Handle RequestHandler
}

var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

// Validate returns an error that says what is wrong with the plugin's own
// description.
func (p Plugin) Validate() error {
	r := p.Registration()
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

// Registration is what the plugin registers of itself.
func (p Plugin) Registration() router.Registration {
	r := router.Registration{
		Name: p.Name, Version: p.Version, Description: p.Description, MinRank: p.MinRank, MaxAge: p.MaxAge.Seconds(),
	}
	var usage []string
	for _, c := range p.Commands {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			rc := router.Command{Name: name, Description: c.Description, Usage: strings.TrimSpace(name + " " + c.Usage)}
			if c.MinRank != 0 {
				rc.MinRank = &c.MinRank
			}
			if name != c.Name {
				rc.AliasOf = c.Name
			}
			r.Commands = append(r.Commands, rc)
		}
		usage = append(usage, strings.TrimSpace(c.Name+" "+c.Usage))
	}
	r.Usage = strings.Join(usage, " | ")
	return r
}

// commandHandlers maps every name and alias, in lower case, to its handler.
func (p Plugin) commandHandlers() map[string]Handler {
	m := map[string]Handler{}
	for _, c := range p.Commands {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			m[strings.ToLower(name)] = c.Handle
		}
	}
	return m
}
