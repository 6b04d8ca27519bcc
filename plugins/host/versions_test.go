package host_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// Two versions of the settings and commands of one plugin.
type settingsOf1 struct {
	Times int `json:"times" default:"1" max:"3"`
}

type settingsOf2 struct {
	Times int    `json:"times" default:"1" max:"9"`
	Tone  string `json:"tone" default:"soft"`
}

func version1() plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		return c.Say("1.0.0, %d times", plugins.SettingsOf[settingsOf1](c).Times), nil
	})
	p.Settings = settingsOf1{}
	return p
}

func version2() plugins.Plugin {
	p := plugin(func(c *plugins.Context) ([]event.Envelope, error) {
		s := plugins.SettingsOf[settingsOf2](c)
		return c.Say("2.0.0, %d times, %s", s.Times, s.Tone), nil
	})
	p.Version, p.Settings = "2.0.0", settingsOf2{}
	p.Commands = append(p.Commands, plugins.Command{Name: "extra", Handle: hello})
	return p
}

// S40: A newer version takes a plugin's place, and the older one takes it back: each command is
// answered once, by the version that runs; what the newer one alone knows is a dead letter or a
// setting that waits for it.
func TestRollback(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	settings, err := pluginsettings.Open(t.Context(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	start := func(p plugins.Plugin) (stop func()) {
		return startOne(t, channel, p, func(h *host.Host) { h.Settings = settings })
	}
	say := func(line, want string) {
		t.Helper()
		if got := channel.Say("alice", line); got != want {
			t.Errorf("%s was answered %q, want %q", line, got, want)
		}
	}
	stop := start(version1())
	say("!x", "1.0.0, 1 times")
	stop()
	stop = start(version2())
	channel.Routed("extra")
	channel.Set("x", "times", "9")
	channel.Set("x", "tone", "harsh")
	say("!x", "2.0.0, 9 times, harsh")
	stop()
	channel.Type("alice", 1, "!extra")
	channel.Type("alice", 1, "!x")
	eventually(t, "both commands", func() bool { return len(channel.Stored(event.CommandSubject("x"))) == 4 })

	stop = start(version1())
	letter, err := event.As[event.DeadLetter](channel.Emitted(event.EventSubject("x", event.TypeDeadLetter)).Envelope)
	if err != nil || !strings.Contains(letter.Error, `no command "extra"`) {
		t.Errorf("%+v, %v", letter, err)
	}
	channel.Routed("extra", true)
	channel.Emitted(event.SubjectSendChat) // that !extra failed
	if got := channel.Next(); got != "1.0.0, 1 times" {
		t.Errorf("the command that waited was answered %q", got)
	}
	stop()
	start(version2())
	say("!x", "2.0.0, 9 times, harsh")
}

// S40: While processes of two versions run, status shows that, and which version registered last.
func TestTwoVersionsRun(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	startOne(t, channel, version2())
	one := startOne(t, channel, version1())
	status := func() host.Status {
		t.Helper()
		list, err := host.Statuses(t.Context(), channel.Bus.Conn(), channel.Bus.JetStream())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0]
	}
	eventually(t, "two processes", func() bool { return status().Processes == 2 })
	if s := status(); s.Version != "1.0.0" || !slices.Equal(s.Others, []string{"2.0.0"}) || s.Contract != event.ContractVersion {
		t.Errorf("%+v", s)
	}
	one()
	eventually(t, "one process", func() bool { return status().Processes == 1 })
}

// S40: A plugin that is written for another version of the contract runs where that can be, and
// is named with the reason where it cannot.
func TestContractsOfPlugins(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t)
	kv, err := router.OpenBucket(context.Background(), channel.Bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]struct{ registration, contract, problem string }{
		"old":    {`{"name":"old","version":"0.1","commands":["old"]}`, "1.0", ""},
		"newer":  {`{"name":"newer","version":"3.0.0","contract":"1.99","commands":["newer"],"of_the_future":{}}`, "1.99", ""},
		"lacks":  {`{"name":"lacks","version":"3.0.0","contract":"1.99","commands":["l"],"capabilities":["fly"]}`, "", "(it is written for version 1.99 of the event contract, and this bot keeps " + event.ContractVersion + ")"},
		"future": {`{"name":"future","version":"9.0.0","contract":"2.0","commands":["f"]}`, "", "it is written for version 2.0 of the event contract, and this bot keeps " + event.ContractVersion + ": use a newer bot, or an older version of the plugin"},
		"broken": {`{"name":"broken","contract":"latest","commands":["b"]}`, "", `contract "latest" is no version`},
	}
	for name, row := range rows {
		if _, err := kv.PutString(t.Context(), name, row.registration); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"old", "newer"} {
		channel.Routed(command)
	}
	list, err := host.Statuses(t.Context(), channel.Bus.Conn(), channel.Bus.JetStream())
	if err != nil || len(list) != len(rows) {
		t.Fatal(list, err)
	}
	for _, s := range list {
		if row := rows[s.Name]; s.Contract != row.contract || (s.Problem == "") != (row.problem == "") || !strings.Contains(s.Problem, row.problem) {
			t.Errorf("%s: contract %q, problem %q; want %+v", s.Name, s.Contract, s.Problem, row)
		}
	}
}
