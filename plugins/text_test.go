package plugins_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

type parrotTexts struct {
	Echo  plugins.Text `json:"echo" default:"{{.user}} said {{.text}}" uses:"user,text,count:int" jsonschema:"what is said"`
	Hint  plugins.Text `json:"hint" default:"say something" jsonschema:"what is said to who says nothing"`
	Extra plugins.Text `json:"extra" default:"" uses:"text" jsonschema:"what is said, too"`
}

// parrot says what it hears, as its settings say.
func parrot() plugins.Plugin {
	return plugins.Plugin{Name: "parrot", Version: "1.0.0", Settings: parrotTexts{}, Commands: []plugins.Command{{
		Name: "echo",
		Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			s := plugins.SettingsOf[parrotTexts](c)
			if len(c.Command.Args) == 0 {
				return nil, c.Refuse(event.InvalidInput, s.Hint, nil)
			}
			values := plugins.Values{"user": c.Command.User, "text": c.Text(0), "count": len(c.Command.Args)}
			return append(c.SayText(s.Extra, values), c.SayText(s.Echo, values)...), nil
		},
	}}}
}

// A text is the default until it is set; what users type is not expanded (S23).
func TestTextsAreSaid(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, parrot())
	said := func(line, want string) {
		t.Helper()
		if got := channel.Say("alice", line); got != want {
			t.Errorf("%s: said %q, want %q", line, got, want)
		}
	}
	said("!echo", "❌ say something")
	said("!echo {{.user}} %s $user {name}", "alice said {{.user}} %s $user {name}")
	channel.Set("parrot", "echo", `{{.text}} ({{.count | plural "word" "words"}})`)
	said("!echo {{.user}} %d", "{{.user}} %d (2 words)")
	channel.Set("parrot", "extra", "{{upper .text}}")
	said("!echo hi", "HI")
	if got := channel.Next(); got != "hi (1 word)" {
		t.Errorf("then said %q", got)
	}
	channel.Set("parrot", "extra", "")
	said("!echo hi", "hi (1 word)")
	channel.Set("parrot", "hint", " ")
	channel.Type("alice", 1, "!echo") // is not answered
	said("!echo hi", "hi (1 word)")
}

// A text that cannot be used is refused when it is set, with the place.
func TestTextsAreChecked(t *testing.T) {
	t.Parallel()
	registered := []router.Entry{{Name: "parrot", Registration: parrot().Registration()}}
	for text, want := range map[string]string{
		"{{.usr}}": "echo: at character 3: there is no .usr: did you mean .user?",
		"{{.user":  "echo: at character 1: this {{ has no }}",
	} {
		_, err := router.Configure(t.Context(), nil, nil, registered, router.Setting{Plugin: "parrot", Key: "echo", Text: text})
		if event.CodeOf(err) != event.InvalidInput || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	p := parrot()
	p.Settings = struct {
		Hello plugins.Text `json:"hello" default:"{{.user}}"`
	}{}
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "hello: at character 3: there is no .user: there is no value here") {
		t.Errorf("a default that uses what there is not: %v", err)
	}
	properties, err := parrot().Registration().Properties()
	if err != nil || properties["echo"].Description != "what is said; may use .user, .text, .count" {
		t.Errorf("described as %q, %v", properties["echo"].Description, err)
	}
}

// A text that was set for an earlier version, or fails for these values, leaves the default.
func TestTextThatNoLongerFits(t *testing.T) {
	t.Parallel()
	type later struct {
		Echo plugins.Text `json:"echo" default:"{{.user}} says {{.text}}" uses:"user,text" jsonschema:"what is said"`
	}
	p := parrot()
	old := p.Settings
	p.Commands[0].Handle = func(c *plugins.Context) ([]event.Envelope, error) {
		values := plugins.Values{"user": c.Command.User, "text": c.Text(0)}
		if c.Command.Args[0] == "old" {
			return c.SayText(plugins.SettingsOf[parrotTexts](c).Echo, values), nil
		}
		return c.SayText(plugins.SettingsOf[later](c).Echo, values), nil
	}
	p.Settings = old
	channel := plugintest.Run(t, p)
	channel.Set("parrot", "echo", "{{.count}}: {{.text}}")
	for line, want := range map[string]string{"!echo old": "alice said old", "!echo new": "alice says new"} {
		if got := channel.Say("alice", line); got != want {
			t.Errorf("%s: said %q, want %q", line, got, want)
		}
	}
}
