package router

import (
	"context"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
)

// Authorizations are what plugins own and may do, beside their registrations: commands and
// collections, and the capabilities that operators granted.
type Authorizations struct {
	owners           owners
	granted, earlier capabilities
}

// ReadAuthorizations reads them from the bucket of registrations.
func ReadAuthorizations(ctx context.Context, kv jetstream.KeyValue) (a Authorizations, err error) {
	if a.owners, err = read[owners](ctx, kv, ownersKey); err == nil {
		a.earlier, err = read[capabilities](ctx, kv, capabilitiesKey)
	}
	if err == nil {
		a.granted, err = read[capabilities](ctx, kv, grantedKey)
	}
	return a, err
}

// Granted lists the capabilities that an operator gave to a plugin.
func (a Authorizations) Granted(plugin string) []string {
	if list, recorded := a.granted[plugin]; recorded {
		return effective(list, nil, true)
	}
	return a.earlier[plugin]
}

// Allowed lists what a plugin with credentials of its own may do.
func (a Authorizations) Allowed(plugin string) event.Capabilities {
	list, recorded := a.granted[plugin]
	return effective(list, a.earlier[plugin], recorded)
}

// Restricted reports whether an operator has said what a plugin may do.
func (a Authorizations) Restricted(plugin string) bool {
	_, recorded := a.granted[plugin]
	return recorded
}

// ForgetCollections takes a plugin's collections from it: the next plugin that writes one
// owns it.
func ForgetCollections(ctx context.Context, kv jetstream.KeyValue, plugin string) error {
	return change(ctx, kv, ownersKey, func(o owners) {
		for key, owner := range o {
			if owner == plugin && strings.HasPrefix(key, collectionPrefix) {
				delete(o, key)
			}
		}
	})
}

// Collections lists the collections that a plugin owns.
func (a Authorizations) Collections(plugin string) (list []string) {
	for key, owner := range a.owners {
		if collection, ok := strings.CutPrefix(key, collectionPrefix); ok && owner == plugin {
			list = append(list, collection)
		}
	}
	slices.Sort(list)
	return list
}

// Waiting lists the commands of a registration that belong to other plugins, without the
// prefix with which some registrations write them.
func (a Authorizations) Waiting(e Entry) (list []string) {
	for _, c := range e.Commands {
		for _, key := range []string{fold.Key(c.key("")), fold.Key(strings.TrimLeftFunc(c.key(""), isSymbol))} {
			if owner := a.owners[key]; owner == e.Name {
				break
			} else if owner != "" {
				list = append(list, key)
				break
			}
		}
	}
	return list
}
