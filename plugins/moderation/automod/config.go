// Package automod judges lines of chat by the rules of a channel: rules and line in, verdict
// out. It is pure: it reads no clock and does no I/O, so that the plugin, which acts upon its
// verdicts, and rosey automod try, which tells what they would have been, judge alike.
package automod

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// Config is the rules of a channel as its settings say them.
type Config struct {
	ExemptRank int `json:"exempt_rank" default:"2" min:"1" max:"255" jsonschema:"rank from which no rule holds"`

	FloodLines int           `json:"flood_lines" default:"8" min:"0" max:"50" jsonschema:"lines of one user within flood_time that are a flood; 0 is off"`
	FloodTime  time.Duration `json:"flood_time" default:"10s" min:"1s" max:"10m" jsonschema:"see flood_lines"`

	Repeat     int           `json:"repeat" default:"4" min:"0" max:"50" jsonschema:"how often one user may not say the same within repeat_time; 0 is off"`
	RepeatTime time.Duration `json:"repeat_time" default:"1m" min:"1s" max:"10m" jsonschema:"see repeat and raid_repeat"`

	Caps        int `json:"caps" default:"80" min:"0" max:"100" jsonschema:"percentage of a line's letters that may not be capitals; 0 is off"`
	CapsLetters int `json:"caps_letters" default:"12" min:"1" max:"240" jsonschema:"letters from which a line is judged by caps"`

	Links      string   `json:"links" default:"allow" enum:"allow,deny" jsonschema:"whether links are allowed that are of no host of allow_hosts"`
	AllowHosts []string `json:"allow_hosts" pattern:"^(\\*\\.)?[^\\s/:@.]+(\\.[^\\s/:@.]+)+$" example:"youtube.com" jsonschema:"hosts of links that are allowed, with the hosts below them"`
	DenyHosts  []string `json:"deny_hosts" pattern:"^(\\*\\.)?[^\\s/:@.]+(\\.[^\\s/:@.]+)+$" example:"youtube.com" jsonschema:"hosts of links that are not, with the hosts below them"`

	DenyWords  []string `json:"deny_words" format:"regex" jsonschema:"words that are not allowed, or patterns in RE2's syntax"`
	AllowWords []string `json:"allow_words" format:"regex" jsonschema:"words or patterns in which those of deny_words do not count"`

	NewFor   time.Duration `json:"new_for" default:"0s" min:"0s" max:"720h" jsonschema:"how long after the first visit a user is new; 0 is off"`
	NewLinks string        `json:"new_links" default:"deny" enum:"allow,deny" jsonschema:"whether new users may post links that are of no host of allow_hosts"`

	RaidJoins  int           `json:"raid_joins" default:"0" min:"0" max:"1000" jsonschema:"first visits within raid_time that begin a raid; 0 is off"`
	RaidTime   time.Duration `json:"raid_time" default:"30s" min:"1s" max:"10m" jsonschema:"see raid_joins"`
	RaidFor    time.Duration `json:"raid_for" default:"10m" min:"1m" max:"24h" jsonschema:"how long a raid lasts after its last first visit"`
	RaidStep   string        `json:"raid_step" default:"mute:1h" pattern:"^(warn|kick|(mute|ban)(:[1-9][0-9]*[smhdw])?)$" example:"mute:10m" jsonschema:"what is done to new users who speak in a raid: warn, mute:1h, kick or ban:1d"`
	RaidRepeat int           `json:"raid_repeat" default:"0" min:"0" max:"100" jsonschema:"users who say the same within repeat_time that are a raid; 0 is off"`

	Steps     []string      `json:"steps" default:"warn,mute:10m,kick,ban:1d" pattern:"^(warn|kick|(mute|ban)(:[1-9][0-9]*[smhdw])?)$" example:"mute:10m" jsonschema:"what is done upon a user's first, second, … breach within steps_time"`
	StepsTime time.Duration `json:"steps_time" default:"24h" min:"1m" max:"2160h" jsonschema:"see steps"`
}

// Kinds of Step.
const (
	Warn = "warn"
	Mute = "mute"
	Kick = "kick"
	Ban  = "ban"
)

// Step is what is done to a user who broke a rule.
type Step struct {
	Kind string
	For  time.Duration // of a mute or ban; 0 is until somebody lifts it
}

// String returns the step as in a setting.
func (s Step) String() string {
	if s.For == 0 {
		return s.Kind
	}
	return s.Kind + ":" + strings.ReplaceAll(timeparse.Short(s.For), " ", "")
}

// ParseStep reads a step, such as warn, mute:10m, kick or ban:7d. The error is INVALID_INPUT.
func ParseStep(text string) (s Step, err error) {
	kind, length, timed := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	s.Kind = kind
	if !slices.Contains([]string{Warn, Mute, Kick, Ban}, kind) || timed && kind != Mute && kind != Ban {
		return s, event.Errorf(event.InvalidInput, "%q is no step: write warn, mute:10m, kick or ban:7d", text)
	}
	if timed {
		if s.For, err = timeparse.Duration(length); err == nil && s.For < time.Second {
			err = event.Errorf(event.InvalidInput, "%q lasts no time: write for example %s:10m", text, kind)
		}
	}
	return s, err
}

// Rules are a Config that was checked.
type Rules struct {
	Config
	deny, allow []*regexp.Regexp
	steps       []Step
	raidStep    Step
	hosts       struct{ allow, deny []string }
}

// Compile checks a config. The error is INVALID_INPUT and names the setting.
func Compile(c Config) (*Rules, error) {
	r := &Rules{Config: c}
	for _, list := range []struct {
		key      string
		patterns []string
		into     *[]*regexp.Regexp
	}{{"deny_words", c.DenyWords, &r.deny}, {"allow_words", c.AllowWords, &r.allow}} {
		for _, text := range list.patterns {
			re, err := word(text)
			if err != nil {
				return nil, event.Errorf(event.InvalidInput, "%s: %w", list.key, err).With("field", list.key)
			}
			*list.into = append(*list.into, re)
		}
	}
	r.hosts.allow, r.hosts.deny = hostNames(c.AllowHosts), hostNames(c.DenyHosts)
	for _, text := range c.Steps {
		s, err := ParseStep(text)
		if err != nil {
			return nil, event.Errorf(event.InvalidInput, "steps: %w", err).With("field", "steps")
		}
		r.steps = append(r.steps, s)
	}
	var err error
	if r.raidStep, err = ParseStep(c.RaidStep); err != nil {
		return nil, event.Errorf(event.InvalidInput, "raid_step: %w", err).With("field", "raid_step")
	}
	return r, nil
}

// Step returns what is done upon a user's n-th breach, from 1.
func (r *Rules) Step(n int) Step {
	if len(r.steps) == 0 {
		return Step{Kind: Warn}
	}
	return r.steps[min(max(n, 1), len(r.steps))-1]
}

var plainWord = regexp.MustCompile(`^[\pL\pN' -]+$`)

// word returns the pattern of a setting: a plain word is matched where it stands alone, in
// any case.
func word(text string) (*regexp.Regexp, error) {
	pattern := text
	if plainWord.MatchString(text) {
		pattern = `(?:^|[^\pL\pN])(?:` + text + `)(?:$|[^\pL\pN])`
	}
	re, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "%q is no pattern in RE2's syntax: %w", text, err)
	}
	return re, nil
}
