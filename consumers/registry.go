package consumers

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Bucket is the KV bucket of plugin registrations, one key a plugin.
const Bucket = streams.Registrations

// Registration is what a plugin says of itself in the KV bucket "plugins", under
// its name. It outlives the plugin's process: commands for a plugin that is down
// wait in the stream. Any process registers with one KV put, for example
//
//	nats kv put plugins greeter '{"name":"greeter","version":"1.0.0","commands":["greet"]}'
type Registration struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Commands    []Command `json:"commands"`
	MinRank     int       `json:"min_rank"` // for commands that do not say; 0 is everybody
	Description string    `json:"description"`
	Usage       string    `json:"usage"`
	// MaxAge, in seconds, is the age past which a command is recorded as expired
	// and not executed; 0 means DefaultMaxAge.
	MaxAge float64 `json:"max_age,omitempty"`
}

// Command is one command of a registration. In JSON it may be just its name.
type Command struct {
	Name        string `json:"name"`
	MinRank     *int   `json:"min_rank,omitempty"` // nil takes the registration's
	Description string `json:"description,omitempty"`
	Usage       string `json:"usage,omitempty"`    // for example "roll 2d6+3"
	AliasOf     string `json:"alias_of,omitempty"` // the command that this is another name of
}

// UnmarshalJSON reads a command object or just a name.
func (c *Command) UnmarshalJSON(raw []byte) error {
	type object Command
	if err := json.Unmarshal(raw, &c.Name); err == nil {
		return nil
	}
	return json.Unmarshal(raw, (*object)(c))
}

// key is the command as it is looked up and passed on: lower case, without the
// prefix that some authors write.
func (c Command) key(prefix string) string {
	return strings.ToLower(strings.TrimPrefix(c.Name, prefix))
}

// Rank is the rank that a user needs for command c of r.
func (r Registration) Rank(c Command) int {
	if c.MinRank != nil {
		return *c.MinRank
	}
	return r.MinRank
}

// Age is the age past which commands for r expire.
func (r Registration) Age() time.Duration {
	if r.MaxAge <= 0 {
		return DefaultMaxAge
	}
	return min(time.Duration(r.MaxAge*float64(time.Second)), MaxMaxAge)
}

// Validate returns an INVALID_INPUT error that names the field that is wrong.
func (r Registration) Validate() error {
	if !event.ValidName(r.Name) {
		return event.Errorf(event.InvalidInput, "name %q: a plugin's name is 1 to %d of A-Z a-z 0-9 _ -", r.Name, event.MaxNameLength).With("field", "name")
	}
	if limit := MaxMaxAge.Seconds(); r.MaxAge < 0 || r.MaxAge > limit {
		return event.Errorf(event.InvalidInput, "max_age of %s must be 0 to %v seconds, within which repeats are recognised", r.Name, limit).With("field", "max_age")
	}
	for _, c := range r.Commands {
		if c.Name == "" || strings.ContainsFunc(c.Name, isSpace) {
			return event.Errorf(event.InvalidInput, "commands of %s: %q is not a command: it must be one word", r.Name, c.Name).With("field", "commands")
		}
	}
	return nil
}

// ParseRegistration reads the value of a key of the bucket.
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

// OpenBucket opens the bucket of registrations, creating it if need be; see
// streams.OpenBucket.
func OpenBucket(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.KeyValue, error) {
	return streams.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Registrations of plugins, by name", History: 10, Replicas: max(replicas, 1),
	})
}

// Register puts a registration into the bucket. Nothing is written when it is
// there already, so that restarts leave no revisions behind.
func Register(ctx context.Context, kv jetstream.KeyValue, r Registration) error {
	_, err := register(ctx, kv, r)
	return err
}

// register is Register that says at which revision the registration stands.
func register(ctx context.Context, kv jetstream.KeyValue, r Registration) (revision uint64, err error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", r.Name, err)
	}
	if have, err := kv.Get(ctx, r.Name); err == nil && string(have.Value()) == string(value) {
		return have.Revision(), nil
	}
	if revision, err = kv.Put(ctx, r.Name, value); err != nil {
		return 0, fmt.Errorf("register %s: %w", r.Name, err)
	}
	return revision, nil
}

// Registry is a live view of the bucket: which plugin answers which command.
type Registry struct {
	log    *slog.Logger
	prefix string

	mu       sync.RWMutex
	plugins  map[string]Registration
	commands map[string]route
}

type route struct {
	plugin  Registration
	command Command
}

// NewRegistry makes an empty registry for commands that are typed with prefix.
func NewRegistry(prefix string, log *slog.Logger) *Registry {
	return &Registry{log: log, prefix: prefix, plugins: map[string]Registration{}, commands: map[string]route{}}
}

// Watch follows the bucket until ctx ends. It calls ready once everything that
// was registered before is known, and what it registers itself: the plugins of
// this process, whose commands somebody may type before they have started.
func (g *Registry) Watch(ctx context.Context, kv jetstream.KeyValue, own []Registration, ready func()) error {
	awaited := map[string]uint64{}
	for _, r := range own {
		revision, err := register(ctx, kv, r)
		if err != nil {
			return err
		}
		awaited[r.Name] = revision
	}
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", Bucket, err)
	}
	defer w.Stop()
	for listed := false; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watch bucket %s: the watcher ended", Bucket)
			case entry == nil:
				listed = true
			default:
				g.update(ctx, entry)
				// A replica that lists the bucket may lag behind the one that stored it.
				if revision, ok := awaited[entry.Key()]; ok && entry.Revision() >= revision {
					delete(awaited, entry.Key())
				}
			}
			if listed && len(awaited) == 0 {
				ready()
				listed = false
			}
		}
	}
}

func (g *Registry) update(ctx context.Context, entry jetstream.KeyValueEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if entry.Operation() != jetstream.KeyValuePut {
		delete(g.plugins, entry.Key())
	} else {
		r, err := ParseRegistration(entry.Key(), entry.Value())
		if err != nil {
			g.log.WarnContext(ctx, "a plugin's registration is not valid and is ignored", "plugin", entry.Key(), "error", err)
			return
		}
		g.plugins[r.Name] = r
	}
	g.commands = map[string]route{}
	for _, name := range slices.Sorted(maps.Keys(g.plugins)) {
		for _, c := range g.plugins[name].Commands {
			key := c.key(g.prefix)
			if taken, ok := g.commands[key]; ok {
				if taken.plugin.Name != name {
					g.log.WarnContext(ctx, "two plugins register one command, the first by name keeps it",
						"command", key, "keeps", taken.plugin.Name, "loses", name)
				}
				continue
			}
			g.commands[key] = route{g.plugins[name], c}
		}
	}
}

// lookup finds who answers a command, in any case.
func (g *Registry) lookup(command string) (route, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	r, ok := g.commands[strings.ToLower(command)]
	return r, ok
}

// Plugins lists the registrations by name.
func (g *Registry) Plugins() []Registration {
	g.mu.RLock()
	defer g.mu.RUnlock()
	list := make([]Registration, 0, len(g.plugins))
	for _, name := range slices.Sorted(maps.Keys(g.plugins)) {
		list = append(list, g.plugins[name])
	}
	return list
}
