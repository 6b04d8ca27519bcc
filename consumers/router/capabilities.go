package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/streams"
)

// capabilitiesKey is the key of the bucket that says what operators have granted to plugins with
// credentials of their own. Like ownersKey it is no plugin's name.
const capabilitiesKey = "=capabilities"

// capabilities are lists of them, by plugin.
type capabilities map[string][]string

// The kinds of capabilities: the part before the first colon.
const (
	storageCapability = "storage" // storage:quotes, storage:quotes:read
	readCapability    = "read"    // read:cytube.pm
)

// CheckCapability returns an INVALID_INPUT error for what is no capability.
func CheckCapability(capability string) error {
	kind, of, _ := strings.Cut(capability, ":")
	switch kind {
	case storageCapability:
		if collection, _ := strings.CutSuffix(of, ":read"); event.ValidName(collection) {
			return nil
		}
	case readCapability:
		_, err := streams.Overlapping(of)
		return err
	}
	return event.Errorf(event.InvalidInput, "%q is not a capability: write storage:COLLECTION, storage:COLLECTION:read, or read:SUBJECT as in read:%s", capability, event.SubjectPM)
}

// GrantCapabilities gives capabilities to a plugin.
func GrantCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, list ...string) error {
	for _, c := range list {
		if err := CheckCapability(c); err != nil {
			return err
		}
	}
	return change(ctx, kv, capabilitiesKey, func(g capabilities) {
		have := append(slices.Clone(g[plugin]), list...)
		slices.Sort(have)
		g[plugin] = slices.Compact(have)
	})
}

// RevokeCapabilities takes capabilities away from a plugin, all if none is named. It returns those that
// the plugin had.
func RevokeCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, list ...string) (had []string, err error) {
	err = change(ctx, kv, capabilitiesKey, func(g capabilities) {
		taken := func(c string) bool { return len(list) == 0 || slices.Contains(list, c) }
		had = slices.DeleteFunc(slices.Clone(g[plugin]), func(c string) bool { return !taken(c) })
		if g[plugin] = slices.DeleteFunc(slices.Clone(g[plugin]), taken); len(g[plugin]) == 0 {
			delete(g, plugin)
		}
	})
	return had, err
}

// Access decides what plugins may use, by their registrations, who owns what, and grants. It
// reads the bucket each time.
type Access struct {
	kv      jetstream.KeyValue
	claimed sync.Map // [2]string{plugin, collection} of plugins without restrictions
}

// NewAccess makes an Access on the bucket of registrations.
func NewAccess(kv jetstream.KeyValue) *Access { return &Access{kv: kv} }

// Collection returns a PERMISSION_DENIED error if a plugin with credentials of its own may
// not read or write a collection. The first plugin that writes a collection owns it.
func (a *Access) Collection(ctx context.Context, plugin, collection string, write bool) error {
	o, err := read[owners](ctx, a.kv, ownersKey)
	if err != nil {
		return err
	}
	owner := o[collectionKey(collection)]
	if owner == "" && write {
		owner, err = a.claim(ctx, plugin, collection)
	}
	if err != nil || owner == "" || owner == plugin {
		return err
	}
	g, err := read[capabilities](ctx, a.kv, capabilitiesKey)
	if err != nil {
		return err
	}
	capability := storageCapability + ":" + collection
	needed := capability
	if !write {
		needed += ":read"
	}
	if slices.Contains(g[plugin], capability) || slices.Contains(g[plugin], needed) {
		return nil
	}
	return event.Errorf(event.PermissionDenied, "collection %s belongs to %s: rosey plugin grant %s %s lets %s use it", collection, owner, plugin, needed, plugin).
		With("owner", owner)
}

// Wrote notes that a process without restrictions writes a collection. If it is that of a
// plugin and the collection has no owner, the plugin owns it from then on.
func (a *Access) Wrote(ctx context.Context, who, collection string) {
	key := [2]string{who, collection}
	if _, known := a.claimed.Load(key); known || !event.ValidName(who) {
		return
	}
	_, err := a.kv.Get(ctx, who)
	if err == nil {
		_, err = a.claim(ctx, who, collection)
	}
	if err == nil || errors.Is(err, jetstream.ErrKeyNotFound) { // else the next write tries again
		a.claimed.Store(key, true)
	}
}

// claim gives a collection without an owner to a plugin, and returns the owner.
func (a *Access) claim(ctx context.Context, plugin, collection string) (owner string, err error) {
	key := collectionKey(collection)
	err = change(ctx, a.kv, ownersKey, func(o owners) {
		if owner = o[key]; owner == "" {
			o[key], owner = plugin, plugin
		}
	})
	return owner, err
}

// Events returns the subjects that a plugin's registration declares, and those that were
// granted to it.
func (a *Access) Events(ctx context.Context, plugin string) (declared, granted []string, err error) {
	g, err := read[capabilities](ctx, a.kv, capabilitiesKey)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range g[plugin] {
		if subject, ok := strings.CutPrefix(c, readCapability+":"); ok {
			granted = append(granted, subject)
		}
	}
	entry, err := a.kv.Get(ctx, plugin)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, granted, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look up %s: %w", plugin, err)
	}
	r, _ := ParseRegistration(plugin, entry.Value()) // an invalid one declares nothing
	return r.Events, granted, nil
}

// Shares are what plugins have beside their registrations.
type Shares struct {
	owners       owners
	capabilities capabilities
}

// ReadShares reads what plugins have.
func ReadShares(ctx context.Context, kv jetstream.KeyValue) (s Shares, err error) {
	if s.owners, err = read[owners](ctx, kv, ownersKey); err == nil {
		s.capabilities, err = read[capabilities](ctx, kv, capabilitiesKey)
	}
	return s, err
}

// Granted lists the capabilities of a plugin.
func (s Shares) Granted(plugin string) []string { return s.capabilities[plugin] }

// Collections lists those that belong to a plugin.
func (s Shares) Collections(plugin string) (list []string) {
	for key, owner := range s.owners {
		if collection, ok := strings.CutPrefix(key, collectionPrefix); ok && owner == plugin {
			list = append(list, collection)
		}
	}
	slices.Sort(list)
	return list
}

// Waiting lists the commands of a registration that belong to other plugins, without the
// prefix with which some registrations write them.
func (s Shares) Waiting(e Entry) (list []string) {
	for _, c := range e.Commands {
		for _, key := range []string{fold.Key(c.key("")), fold.Key(strings.TrimLeftFunc(c.key(""), isSymbol))} {
			if owner := s.owners[key]; owner == e.Name {
				break
			} else if owner != "" {
				list = append(list, key)
				break
			}
		}
	}
	return list
}

func isSymbol(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }
