package cmd

import (
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestGrantsOnTheCommandLine(t *testing.T) {
	streamstest.Slow(t, "starts a bot")
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("alice: !inspect plugins")
	p.expect("!inspect needs rank 2")
	expect(t, []outcome{
		{[]string{"grants", "role", "dj", "inspector.inspect"}, 0, "the role dj may use inspector.inspect"},
		{[]string{"grants", "roles"}, 0, "dj"},
		{[]string{"grant", "bob", "dj", "--for", "2h", "--reason", "film night"}, 0, "bob may use dj in all channels until "},
		{[]string{"grant", "bob", "inspector.nothing"}, 1, "inspector has no command nothing"},
		{[]string{"grant", "", "dj"}, 2, `"" is not a user's name: rosey grant USER RIGHT`},
		{[]string{"revoke", "a b", "dj"}, 2, `"a b" is not a user's name: rosey revoke USER RIGHT`},
		{[]string{"grant", "bob", ""}, 2, "name a plugin, a command as plugin.command, or a role: rosey grant USER RIGHT"},
		{[]string{"grant", "bob", "nothing"}, 1, "nothing is neither a plugin"},
		{[]string{"grant", "bob"}, 2, "give user, right: rosey grant USER RIGHT"},
		{[]string{"grant", "bob", "dj", "--for", "soon"}, 2, `--for: "soon" is not a time: write for example 2h30m`},
		{[]string{"grants", "role", "trivia"}, 2, "give a role a name that no plugin has"},
		{[]string{"grants", "ls"}, 0, "film night"},
		{[]string{"revoke", "bob", "dj"}, 0, "bob no longer has the grant of dj in all channels"},
		{[]string{"revoke", "bob", "dj"}, 1, "bob was not granted dj there"},
		{[]string{"replay", "--subject", "platform.grant"}, 0, "platform.grant"},
	}, "--store", store)
	p.interrupt()
}
