package localserver

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// options are a channel's, as channelOpts has them.
type options struct {
	AllowVoteskip       bool      `json:"allow_voteskip"`
	VoteskipRatio       float64   `json:"voteskip_ratio"`
	AFKTimeout          float64   `json:"afk_timeout"`
	PageTitle           string    `json:"pagetitle"`
	MaxLength           float64   `json:"maxlength"`
	ExternalCSS         string    `json:"externalcss"`
	ExternalJS          string    `json:"externaljs"`
	ChatAntiflood       bool      `json:"chat_antiflood"`
	ChatAntifloodParams antiflood `json:"chat_antiflood_params"`
	ShowPublic          bool      `json:"show_public"`
	EnableLinkRegex     bool      `json:"enable_link_regex"`
	Password            password  `json:"password"`
	AllowDupes          bool      `json:"allow_dupes"`
	TorBanned           bool      `json:"torbanned"`
	BlockAnonymousUsers bool      `json:"block_anonymous_users"`
	AllowASCIIControl   bool      `json:"allow_ascii_control"`
	MaxPerUser          float64   `json:"playlist_max_per_user"`
	NewUserDelay        float64   `json:"new_user_chat_delay"`
	NewUserLinkDelay    float64   `json:"new_user_chat_link_delay"`
	MaxDurationPerUser  float64   `json:"playlist_max_duration_per_user"`
}

// antiflood is a Flood as it is sent.
type antiflood struct {
	Burst     int     `json:"burst"`
	Sustained float64 `json:"sustained"`
	Cooldown  float64 `json:"cooldown"`
}

// password is a channel's; an empty one is sent as false.
type password string

func (p password) MarshalJSON() ([]byte, error) {
	if p == "" {
		return []byte("false"), nil
	}
	return json.Marshal(string(p))
}

// defaultOptions are those of a channel without any of its own.
func defaultOptions(title string, flood Flood) options {
	o := options{
		AllowVoteskip: true, VoteskipRatio: 0.5, AFKTimeout: 600, PageTitle: title, EnableLinkRegex: true,
		ChatAntifloodParams: antiflood{Burst: 4, Sustained: 1, Cooldown: 4},
	}
	if flood != (Flood{}) {
		o.ChatAntiflood = true
		o.ChatAntifloodParams = antiflood{flood.Burst, flood.Sustained, flood.cooldown()}
	}
	return o
}

// invalid is what the real server says of an option that it does not take.
type invalid string

// setOptions handles setOptions. It tells everybody all options if it took one, and ignores those that it does not know or
// that need rank 3 of a lower one.
func (ch *Channel) setOptions(c *Session, values map[string]any) {
	taken, o := false, &ch.options
	for _, s := range settable {
		value, ok := values[s.name]
		if !ok || c.rank() < s.rank {
			continue
		}
		switch problem := s.set(o, value).(type) {
		case invalid:
			c.Emit("validationError", object{"target": "#cs-" + s.name, "message": string(problem)})
		case error:
			c.fail(problem.Error())
		case ignored:
		default:
			taken = true
			if s.told {
				c.Emit("validationPassed", object{"target": "#cs-" + s.name})
			}
		}
	}
	if taken {
		ch.broadcast("channelOpts", ch.options)
	}
}

// ignored stands for an option's value that the real server passes over without a word.
type ignored struct{}

// setting is how one option is set: set returns nil, an invalid, an error or ignored.
type setting struct {
	name string
	rank float64
	told bool // whether the client gets a message that the value passed
	set  func(o *options, value any) any
}

func flag(name string, rank float64, at func(*options) *bool) setting {
	return setting{name, rank, false, func(o *options, v any) any {
		*at(o) = truthy(v)
		return nil
	}}
}

func atLeastZero(name string, rank float64, at func(*options) *float64, otherwise func(v any) any) setting {
	return setting{name, rank, false, func(o *options, v any) any {
		n, ok := toNumber(v)
		if !ok || n < 0 {
			return otherwise(v)
		}
		*at(o) = n
		return nil
	}}
}

func passOver(any) any { return ignored{} }

// settable are the options, in the order in which the real server looks at them.
var settable = []setting{
	flag("allow_voteskip", 2, func(o *options) *bool { return &o.AllowVoteskip }),
	{"voteskip_ratio", 2, true, func(o *options, v any) any {
		n, ok := toNumber(v)
		if !ok || n < 0 {
			return invalid(fmt.Sprintf(`Input must be a number 0 or greater, not "%v"`, v))
		}
		o.VoteskipRatio = n
		return nil
	}},
	{"afk_timeout", 2, true, func(o *options, v any) any {
		n, ok := toNumber(v)
		if !ok || n < 0 || n > 86400 {
			return invalid("AFK timeout must be between 1 and 86400 seconds (or 0 to disable)")
		}
		o.AFKTimeout = math.Trunc(n)
		return nil
	}},
	{"pagetitle", 3, false, func(o *options, v any) any { o.PageTitle = cut(fmt.Sprint(v), 100); return nil }},
	{"maxlength", 2, false, func(o *options, v any) any { o.MaxLength = toSeconds(v); return nil }},
	atLeastZero("playlist_max_duration_per_user", 2, func(o *options) *float64 { return &o.MaxDurationPerUser },
		func(v any) any {
			return refusal(fmt.Sprintf("Expected number for playlist_max_duration_per_user, not %q", fmt.Sprint(v)))
		}),
	{"externalcss", 3, true, func(o *options, v any) any { return setLink(&o.ExternalCSS, v, "CSS") }},
	{"externaljs", 3, true, func(o *options, v any) any { return setLink(&o.ExternalJS, v, "JS") }},
	flag("chat_antiflood", 2, func(o *options) *bool { return &o.ChatAntiflood }),
	{"chat_antiflood_params", 2, false, func(o *options, v any) any { o.ChatAntifloodParams = toAntiflood(v); return nil }},
	flag("show_public", 3, func(o *options) *bool { return &o.ShowPublic }),
	flag("enable_link_regex", 2, func(o *options) *bool { return &o.EnableLinkRegex }),
	{"password", 3, false, func(o *options, v any) any { o.Password = password(cut(fmt.Sprint(v), 100)); return nil }},
	flag("allow_dupes", 2, func(o *options) *bool { return &o.AllowDupes }),
	flag("torbanned", 3, func(o *options) *bool { return &o.TorBanned }),
	flag("block_anonymous_users", 3, func(o *options) *bool { return &o.BlockAnonymousUsers }),
	flag("allow_ascii_control", 3, func(o *options) *bool { return &o.AllowASCIIControl }),
	atLeastZero("playlist_max_per_user", 3, func(o *options) *float64 { return &o.MaxPerUser }, passOver),
	atLeastZero("new_user_chat_delay", 2, func(o *options) *float64 { return &o.NewUserDelay }, passOver),
	atLeastZero("new_user_chat_link_delay", 2, func(o *options) *float64 { return &o.NewUserLinkDelay }, passOver),
}

// setLink sets the address of a page's style or script.
func setLink(at *string, v any, kind string) any {
	prefix := "Invalid URL for external " + kind + ": "
	link, ok := v.(string)
	link = strings.TrimSpace(cut(link, 255))
	switch {
	case !ok:
		return invalid(prefix + "URL must be a string")
	case link != "" && !strings.HasPrefix(link, "https://"):
		return invalid(prefix + " URL must begin with 'https://'")
	}
	*at = link
	return nil
}

func toAntiflood(v any) antiflood {
	params, _ := v.(map[string]any)
	burst, ok := toNumber(params["burst"])
	if !ok || burst < 0 {
		burst = 1
	}
	sustained, ok := toNumber(params["sustained"])
	if !ok || sustained <= 0 {
		sustained = 1
	}
	burst, sustained = min(math.Trunc(burst), 20), min(sustained, 10)
	return antiflood{int(burst), sustained, burst / sustained}
}

// toSeconds reads seconds, also written as 1:02:03; 0 for anything else.
func toSeconds(v any) (seconds float64) {
	text, ok := v.(string)
	if !ok {
		n, _ := v.(float64)
		return max(n, 0)
	}
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseFloat(cmp.Or(part, "0"), 64)
		if err != nil {
			return 0
		}
		seconds = 60*seconds + n
	}
	return max(seconds, 0)
}

// toNumber reads a number, also from its digits.
func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

// truthy is JavaScript's Boolean.
func truthy(v any) bool { return v != nil && v != false && v != "" && v != 0.0 }
