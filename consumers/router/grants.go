package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// rolesKey is the key of the roles in the bucket, which otherwise has a key a user.
const rolesKey = "=roles"

// Grant is a right that a user has whatever the rank: a plugin's commands, as PLUGIN, one
// of them, as PLUGIN.COMMAND, or a role. It holds for users who are logged in.
type Grant struct {
	Right   string `json:"right"`
	Channel string `json:"channel,omitempty"` // "" is all channels
	Until   int64  `json:"until,omitempty"`   // ms since the epoch; 0 is for ever
	By      string `json:"by"`
	Reason  string `json:"reason,omitempty"`
	At      int64  `json:"at"` // ms since the epoch
}

// holds reports whether the grant is in force at a time in a channel.
func (g Grant) holds(at time.Time, channel string) bool {
	return (g.Until == 0 || at.UnixMilli() < g.Until) && (g.Channel == "" || strings.EqualFold(g.Channel, channel))
}

// Roles are sets of rights, by name.
type Roles map[string][]string

// UserGrants are the grants of a user.
type UserGrants struct {
	User   string  `json:"user"`
	Grants []Grant `json:"grants"`
}

// Grants keeps what users were granted. The nil Grants has none.
type Grants struct {
	kv jetstream.KeyValue
}

// OpenGrants opens the bucket and creates it if it is missing.
func OpenGrants(ctx context.Context, js jetstream.JetStream, replicas int) (*Grants, error) {
	kv, err := jsapi.OpenErasableBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: streams.UserGrants, Description: "What users were granted, by user", History: history, Replicas: max(replicas, 1),
	})
	return &Grants{kv}, err
}

// history is how many changes of a key the bucket keeps.
const history = 64

// allows reports whether a user has a right to a command.
func (g *Grants) allows(ctx context.Context, plugin string, command Command, l line) (bool, error) {
	if g == nil || l.chat.Rank < 1 {
		return false, nil
	}
	of, err := g.get(ctx, l.chat.User)
	if err != nil || len(of.Grants) == 0 {
		return false, err
	}
	roles, err := g.Roles(ctx)
	if err != nil {
		return false, err
	}
	wanted := []string{plugin, plugin + "." + strings.TrimSuffix(command.policyKey(""), ".")}
	for _, grant := range of.Grants {
		rights := append([]string{grant.Right}, roles[grant.Right]...)
		if grant.holds(l.at, l.chat.Channel) && slices.ContainsFunc(rights, func(r string) bool { return slices.Contains(wanted, r) }) {
			return true, nil
		}
	}
	return false, nil
}

// Grant gives a user a right, in place of an earlier grant of it in the same channel, and
// stores an event platform.grant.
func (g *Grants) Grant(ctx context.Context, bus *streams.Bus, user string, grant Grant) error {
	grant.At = time.Now().UnixMilli()
	err := g.change(ctx, user, func(of *UserGrants) bool {
		of.Grants = append(slices.DeleteFunc(of.Grants, grant.same), grant)
		return true
	})
	if err != nil {
		return err
	}
	return publishGrant(ctx, bus, event.GrantChange{
		Action: "grant", User: user, Right: grant.Right, Channel: grant.Channel, Until: grant.Until, By: grant.By, Reason: grant.Reason,
	})
}

func (g Grant) same(o Grant) bool {
	return g.Right == o.Right && strings.EqualFold(g.Channel, o.Channel)
}

// Revoke takes a right from a user. The error is RECORD_NOT_FOUND if the user does not have
// it in that channel.
func (g *Grants) Revoke(ctx context.Context, bus *streams.Bus, user string, grant Grant) error {
	found := false
	err := g.change(ctx, user, func(of *UserGrants) bool {
		before := len(of.Grants)
		of.Grants = slices.DeleteFunc(of.Grants, grant.same)
		found = len(of.Grants) < before
		return found
	})
	if err != nil {
		return err
	}
	if !found {
		return event.Errorf(event.RecordNotFound, "%s was not granted %s there: see rosey grants ls", user, grant.Right)
	}
	return publishGrant(ctx, bus, event.GrantChange{
		Action: "revoke", User: user, Right: grant.Right, Channel: grant.Channel, By: grant.By, Reason: grant.Reason,
	})
}

// SetRole makes a role of rights, or removes it if there are none.
func (g *Grants) SetRole(ctx context.Context, bus *streams.Bus, name string, rights []string, by string) error {
	err := jsapi.ChangeJSON(ctx, g.kv, rolesKey, func(roles *Roles) bool {
		if *roles == nil {
			*roles = Roles{}
		}
		if (*roles)[name] = rights; len(rights) == 0 {
			delete(*roles, name)
		}
		return true
	})
	if err != nil {
		return grantsError("change", err)
	}
	return publishGrant(ctx, bus, event.GrantChange{Action: "role", Right: name, Rights: rights, By: by})
}

// Roles returns the roles that there are.
func (g *Grants) Roles(ctx context.Context) (Roles, error) {
	return readGrants[Roles](ctx, g, rolesKey)
}

// List returns what users were granted and has not ended, in the order of their names.
func (g *Grants) List(ctx context.Context) (all []UserGrants, err error) {
	keys, err := g.kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	for key := range keys.Keys() {
		if key == rolesKey {
			continue
		}
		of, err := readGrants[UserGrants](ctx, g, key)
		if err != nil {
			return nil, err
		}
		of.Grants = slices.DeleteFunc(of.Grants, func(g Grant) bool { return !g.holds(time.Now(), g.Channel) })
		if len(of.Grants) > 0 {
			all = append(all, of)
		}
	}
	slices.SortFunc(all, func(a, b UserGrants) int { return strings.Compare(a.User, b.User) })
	return all, nil
}

// CheckRight returns an error unless a right is a plugin, a command of one or a role.
func (g *Grants) CheckRight(ctx context.Context, registered []Entry, right string) error {
	roles, err := g.Roles(ctx)
	if err != nil || roles[right] != nil {
		return err
	}
	plugin, command, isCommand := strings.Cut(right, ".")
	r, err := find(registered, plugin)
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s is neither a plugin, nor one of its commands as PLUGIN.COMMAND, nor a role (rosey grants roles)", right)
	}
	if isCommand && !slices.ContainsFunc(r.Commands, func(c Command) bool { return strings.EqualFold(c.Name, command) && c.AliasOf == "" }) {
		return event.Errorf(event.InvalidInput, "%s has no command %s: see rosey plugin ls", plugin, command)
	}
	return nil
}

func (g *Grants) change(ctx context.Context, user string, change func(*UserGrants) bool) error {
	return grantsError("change", jsapi.ChangeJSON(ctx, g.kv, userKey(user), func(of *UserGrants) bool {
		of.User = user
		return change(of)
	}))
}

func (g *Grants) get(ctx context.Context, user string) (UserGrants, error) {
	return readGrants[UserGrants](ctx, g, userKey(user))
}

func userKey(user string) string { return jsapi.EncodeKey(strings.ToLower(user)) }

func readGrants[T any](ctx context.Context, g *Grants, key string) (T, error) {
	v, _, err := jsapi.ReadJSON[T](ctx, g.kv, key)
	return v, grantsError("read", err)
}

func grantsError(what string, err error) error {
	if err == nil {
		return nil
	}
	return event.Errorf(event.NATSError, "%s the grants of a user: %w", what, err)
}

func publishGrant(ctx context.Context, bus *streams.Bus, change event.GrantChange) error {
	change.Timestamp = float64(time.Now().UnixMicro()) / 1e6
	e, err := event.New(event.SubjectGrant, change)
	if err == nil {
		_, err = bus.Publish(ctx, e, streams.WithRetry(30*time.Second))
	}
	if err != nil {
		return fmt.Errorf("%s is changed, but the event about it is not stored: %w", change.Right, err)
	}
	return nil
}
