package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// The states of a registered plugin.
const (
	StateRunning = "running"
	StatePaused  = "paused"
	StateStopped = "stopped"
)

// Status is the state of a registered plugin.
type Status struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Others are the versions of processes that run beside the one that registered last.
	Others    []string `json:"other_versions,omitempty"`
	State     string   `json:"state"` // StateRunning, StatePaused or StateStopped
	Processes int      `json:"processes"`
	Lag       uint64   `json:"lag"` // events not delivered yet, but for those of Past
	// Past is how far it has read where it reads from the first event; nil where it does not,
	// or has reached the present.
	Past     *Progress `json:"past,omitempty"`
	Unacked  int       `json:"unacked"`
	Commands []string  `json:"commands"`
	MinRank  int       `json:"min_rank"`
	Problem  string    `json:"problem,omitempty"` // why its registration is invalid
	// Waiting are the commands that it registered and that belong to others.
	Waiting     []string `json:"waiting,omitempty"`
	Events      []string `json:"events,omitzero"` // what its registration declares to read; nil if it does not say
	Collections []string `json:"collections,omitempty"`
	Grants      []string `json:"grants,omitempty"` // the capabilities that an operator gave to it
	Contract    string   `json:"contract"`         // the version of the event contract that it was written for
	// Capabilities are what it asks for, and Lacks those of them that it does not have, where an
	// operator has said what it may do.
	Capabilities []string `json:"capabilities,omitempty"`
	Lacks        []string `json:"lacks,omitempty"`
	// Process is that of a plugin which the bot runs as a program of its own.
	Process *process.State `json:"process,omitempty"`

	Description string `json:"-"`
}

// Statuses returns the registered plugins in the order of their names, whichever
// processes run them.
func Statuses(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) ([]Status, error) {
	kv, err := js.KeyValue(ctx, router.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", router.Bucket, err)
	}
	auth, err := router.ReadAuthorizations(ctx, kv)
	if err != nil {
		return nil, err
	}
	registered, err := router.List(ctx, js)
	if err != nil {
		return nil, err
	}
	running, err := Instances(ctx, nc)
	if err != nil {
		return nil, err
	}
	consumers, err := monitor.Consumers(ctx, js)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // where a plugin has no consumer
		err = nil
	}
	list := make([]Status, 0, len(registered))
	for _, r := range registered {
		s := status(r)
		s.Collections, s.Grants, s.Waiting = auth.Collections(r.Name), auth.Granted(r.Name), auth.Waiting(r)
		if auth.Restricted(r.Name) {
			s.Lacks = limits{plugin: r.Name, may: auth.Allowed(r.Name)}.lacks(s.Capabilities)
		}
		s.Processes, s.Others = len(running[r.Name]), others(running[r.Name], s.Version)
		if s.Processes > 0 {
			s.State = StateRunning
		}
		for _, c := range consumers {
			if plugin, ok := streams.PluginOf(c.Name); ok && plugin == r.Name {
				s.add(c)
			}
		}
		list = append(list, s)
	}
	return list, err
}

// others returns the versions of processes other than the registered one. Some libraries can
// say none that is not semantic.
func others(running []plugins.Instance, registered string) (versions []string) {
	for _, i := range running {
		if i.Version != registered && i.Version != "0.0.0" && !slices.Contains(versions, i.Version) {
			versions = append(versions, i.Version)
		}
	}
	slices.Sort(versions)
	return versions
}

// Progress is how much of the past a plugin has read.
type Progress struct {
	Read  uint64 `json:"read"`
	Total uint64 `json:"total"`
}

// String returns the progress as "1.2M of 3.4M events read".
func (p *Progress) String() string {
	return fmt.Sprintf("%s of %s events read", count(p.Read), count(p.Total))
}

// count writes a number with one decimal and k or M where it is large.
func count(n uint64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// add adds the state of one of its durables.
func (s *Status) add(c monitor.ConsumerState) {
	s.Unacked += c.Unacked
	if c.Paused {
		s.State = StatePaused
	}
	if !streams.IsPast(c.Name) {
		s.Lag += c.Lag
		return
	}
	if c.Lag == 0 {
		return
	}
	if s.Past == nil {
		s.Past = &Progress{}
	}
	s.Past.Read += c.Settled
	s.Past.Total += c.Settled + c.Backlog()
}

func status(r router.Entry) Status {
	if r.Err != nil {
		return Status{Name: r.Name, State: StateStopped, Problem: r.Err.Error()}
	}
	s := Status{Name: r.Name, State: StateStopped, Version: r.Version, Contract: r.WrittenFor(), MinRank: r.MinRank, Description: r.Description, Events: r.Events, Capabilities: r.Capabilities}
	for _, command := range r.Commands {
		s.Commands = append(s.Commands, command.Name)
	}
	return s
}

// Consumers returns the durable consumers of a plugin, if any.
func Consumers(ctx context.Context, js jetstream.JetStream, plugin string) ([]monitor.ConsumerState, error) {
	list, err := monitor.Consumers(ctx, js)
	return slices.DeleteFunc(list, func(c monitor.ConsumerState) bool {
		of, ok := streams.PluginOf(c.Name)
		return !ok || of != plugin
	}), err
}

// WithProcesses returns the statuses with the processes that bots supervise, also those of
// plugins that have not registered.
func WithProcesses(list []Status, processes []process.State) []Status {
	for _, p := range processes {
		i := slices.IndexFunc(list, func(s Status) bool { return s.Name == p.Plugin })
		if i < 0 {
			i = len(list)
			list = append(list, Status{Name: p.Plugin, State: p.State, Problem: "it has not registered"})
		}
		list[i].Process = &p
	}
	slices.SortStableFunc(list, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Reads reports whether a process of the plugin reads its commands.
func Reads(ctx context.Context, js jetstream.JetStream, plugin string) (bool, error) {
	c, err := js.Consumer(ctx, streams.Plugin, streams.Durable(plugin))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	return err == nil && monitor.HasReader(c.CachedInfo()), err
}

// Registered reports whether a plugin of that name is registered.
func Registered(ctx context.Context, js jetstream.JetStream, plugin string) (bool, error) {
	kv, err := bucketWith(ctx, js, plugin)
	return kv != nil, err
}

// bucketWith returns the bucket of registrations, or nil if it holds no plugin of
// that name.
func bucketWith(ctx context.Context, js jetstream.JetStream, plugin string) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, router.Bucket)
	if err == nil {
		_, err = kv.Get(ctx, plugin)
	}
	for _, none := range [...]error{jetstream.ErrBucketNotFound, jetstream.ErrKeyNotFound, jetstream.ErrInvalidKey} {
		if errors.Is(err, none) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look up plugin %s: %w", plugin, err)
	}
	return kv, nil
}
