package router

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

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

// Use is Collection for a plugin with the given capabilities. It does not read the bucket
// again once the plugin owns the collection.
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
