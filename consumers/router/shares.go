package router

import (
	"context"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
)

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
