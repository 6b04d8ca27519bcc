package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What an operator grants to a plugin is shown, and can be taken back.
func TestGrants(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
	store := t.TempDir()
	if r := rosey(t, "!roll 1d6\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	expect(t, []outcome{
		{[]string{"plugin", "grant", "dice-roller", "storage:quotes:read", "read:cytube.pm"}, 0, "dice-roller may read the collection quotes now (storage:quotes:read)\ndice-roller may read private messages to the bot now"},
		{[]string{"plugin", "grant", "dice-roller"}, 2, "give a plugin and a capability"},
		{[]string{"plugin", "grant", "dice-roller", "fly"}, 2, `"fly" is not a capability`},
		{[]string{"plugin", "grant", "dice-roller", "storage:a b"}, 2, "is not a capability"},
		{[]string{"plugin", "grant", "dice-roller", "read:weather"}, 2, "no stream holds"},
		{[]string{"plugin", "grant", "no.name", "storage:quotes"}, 2, "is not a plugin's name"},
		{[]string{"plugin", "info", "dice-roller"}, 0, "granted      chat pm read:cytube.pm read:public request:* storage storage:quotes:read"},
		{[]string{"plugin", "info", "dice-roller", "--output", "json"}, 0, `"grants":["chat","pm","read:cytube.pm","read:public","request:*","storage","storage:quotes:read"]`},
		{[]string{"plugin", "ls", "--output", "json"}, 0, `"read:cytube.pm"`},
		{[]string{"plugin", "info", "quote-db"}, 0, "collections  quotes"},
		{[]string{"plugin", "info", "trivia"}, 0, "cytube.chat"},
		{[]string{"plugin", "info", "nobody"}, 1, `there is no plugin "nobody"`},
		{[]string{"plugin", "revoke", "dice-roller", "read:cytube.pm"}, 0, "may no longer read private messages to the bot"},
		{[]string{"plugin", "revoke", "dice-roller", "read:cytube.pm"}, 1, "was not granted"},
		{[]string{"plugin", "rm", "dice-roller"}, 0, "is forgotten"},
	}, "--store", store)
	if r := rosey(t, "!roll 1d6\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := rosey(t, "", "plugin", "info", "dice-roller", "--store", store); strings.Contains(r.stdout, "storage:") {
		t.Errorf("a plugin that was removed has its grants again:\n%s", r.stdout)
	}
}

// A command is preferred as it is typed in the channel, with the prefix of the settings or
// none.
func TestPreferTakesThePrefixOfTheSettings(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
	store := t.TempDir()
	env := []string{"ROSEY_PREFIX=?"}
	if r := roseyWith(t, env, "?roll 1d6\n", "run", "--local", "--store", store); r.code != 0 || !strings.Contains(r.stdout, "Rolled") {
		t.Fatalf("%+v", r)
	}
	for command, code := range map[string]int{"?roll": 0, "roll": 0, "!roll": 1} {
		if r := roseyWith(t, env, "", "plugin", "prefer", "dice-roller", command, "--store", store); r.code != code {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

// A command that another plugin has is shown as one that its claimant waits for, until it
// is preferred.
func TestClaimsThatWaitAreShown(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs dozens of commands")
	store := t.TempDir()
	if r := rosey(t, "!roll 1d6\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	register(t, store, "0evil", `{"name":"0evil","version":"1.0.0","commands":["!Roll"]}`)
	expect(t, []outcome{
		{[]string{"plugin", "ls"}, 0, "!Roll (waits for roll)"},
		{[]string{"doctor"}, 0, "0evil registers the command roll, which belongs to dice-roller"},
		{[]string{"doctor"}, 0, "rosey plugin prefer 0evil roll, or give one of the two commands another name"},
		{[]string{"plugin", "prefer", "0evil", "roll"}, 0, "0evil has the command roll now"},
		{[]string{"plugin", "ls"}, 0, "roll dice (waits for roll)"},
		{[]string{"doctor"}, 0, "dice-roller registers the command roll, which belongs to 0evil"},
	}, "--store", store)
}

// register writes the registration of a plugin into the store of a stopped bot.
func register(t *testing.T, store, name, registration string) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	bus := streamstest.Bus(t, server)
	kv, err := router.OpenBucket(t.Context(), bus.JetStream(), 1)
	if err == nil {
		_, err = kv.PutString(t.Context(), name, registration)
	}
	bus.Conn().Close()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
