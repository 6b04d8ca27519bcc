package router

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
)

// The settings that every command has, by their keys: of all commands of a plugin, or as
// COMMAND.KEY of one.
const (
	keyEnabled         = "enabled"
	keyMinRank         = "min_rank"
	keyCooldownUser    = "cooldown_user"
	keyCooldownChannel = "cooldown_channel"
	keyCooldownExempt  = "cooldown_exempt"
	keyQuietHours      = "quiet_hours"
	keyRefusals        = "refusals"
	keyTimeout         = "timeout"
	keyAnswers         = "answers"
	keyAliases         = "aliases" // of one command only
)

// MaxCooldown is the longest cooldown.
const MaxCooldown = 30 * 24 * time.Hour

// The values of keyAnswers.
const (
	answerAsAsked = "as asked" // in chat, or in private where the command was
	answerInPM    = "pm"
)

// The values of keyRefusals.
const (
	refuseInChat  = "chat"
	refuseInPM    = "pm"
	refuseSilence = "none"
)

func policies() map[string]*jsonschema.Schema {
	limit := func(n float64) *float64 { return &n }
	seconds := func(what string, most time.Duration) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "number", Description: what, Minimum: limit(0), Maximum: limit(most.Seconds()), Extra: map[string]any{"unit": pluginsettings.Seconds}}
	}
	return map[string]*jsonschema.Schema{
		keyEnabled:         {Type: "boolean", Description: "whether it is routed at all", Default: json.RawMessage("true")},
		keyMinRank:         {Type: "integer", Description: "rank that a user needs; what the plugin says unless set", Minimum: limit(-1), Maximum: limit(255)},
		keyCooldownUser:    seconds("time between two uses by one user in a channel", MaxCooldown),
		keyCooldownChannel: seconds("time between two uses in a channel, whoever uses it", MaxCooldown),
		keyCooldownExempt:  {Type: "integer", Description: "rank from which cooldowns do not hold; nobody's unless set", Minimum: limit(1), Maximum: limit(255)},
		keyQuietHours:      {Type: "string", Description: "hours in which it is not routed, such as 22:00-07:00 Europe/Berlin or 10pm - 7am (UTC without a zone)"},
		keyRefusals:        {Type: "string", Description: "where refusals are answered", Default: json.RawMessage(`"chat"`), Enum: []any{refuseInChat, refuseInPM, refuseSilence}},
		keyAnswers:         {Type: "string", Description: "where it is answered: as it was asked, or always by private message", Default: json.RawMessage(`"as asked"`), Enum: []any{answerAsAsked, answerInPM}},
		keyTimeout:         seconds("how long one attempt may take; what the plugin says unless set", time.Hour),
	}
}

// policyProperties are those of policies.
var policyProperties = sync.OnceValues(func() (pluginsettings.Properties, error) {
	all := pluginsettings.Properties{}
	for key, s := range policies() {
		p, err := pluginsettings.NewProperty(key, s)
		if err != nil {
			return nil, err
		}
		if key == keyQuietHours {
			p.Validate = func(text string) error { _, err := parseQuiet(text); return err }
		}
		all[key] = p
	}
	return all, nil
})

// IsPolicy reports whether every command has a setting of that key.
func IsPolicy(key string) bool {
	all, _ := policyProperties()
	_, ok := all[key]
	return ok || key == keyAliases
}

// Properties returns the settings of a plugin: its own, those that hold for all its
// commands, and those of each command.
func (r Registration) Properties() (pluginsettings.Properties, error) {
	all, err := pluginsettings.ParseSchema(r.Settings)
	if err != nil {
		return nil, err
	}
	all = maps.Clone(all)
	forEachCommand := func(p pluginsettings.Property) {
		for _, c := range r.Commands {
			if key := c.policyKey(p.Key); c.AliasOf == "" && c.Runs == "" {
				of := p
				of.Key = key
				all[key] = of
			}
		}
	}
	policies, err := policyProperties()
	if err != nil {
		return nil, err
	}
	for key, p := range policies {
		all[key] = p
		forEachCommand(p)
	}
	aliases, err := pluginsettings.NewProperty(keyAliases, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}, Description: "further names of the command"})
	forEachCommand(aliases)
	return all, err
}

// policyKey returns the key of a setting of the command.
func (c Command) policyKey(key string) string {
	if c.AliasOf != "" {
		return strings.ToLower(c.AliasOf) + "." + key
	}
	return strings.ToLower(c.Name) + "." + key
}

// policy is what the settings say of a command in a channel.
type policy struct {
	set     pluginsettings.Set
	command Command
}

// read decodes a setting, and reports whether it is set.
func (p policy) read(key string, into any) bool {
	value, _, ok := p.set.Value(p.command.policyKey(key), key)
	return ok && json.Unmarshal(value, into) == nil
}

func (p policy) enabled() bool {
	on := true
	p.read(keyEnabled, &on)
	return on
}

func (p policy) rank(of Registration) int {
	need := of.Rank(p.command)
	p.read(keyMinRank, &need)
	return need
}

// RankIn returns the rank that a user needs for a command of r where these are the settings.
func (r Registration) RankIn(set pluginsettings.Set, c Command) int { return policy{set, c}.rank(r) }

func (p policy) duration(key string) time.Duration {
	seconds := 0.0
	if key == keyCooldownChannel {
		seconds = p.command.Cooldown
	}
	p.read(key, &seconds)
	return time.Duration(seconds * float64(time.Second))
}

// exempt reports whether cooldowns do not hold for a rank.
func (p policy) exempt(rank int) bool {
	from := 0
	return p.read(keyCooldownExempt, &from) && from > 0 && rank >= from
}

// private reports whether answers are private whatever the command was.
func (p policy) private() bool {
	where := answerAsAsked
	p.read(keyAnswers, &where)
	return where == answerInPM
}

func (p policy) refusals() string {
	where := refuseInChat
	p.read(keyRefusals, &where)
	return where
}

func (p policy) quiet(t time.Time) bool {
	var hours string
	if !p.read(keyQuietHours, &hours) {
		return false
	}
	q, err := parseQuiet(hours)
	return err == nil && q.covers(t)
}
