package router

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Registration describes a plugin in the KV bucket "plugins", under the plugin's
// name. It outlives the plugin's process: commands for a plugin that is down stay
// in the stream. Any process registers with one KV put, for example
//
//	nats kv put plugins greeter '{"name":"greeter","version":"1.0.0","commands":["greet"]}'
type Registration struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Contract is the version of the event contract that the plugin was written for; empty, as
	// in registrations of earlier releases, is event.FirstContract.
	Contract    string    `json:"contract,omitempty"`
	Commands    []Command `json:"commands"`
	MinRank     int       `json:"min_rank"` // of commands without their own; 0 admits everybody
	Description string    `json:"description"`
	Usage       string    `json:"usage"`
	// MaxAge is the age in seconds beyond which a command expires: it is recorded
	// and not executed. 0 means consumers.DefaultMaxAge.
	MaxAge float64 `json:"max_age,omitempty"`
	// Events are the subjects that the plugin reads beside its commands. With credentials of
	// its own it can read no others; nil, as in registrations of earlier releases, stands for
	// all that need no grant.
	Events []string `json:"events,omitzero"`
	// Capabilities are what the plugin asks to do beside that; see event.Capabilities. Nil, as
	// in registrations of earlier releases, does not say. Where the bot's rank does not allow
	// what one lets it ask of a channel, rosey status, doctor and the console say so.
	Capabilities []string `json:"capabilities,omitzero"`
	// Collections are the plugin's, with what it stores in their records.
	Collections map[string][]event.Field `json:"collections,omitempty"`
	// Settings is the JSON Schema of the plugin's settings, an object.
	Settings json.RawMessage `json:"settings,omitempty"`
	// Emits are the plugin's own events, plugin.{name}.event.{type}, by type, with what their
	// payloads hold.
	Emits map[string][]event.Field `json:"emits,omitempty"`
}

// Command is one command of a registration. Its JSON may be just its name.
type Command struct {
	Name        string `json:"name"`
	MinRank     *int   `json:"min_rank,omitempty"` // nil inherits the registration's
	Description string `json:"description,omitempty"`
	Usage       string `json:"usage,omitempty"`    // for example "roll 2d6+3"
	AliasOf     string `json:"alias_of,omitempty"` // the command that this name stands for
	// Timeout is how many seconds an attempt at the command may take; 0 means
	// consumers.DefaultTimeout. Who runs the plugin keeps it.
	Timeout float64 `json:"timeout,omitempty"`
	// Custom says that the command was made while the plugin ran; see SetCustom.
	Custom bool `json:"custom,omitempty"`
	// Channels are where the command is; none is everywhere.
	Channels []string `json:"channels,omitempty"`
	// Cooldown is the command's cooldown_channel in seconds, unless that is set.
	Cooldown float64 `json:"cooldown_channel,omitempty"`
	// Runs is another command with arguments, without prefix, that this one stands for, such
	// as "roll 2d6". What is typed after this one follows them. Rank, settings and cooldowns
	// are those of the other.
	Runs string `json:"runs,omitempty"`
}

// in reports whether the command is in a channel; "" stands for any.
func (c Command) in(channel string) bool {
	return len(c.Channels) == 0 || channel == "" || slices.ContainsFunc(c.Channels, func(of string) bool { return strings.EqualFold(of, channel) })
}

// UnmarshalJSON decodes a command object or a bare name.
func (c *Command) UnmarshalJSON(raw []byte) error {
	type object Command
	if err := json.Unmarshal(raw, &c.Name); err == nil {
		return nil
	}
	return json.Unmarshal(raw, (*object)(c))
}

// key returns the command's canonical name: lower case, without the prefix that
// some authors include.
func (c Command) key(prefix string) string {
	return strings.ToLower(strings.TrimPrefix(c.Name, prefix))
}

// Rank returns the rank that a user needs for command c of r.
func (r Registration) Rank(c Command) int {
	if c.MinRank != nil {
		return *c.MinRank
	}
	return r.MinRank
}

// TimeLimit returns how long an attempt at the command may take.
func (c Command) TimeLimit() time.Duration {
	if c.Timeout <= 0 {
		return consumers.DefaultTimeout
	}
	return time.Duration(c.Timeout * float64(time.Second))
}

// CommandMaxAge returns the age beyond which commands for r expire.
func (r Registration) CommandMaxAge() time.Duration {
	if r.MaxAge <= 0 {
		return consumers.DefaultMaxAge
	}
	return min(time.Duration(r.MaxAge*float64(time.Second)), consumers.MaxMaxAge)
}

// Validate returns an INVALID_INPUT error whose detail "field" names the invalid
// field.
func (r Registration) Validate() error {
	newer, err := event.CheckContract(r.WrittenFor())
	if err != nil {
		return event.Errorf(event.InvalidInput, "registration of %s: %w", r.Name, err).With("field", "contract")
	}
	if err := r.validate(); err != nil && newer {
		return fmt.Errorf("%w (it is written for version %s of the event contract, and this bot keeps %s)", err, r.Contract, event.ContractVersion)
	} else if err != nil {
		return err
	}
	return nil
}

// WrittenFor returns the version of the event contract that the plugin was written for.
func (r Registration) WrittenFor() string { return cmp.Or(r.Contract, event.FirstContract) }

func (r Registration) validate() error {
	if !event.ValidName(r.Name) {
		return event.Errorf(event.InvalidInput, "name %q: a plugin's name is 1 to %d of A-Z a-z 0-9 _ -", r.Name, event.MaxNameLength).With("field", "name")
	}
	if limit := consumers.MaxMaxAge.Seconds(); r.MaxAge < 0 || r.MaxAge > limit {
		return event.Errorf(event.InvalidInput, "max_age of %s must be 0 to %v seconds, within which repeats are recognised", r.Name, limit).With("field", "max_age")
	}
	for _, c := range r.Commands {
		if c.Name == "" || strings.ContainsFunc(c.Name, isSpace) {
			return event.Errorf(event.InvalidInput, "commands of %s: %q is not a command: it must be one word", r.Name, c.Name).With("field", "commands")
		}
		if c.Cooldown < 0 || c.Cooldown > MaxCooldown.Seconds() {
			return event.Errorf(event.InvalidInput, "commands of %s: the cooldown of %s must be 0 to %v seconds", r.Name, c.Name, MaxCooldown.Seconds()).With("field", "commands")
		}
		if c.Timeout < 0 {
			return event.Errorf(event.InvalidInput, "commands of %s: the timeout of %s must not be below 0 seconds", r.Name, c.Name).With("field", "commands")
		}
	}
	if _, err := r.Properties(); err != nil {
		return event.Errorf(event.InvalidInput, "settings of %s: %w", r.Name, err).With("field", "settings")
	}
	for _, subject := range r.Events {
		if _, err := streams.Overlapping(subject); err != nil {
			return event.Errorf(event.InvalidInput, "events of %s: %w", r.Name, err).With("field", "events")
		}
	}
	for _, c := range r.Capabilities {
		if _, err := CheckCapability(c); err != nil {
			return event.Errorf(event.InvalidInput, "capabilities of %s: %w", r.Name, err).With("field", "capabilities")
		}
	}
	if err := validateFields(r.Name, "collections", "a collection's name", r.Collections); err != nil {
		return err
	}
	return validateFields(r.Name, "emits", "an event's type", r.Emits)
}

func validateFields(plugin, in, what string, of map[string][]event.Field) error {
	for name, fields := range of {
		if !event.ValidName(name) {
			return event.Errorf(event.InvalidInput, "%s of %s: %q is not %s: it is 1 to %d of A-Z a-z 0-9 _ -", in, plugin, name, what, event.MaxNameLength).With("field", in)
		}
		for _, f := range fields {
			if err := f.Validate(); err != nil {
				return event.Errorf(event.InvalidInput, "%s of %s: %s: %w", in, plugin, name, err).With("field", in)
			}
		}
	}
	return nil
}

// ParseRegistration decodes and validates the value stored under key in the
// bucket.
func ParseRegistration(key string, value []byte) (Registration, error) {
	var r Registration
	if err := json.Unmarshal(value, &r); err != nil {
		return Registration{}, event.Errorf(event.InvalidInput, "registration of %s: %w", key, err)
	}
	if r.Name != key {
		return Registration{}, event.Errorf(event.InvalidInput, "registration of %s: name is %q, but it must be the key", key, r.Name).With("field", "name")
	}
	return r, r.Validate()
}
