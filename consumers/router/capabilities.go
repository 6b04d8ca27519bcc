package router

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
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

// CheckCapability returns a capability in its canonical form, or an INVALID_INPUT error if
// it is none.
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

// OwnCapabilities returns what a plugin without credentials of its own may do: what it
// declares and was granted, without what was revoked. Nil, for a plugin that declares
// nothing, allows everything.
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

// SetCapabilities replaces all capabilities of a plugin.
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

// RevokeCapabilities takes capabilities away from a plugin. It returns those that the
// plugin had or declares.
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

// DeleteCapabilities forgets all that was granted to a plugin or revoked.
func DeleteCapabilities(ctx context.Context, kv jetstream.KeyValue, plugin string) error {
	for _, key := range []string{grantedKey, capabilitiesKey} {
		if err := change(ctx, kv, key, func(g capabilities) { delete(g, plugin) }); err != nil {
			return err
		}
	}
	return nil
}

func isSymbol(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }
