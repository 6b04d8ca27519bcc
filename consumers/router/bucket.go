package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Bucket is the KV bucket of plugin registrations, one key a plugin.
const Bucket = streams.Registrations

// OpenBucket opens the bucket of registrations and creates it if it is missing;
// see jsapi.OpenBucket.
func OpenBucket(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.KeyValue, error) {
	return jsapi.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Registrations of plugins, by name", History: 10, Replicas: max(replicas, 1),
	})
}

// Register stores a registration and returns its revision. An unchanged registration is not
// written again, so that restarts add no revisions. Custom commands of the one before are kept.
func Register(ctx context.Context, kv jetstream.KeyValue, r Registration) (revision uint64, err error) {
	return register(ctx, kv, r.Name, func(before Registration) (Registration, error) {
		next := r
		next.Commands = slices.Clone(r.Commands)
		for _, c := range before.Commands {
			if c.Custom && !r.has(fold.Key(c.key("")), "") {
				next.Commands = append(next.Commands, c)
			}
		}
		return next, nil
	})
}

// SetCustom registers the commands that a plugin has beside those that it registers when it
// starts, in place of those that were set before. They belong to the plugin in all that
// follows: routing, help, settings and grants.
func SetCustom(ctx context.Context, kv jetstream.KeyValue, plugin string, commands []Command) error {
	_, err := register(ctx, kv, plugin, func(r Registration) (Registration, error) {
		if r.Name == "" {
			return r, event.Errorf(event.RecordNotFound, "there is no plugin %q: see rosey plugin ls", plugin)
		}
		r.Commands = slices.DeleteFunc(r.Commands, func(c Command) bool { return c.Custom })
		for _, c := range commands {
			c.Custom = true
			r.Commands = append(r.Commands, c)
		}
		return r, nil
	})
	return err
}

// register stores what becomes of a plugin's registration, of which the zero one is none.
func register(ctx context.Context, kv jetstream.KeyValue, plugin string, change func(Registration) (Registration, error)) (uint64, error) {
	for {
		var before Registration
		var stored []byte
		entry, err := kv.Get(ctx, plugin)
		switch {
		case err == nil:
			stored = entry.Value()
			_ = json.Unmarshal(stored, &before) // an invalid one is replaced
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return 0, fmt.Errorf("register %s: %w", plugin, err)
		}
		next, err := change(before)
		if err == nil {
			err = next.Validate()
		}
		if err != nil {
			return 0, err
		}
		value, err := json.Marshal(next)
		if err != nil {
			return 0, fmt.Errorf("register %s: %w", plugin, err)
		}
		if string(stored) == string(value) {
			return entry.Revision(), nil
		}
		revision := uint64(0)
		if stored != nil {
			revision = entry.Revision()
		}
		revision, err = jsapi.UpdateJSON(ctx, kv, plugin, json.RawMessage(value), revision)
		if jsapi.IsConflict(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("register %s: %w", plugin, err)
		}
		return revision, nil
	}
}

// RegisterMissing stores a registration if the bucket has none of that plugin, and reports
// whether that was so.
func RegisterMissing(ctx context.Context, kv jetstream.KeyValue, r Registration) (missing bool, err error) {
	if _, err := kv.Get(ctx, r.Name); !errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, err
	}
	_, err = Register(ctx, kv, r)
	return true, err
}

// Entry is a registration in the bucket, or why it is invalid.
type Entry struct {
	Name string
	Registration
	Err error
}

// Collections returns the fields of the collections of all registrations.
func Collections(entries []Entry) map[string][]event.Field {
	all := map[string][]event.Field{}
	for _, e := range entries {
		for name, fields := range e.Collections {
			all[name] = append(all[name], fields...)
		}
	}
	return all
}

// Marks returns the marks of the events of all registrations.
func Marks(entries []Entry) event.Marks {
	all := event.Marks{}
	for _, e := range entries {
		for kind, fields := range e.Emits {
			all[event.EventSubject(e.Name, kind)] = fields
		}
	}
	return all
}

// List returns the registrations in the order of their names. It reads by direct gets,
// as a plugin with credentials of its own may not create a consumer on the bucket.
func List(ctx context.Context, js jetstream.JetStream) ([]Entry, error) {
	entries, _, err := list(ctx, js)
	return entries, err
}

// list returns the registrations and the owners of commands.
func list(ctx context.Context, js jetstream.JetStream) (all []Entry, have owners, err error) {
	const prefix = "$KV." + Bucket + "."
	values, err := jetstreamext.GetLastMsgsFor(ctx, js, "KV_"+Bucket, []string{prefix + ">"})
	if errors.Is(err, nats.ErrNoResponders) { // no plugin ever registered
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list plugins: %w", err)
	}
	for msg, err := range values {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("list plugins: %w", err)
		}
		if msg.Header.Get("KV-Operation") != "" {
			continue // deleted
		}
		if msg.Subject == prefix+ownersKey {
			_ = json.Unmarshal(msg.Data, &have) // see Registry.update
		}
		if strings.HasPrefix(msg.Subject, prefix+"=") {
			continue // also capabilitiesKey
		}
		e := Entry{Name: strings.TrimPrefix(msg.Subject, prefix)}
		e.Registration, e.Err = ParseRegistration(e.Name, msg.Data)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, have, nil
}
