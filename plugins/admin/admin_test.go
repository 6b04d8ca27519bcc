package admin_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/admin"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/texts"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// run runs the plugin, bound to the channel's bot, which is in channels.
func run(t *testing.T, channels ...string) *plugintest.Channel {
	t.Helper()
	var binding sync.RWMutex
	a := &admin.Admin{Channels: channels}
	p := a.Plugin()
	for i, c := range p.Commands {
		p.Commands[i].Handle = func(ctx *plugins.Context) ([]event.Envelope, error) {
			binding.RLock()
			defer binding.RUnlock()
			return c.Handle(ctx)
		}
	}
	channel := plugintest.Run(t, p, diceroller.New(), texts.New())
	binding.Lock()
	defer binding.Unlock()
	var err error
	a.Bus = channel.Bus
	if a.Settings, err = pluginsettings.Open(t.Context(), channel.Bus.JetStream(), 1); err != nil {
		t.Fatal(err)
	}
	if a.Grants, err = router.OpenGrants(t.Context(), channel.Bus.JetStream(), 1); err != nil {
		t.Fatal(err)
	}
	return channel
}

// Admins change settings and grants of their channel by typing, and are answered.
func TestAdmin(t *testing.T) {
	t.Parallel()
	channel := run(t, "lounge", "attic")
	for _, step := range []struct {
		rank       int
		line, want string
	}{
		{2, "!set dice-roller.roll.cooldown_user 30s", "needs rank 3"},
		{3, "!set dice-roller.roll.cooldown_user 30s", "✅ dice-roller.roll.cooldown_user is 30s (in "},
		{3, "!set dice-roller.roll.cooldown_user soon", "must be a time such as 90s or 2h"},
		{3, "!set dice-roller.roll.cooldown_usr 1s", "has no setting roll.cooldown_usr: !settings dice-roller shows some"},
		{3, "!set dice-roller", "say for example !set trivia.questions 5"},
		{3, "!set roll 5", "write a setting as PLUGIN.SETTING"},
		{3, "!set nothing.x 5", "there is no plugin \"nothing\""},
		{3, "!set dice-roller.enabled off for all", "you are an admin of"},
		{3, "!set dice-roller.enabled off for attic", "say it in attic"},
		{3, "!settings dice-roller", "roll.cooldown_user 30s (in "},
		{3, "!settings texts", "texts: 12 texts with their defaults, which !settings texts.alias and so on shows"},
		{3, "!set texts.link " + strings.Repeat("kein Link ", 30), "✅ texts.link is kein Link kein Link"},
		{3, "!settings texts", "texts: link kein Link kein Link kein Link kein Link kein Link kein Link…; 11 texts with their defaults, which "},
		{3, `!set texts.link {{if eq .why "link"}}„{{.text}}“  ist kein Link{{end}}`, `✅ texts.link is {{if eq .why "link"}}„{{.text}}“  ist kein Link{{end}} (in `},
		{3, `!set texts.rank "{{.need}}" For ` + plugintest.ChannelName, `✅ texts.rank is "{{.need}}" (in `},
		{3, "!settings dice-roller.enabled", "dice-roller.enabled is on (default)"},
		{3, "!set dice-roller.roll.cooldown_user default", "✅ dice-roller.roll.cooldown_user is not set (default)"},
		{3, "!set admin.min_rank 2", "✅ admin.min_rank is 2"},
		{2, "!grant alice dice-roller for 2h", "✅ alice may use dice-roller in "},
		{2, "!grant alice dice-roller for long", "is no time such as 2h"},
		{2, "!grant alice nothing", "is neither a plugin"},
		{2, "!grant alice", "say for example !grant alice quote-db.quote for 2h"},
		{2, "!revoke @alice dice-roller", "✅ alice no longer has the grant"},
		{2, "!revoke alice dice-roller", "alice was not granted dice-roller"},
	} {
		if got := channel.SayAs("ann", step.rank, step.line); !strings.Contains(got, step.want) {
			t.Errorf("%s is answered by %q, want %q", step.line, got, step.want)
		}
	}
	for _, s := range channel.Stored(event.SubjectSettings) {
		if c, err := event.As[event.SettingChange](s.Envelope); err != nil || c.By != "ann" || c.Channel == "" {
			t.Errorf("stored %+v, %v", c, err)
		}
	}
	if n := len(channel.Stored(event.SubjectGrant)); n != 2 {
		t.Errorf("%d changes of grants", n)
	}
}

// Where the bot is in one channel, its admins may set what holds for all.
func TestAdminOfTheOnlyChannel(t *testing.T) {
	t.Parallel()
	channel := run(t, "lounge")
	if got := channel.SayAs("ann", 3, "!set dice-roller.enabled off for all"); !strings.Contains(got, "is off (in all channels, by ann)") {
		t.Error(got)
	}
}

// In another process than the bot's it changes nothing.
func TestAdminElsewhere(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, admin.New())
	if got := channel.SayAs("ann", 3, "!settings admin"); !strings.Contains(got, "works in the bot's own process alone") {
		t.Error(got)
	}
}
