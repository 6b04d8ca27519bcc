package host_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

type greeting struct {
	Word  string        `json:"word" default:"hello" enum:"hello,hi" jsonschema:"what is said"`
	Times int           `json:"times" default:"1" min:"1" max:"3" jsonschema:"how often"`
	Wait  time.Duration `json:"wait" default:"90s" min:"1s" max:"1h" jsonschema:"how long"`
	Loud  bool          `json:"loud" default:"off" jsonschema:"whether with a mark"`
	Names []string      `json:"names" default:"" jsonschema:"to whom"`
}

// greeter says its settings.
func greeter() plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		s := plugins.SettingsOf[greeting](c)
		mark := ""
		if s.Loud {
			mark = "!"
		}
		return c.Say("%s %s%s %s", strings.Repeat(s.Word, s.Times), strings.Join(s.Names, " "), mark, s.Wait), nil
	})
	p.Settings = greeting{}
	return p
}

// A handler has the defaults until somebody changes them, and the change at once.
func TestSettings(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, greeter())
	say := func(want string) {
		t.Helper()
		if got := channel.Say("alice", "!x"); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	say("hello  1m30s")
	for key, value := range map[string]string{"times": "2", "word": "hi", "wait": "2 min", "loud": "on", "names": "bob, carol"} {
		channel.Set("x", key, value)
	}
	say("hihi bob carol! 2m0s")
	channel.Reboot()
	say("hihi bob carol! 2m0s")
	change, err := event.As[event.SettingChange](channel.Emitted(event.SubjectSettings).Envelope)
	if err != nil || change.Plugin != "x" || change.Channel != plugintest.ChannelName || change.By != "test" || len(change.Old) != 0 {
		t.Errorf("change %+v: %v", change, err)
	}
	if n := len(channel.Stored(event.SubjectSettings)); n != 5 {
		t.Errorf("%d changes are stored, want 5", n)
	}
}

// What is no setting, or not a value of it, is refused with what it must be.
func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, greeter())
	registered, err := router.List(t.Context(), channel.Bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ plugin, key, value, want string }{
		{"x", "times", "4", "times must be a whole number from 1 to 3, not 4"},
		{"x", "times", "1.5", "times must be a whole number from 1 to 3, not 1.5"},
		{"x", "times", "many", "times must be a whole number from 1 to 3, not many"},
		{"x", "word", "yo", "word must be hello or hi, not yo"},
		{"x", "wait", "2h", "wait must be a time such as 90s or 2h from 1s to 1h, not 2h"},
		{"x", "loud", "maybe", "loud must be on or off, not maybe"},
		{"x", "time", "2", "x has no setting time: did you mean times?"},
		{"y", "times", "2", `there is no plugin "y": there are x`},
		{"x", "x.cooldown_user", "-1s", "x.cooldown_user must be a time such as 90s or 2h from 0s to 720h, not -1s"},
		{"x", "quiet_hours", "late", "quiet hours are written as 22:00-07:00, 10pm - 7am or 22:00-07:00 Europe/Berlin, not late"},
		{"x", "quiet_hours", "22:00-07:00 Atlantis", "quiet hours: there is no time zone Atlantis"},
		{"x", "x.aliases", "y,x", "x is a command of x already: choose another alias"},
		{"x", "x.aliases", "!r,x y", `"x y" is more than one word: write aliases with commas between them`},
		{"x", "x.aliases", "!r", `"!r" cannot be an alias: it is 1 to 30 letters, digits, _ and -`},
		{"x", "x.aliases", "__", `"__" cannot be an alias`},
		{"x", "x.aliases", strings.Repeat("a", 31), "\"aaa"},
		{"x", "x.answers", "chat", "x.answers must be as asked or pm, not chat"},
	} {
		_, err := router.Configure(t.Context(), channel.Bus, nil, registered, router.Setting{Plugin: c.plugin, Key: c.key, Text: c.value})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %s", c.key, c.value, err, c.want)
		}
	}
}

// A plugin whose settings are none is refused with the reason.
func TestSettingsMustBeAStructOfSettings(t *testing.T) {
	t.Parallel()
	for want, of := range map[string]any{
		"times must be a whole number from 1 to 3, not 7": struct {
			Times int `json:"times" default:"7" min:"1" max:"3"`
		}{},
		"field Times has no tag json": struct{ Times int }{},
		"enabled is a setting that every command has": struct {
			Enabled bool `json:"enabled" default:"on"`
		}{},
	} {
		p := plugin(hello)
		p.Settings = of
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A registration of another language may hold what is no schema.
func TestSchemaOfARegistrationIsChecked(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`{"name":"x","settings":{"type":"array"}}`:                                                           "must be of type object",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"$ref":"#","default":1}}}}`:              "it refers to another by $ref",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"allOf":[{"$dynamicRef":"#"}]}}}}`:       "it refers to another by $dynamicRef",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"allOf":[null]}}}}`:                      "the schema of setting a is invalid",
		`{"name":"x","settings":` + strings.Repeat(`{"not":`, 9000) + "{}" + strings.Repeat("}", 9000) + "}": "it nests deeper than 64 levels",
		`{"name":"x","settings":7}`:                                                                     "is invalid: a schema cannot be a JSON number",
		`{"name":"x","settings":{"type":"object","properties":{"a":null}}}`:                             "the schema of setting a is invalid",
		`{"name":"x","settings":{"type":"object","properties":{"a.b":{"type":"string"}}}}`:              `a setting is called "a.b"`,
		`{"name":"x","settings":{"type":"object","properties":{"a":{"type":"string","pattern":"("}}}}`:  "the schema of setting a is invalid",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"type":"integr"}}}}`:                `the type of setting a is "integr"`,
		`{"name":"x","settings":{"type":"object","properties":{"a":{"$ref":"http://x.example/y"}}}}`:    "it refers to another by $ref",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"pattern":7}}}}`:                    "is invalid: properties.pattern cannot be a JSON number",
		`{"name":"x","settings":"{"}`:                                                                   "is invalid: a schema cannot be a JSON string",
		`{"name":"x","settings":{"type":"object","properties":{"a":{"type":"integer","default":"b"}}}}`: "default of a must be a whole number",
	} {
		if _, err := router.ParseRegistration("x", []byte(value)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// A stored value that a new version of the plugin no longer takes leaves the default.
func TestSettingThatNoLongerFits(t *testing.T) {
	t.Parallel()
	type stricter struct {
		Times int `json:"times" default:"1" min:"1" max:"2"`
	}
	p := greeter()
	p.Commands[0].Handle = func(c *plugins.Context) ([]event.Envelope, error) {
		return c.Say("%d", plugins.SettingsOf[stricter](c).Times), nil
	}
	channel := plugintest.Run(t, p)
	for value, want := range map[string]string{"2": "2", "3": "1"} {
		channel.Set("x", "times", value)
		if got := channel.Say("alice", "!x"); got != want {
			t.Errorf("%s: said %q, want %q", value, got, want)
		}
	}
}
