package host_test

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A grant holds for its user, while it lasts, over a restart, and for nobody who is not
// logged in; cooldowns hold nevertheless.
func TestGrants(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	channel.Set("x", "x.min_rank", "3")
	channel.Set("x", "x.cooldown_channel", "1h")
	channel.Grant("Alice", "x.x", time.Hour)
	channel.Grant("bob", "x", -time.Hour)
	channel.Grant("carol", "x.late", 0)
	channel.Grant("guest", "x", 0)
	channel.Reboot()
	for user, rank := range map[string]int{"bob": 1, "carol": 1, "guest": 0} {
		if got, want := channel.SayAs(user, rank, "!x"), "⛔ "+user+": !x needs rank 3, yours is "+map[int]string{0: "0", 1: "1"}[rank]; got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	if got := channel.SayAs("alice", 1, "!x"); got != "done alice" {
		t.Errorf("said %q to who has the grant", got)
	}
	channel.Type("alice", 1, "!x")
	channel.Settle("x")
	expectRefusals(t, channel, "rank", "rank", "rank", "cooldown")
	change, err := event.As[event.GrantChange](channel.Emitted(event.SubjectGrant).Envelope)
	if err != nil || change.Action != "grant" || change.User != "Alice" || change.Right != "x.x" || change.Until == 0 {
		t.Errorf("change %+v: %v", change, err)
	}
}

// A role is a set of rights, and what is revoked is gone.
func TestRolesAndRevocation(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, picky())
	ctx, bus := streamstest.Context(t), channel.Bus
	channel.Set("x", "x.min_rank", "3")
	grants, err := router.OpenGrants(ctx, bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := grants.SetRole(ctx, bus, "dj", []string{"x.x"}, "test"); err != nil {
		t.Fatal(err)
	}
	channel.Grant("alice", "dj", 0)
	if got := channel.SayAs("alice", 1, "!x"); got != "done alice" {
		t.Errorf("said %q to a dj", got)
	}
	right := router.Grant{Right: "dj", Channel: plugintest.ChannelName, By: "test"}
	if err := grants.Revoke(ctx, bus, "ALICE", right); err != nil {
		t.Fatal(err)
	}
	if got := channel.SayAs("alice", 1, "!x"); got == "done alice" {
		t.Error("the role holds after it was revoked")
	}
	if err := grants.Revoke(ctx, bus, "alice", right); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("revoked twice: %v", err)
	}
}
