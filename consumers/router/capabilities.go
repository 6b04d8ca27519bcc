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

// capabilitiesKey is the key of the bucket that says what operators of earlier releases have
// granted to plugins with credentials of their own, beside the base capabilities. Like
// ownersKey it is no plugin's name.
const capabilitiesKey = "=capabilities"

// grantedKey is the key of all that operators have granted to plugins, for those to which they
// have granted or from which they have revoked anything.
const grantedKey = "=granted"

// capabilities are lists of them, by plugin. Under grantedKey a list may hold what was revoked,
// with revokedMark before it.
type capabilities map[string][]string

const revokedMark = "!"

// CheckCapability returns a capability in its usual form, and an INVALID_INPUT error for what
// is none.
func CheckCapability(text string) (string, error) {
	c, err := event.ParseCapability(text)
	if err != nil {
		return "", err
	}
	if of, ok := strings.CutPrefix(c, event.KindRead+":"); ok && c != event.CapabilityPublic {
		_, err = streams.Overlapping(of)
	}
	return c, err
}

// effective returns what a plugin with credentials of its own may do, by what is granted to it
// and what was in an earlier release.
func effective(granted, earlier []string, recorded bool) event.Capabilities {
	if !recorded {
		return append(event.BaseCapabilities(), earlier...)
	}
	return slices.DeleteFunc(slices.Clone(granted), func(c string) bool { return strings.HasPrefix(c, revokedMark) })
}

// Capabilities returns what a plugin with credentials of its own may do.
func Capabilities(ctx context.Context, kv jetstream.KeyValue, plugin string) (event.Capabilities, error) {
	granted, err := read[capabilities](ctx, kv, grantedKey)
	if err != nil {
		return nil, err
	}
	list, recorded := granted[plugin]
	earlier, err := read[capabilities](ctx, kv, capabilitiesKey)
	return effective(list, earlier[plugin], recorded), err
}

// OwnCapabilities returns what a plugin without credentials of its own may do: what it says
// itself, and what was granted, but for what was revoked. A plugin that says nothing may do
// all, which is nil.
func OwnCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, declared []string) (event.Capabilities, error) {
	if declared == nil {
		return nil, nil
	}
	granted, err := read[capabilities](ctx, kv, grantedKey)
	if err != nil {
		return nil, err
	}
	all := append(usual(declared), effective(granted[plugin], nil, true)...)
	return slices.DeleteFunc(all, func(c string) bool { return slices.Contains(granted[plugin], revokedMark+c) }), nil
}

// usual returns capabilities in their usual form.
func usual(list []string) event.Capabilities {
	all := event.Capabilities{}
	for _, c := range list {
		if c, err := CheckCapability(c); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// checked returns capabilities in their usual form, and an INVALID_INPUT error for what is none.
func checked(list []string) (event.Capabilities, error) {
	for _, c := range list {
		if _, err := CheckCapability(c); err != nil {
			return nil, err
		}
	}
	return usual(list), nil
}

// SetCapabilities makes a list all that a plugin may do.
func SetCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, list ...string) error {
	all, err := checked(list)
	if err != nil {
		return err
	}
	return change(ctx, kv, grantedKey, func(g capabilities) { g[plugin] = sorted(all) })
}

// GrantCapabilities gives capabilities to a plugin.
func GrantCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, list ...string) error {
	given, err := checked(list)
	if err != nil {
		return err
	}
	return changeGranted(ctx, kv, plugin, func(have []string) []string {
		have = slices.DeleteFunc(have, func(c string) bool { return given.Has(strings.TrimPrefix(c, revokedMark)) })
		return append(have, given...)
	})
}

// changeGranted changes what is granted to a plugin.
func changeGranted(ctx context.Context, kv jetstream.KeyValue, plugin string, do func(have []string) []string) error {
	earlier, err := read[capabilities](ctx, kv, capabilitiesKey)
	if err != nil {
		return err
	}
	return change(ctx, kv, grantedKey, func(g capabilities) {
		have, recorded := g[plugin]
		if !recorded {
			have = effective(nil, earlier[plugin], false)
		}
		g[plugin] = sorted(do(slices.Clone(have)))
	})
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// RevokeCapabilities takes capabilities away from a plugin. It returns those that the plugin
// had, or says itself that it uses.
func RevokeCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string, list ...string) (had []string, err error) {
	var declared []string
	if entry, err := kv.Get(ctx, plugin); err == nil {
		r, _ := ParseRegistration(plugin, entry.Value()) // an invalid one declares nothing
		declared = usual(r.Capabilities)
	}
	revoked := usual(list)
	err = changeGranted(ctx, kv, plugin, func(have []string) []string {
		had = nil
		for _, c := range revoked {
			if slices.Contains(have, c) || slices.Contains(declared, c) && !slices.Contains(have, revokedMark+c) {
				had = append(had, c)
			}
		}
		have = slices.DeleteFunc(have, func(c string) bool { return slices.Contains(had, c) })
		for _, c := range had {
			have = append(have, revokedMark+c)
		}
		return have
	})
	return had, err
}

// ForgetCapabilities forgets all that was granted to a plugin or revoked.
func ForgetCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string) error {
	for _, key := range []string{grantedKey, capabilitiesKey} {
		if err := change(ctx, kv, key, func(g capabilities) { delete(g, plugin) }); err != nil {
			return err
		}
	}
	return nil
}

// Access decides what plugins may use, by their registrations, who owns what, and grants. It
// reads the bucket each time.
type Access struct {
	kv      jetstream.KeyValue
	claimed sync.Map // [2]string{plugin, collection} of plugins without credentials of their own
}

// NewAccess makes an Access on the bucket of registrations.
func NewAccess(kv jetstream.KeyValue) *Access { return &Access{kv: kv} }

// Collection returns a PERMISSION_DENIED error if a plugin with credentials of its own may
// not read or write a collection. The first plugin that writes a collection owns it.
func (a *Access) Collection(ctx context.Context, plugin, collection string, write bool) error {
	may, err := Capabilities(ctx, a.kv, plugin)
	if err != nil {
		return err
	}
	_, err = a.use(ctx, plugin, may, collection, write)
	return err
}

// Use is Collection for a plugin that may do what is given. It reads the bucket until the
// collection is the plugin's.
func (a *Access) Use(ctx context.Context, plugin string, may event.Capabilities, collection string, write bool) error {
	key := [2]string{plugin, collection}
	if _, known := a.claimed.Load(key); known {
		return nil
	}
	owner, err := a.use(ctx, plugin, may, collection, write)
	if err == nil && owner == plugin {
		a.claimed.Store(key, true)
	}
	return err
}

// use returns the owner of a collection, and a PERMISSION_DENIED error if a plugin may not use it.
func (a *Access) use(ctx context.Context, plugin string, may event.Capabilities, collection string, write bool) (owner string, err error) {
	named := may.Stores(collection, write)
	needed := event.KindStorage + ":" + collection
	if !write {
		needed += ":read"
	}
	if !named && !may.Has(event.CapabilityStorage) {
		return "", event.Errorf(event.PermissionDenied, "plugin %s may not use collection %s: rosey plugin grant %s %s lets it", plugin, collection, plugin, needed)
	}
	o, err := read[owners](ctx, a.kv, ownersKey)
	if owner = o[collectionKey(collection)]; err == nil && owner == "" && write {
		owner, err = a.claim(ctx, plugin, collection)
	}
	if err != nil || owner == "" || owner == plugin || named {
		return owner, err
	}
	return owner, event.Errorf(event.PermissionDenied, "collection %s belongs to %s: rosey plugin grant %s %s lets %s use it", collection, owner, plugin, needed, plugin).
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
	may, err := Capabilities(ctx, a.kv, plugin)
	if err != nil {
		return nil, nil, err
	}
	granted = may.Reads()
	if !may.Has(event.CapabilityPublic) {
		return []string{}, granted, nil
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
	owners           owners
	granted, earlier capabilities
}

// ReadShares reads what plugins have.
func ReadShares(ctx context.Context, kv jetstream.KeyValue) (s Shares, err error) {
	if s.owners, err = read[owners](ctx, kv, ownersKey); err == nil {
		s.earlier, err = read[capabilities](ctx, kv, capabilitiesKey)
	}
	if err == nil {
		s.granted, err = read[capabilities](ctx, kv, grantedKey)
	}
	return s, err
}

// Granted lists the capabilities that an operator gave to a plugin.
func (s Shares) Granted(plugin string) []string {
	if list, recorded := s.granted[plugin]; recorded {
		return effective(list, nil, true)
	}
	return s.earlier[plugin]
}

// May lists what a plugin with credentials of its own may do.
func (s Shares) May(plugin string) event.Capabilities {
	list, recorded := s.granted[plugin]
	return effective(list, s.earlier[plugin], recorded)
}

// Confined reports whether an operator has said what a plugin may do.
func (s Shares) Confined(plugin string) bool {
	_, recorded := s.granted[plugin]
	return recorded
}

// ForgetCollections leaves a plugin's collections to the next that writes them.
func ForgetCollections(ctx context.Context, kv jetstream.KeyValue, plugin string) error {
	return change(ctx, kv, ownersKey, func(o owners) {
		for key, owner := range o {
			if owner == plugin && strings.HasPrefix(key, collectionPrefix) {
				delete(o, key)
			}
		}
	})
}

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
