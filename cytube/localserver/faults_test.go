package localserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	c := connect(t, s)
	c.emit("joinChannel", object{"name": lobby})
	c.emit("login", object{"name": "alice"})
	c.next("addUser")
	bob := join(t, s, "bob", "")

	s.Fail(lobby, "Alice", 2, cytubetest.FaultLost)
	s.Fail(lobby, "alice", 1, cytubetest.FaultNoEcho)
	s.Fail(lobby, "alice", 1, cytubetest.FaultCooldown)
	s.Fail(lobby, "alice", 1, cytubetest.FaultSpam)
	s.Fail(lobby, "alice", 1, cytubetest.FaultSpamLink)
	for i := range 7 {
		c.emit("chatMsg", object{"msg": fmt.Sprint("line ", i)})
	}
	for _, want := range []string{"cooldown 100", `spamFiltered {"reason":"NEW_USER_CHAT"}`, `spamFiltered {"reason":"NEW_USER_CHAT_LINK"}`} {
		if name, arg := c.next("chatMsg", "cooldown", "spamFiltered"); name+" "+arg != want {
			t.Errorf("got %s %s, want %s", name, arg, want)
		}
	}
	if _, line := c.next("chatMsg"); !strings.Contains(line, "line 6") {
		t.Errorf("got %s", line)
	}
	for _, want := range []string{"line 2", "line 6"} {
		if m, err := bob.Next(soon(t)); err != nil || m.Text != want {
			t.Errorf("bob got %+v, %v, want %s", m, err, want)
		}
	}

	s.Fail(lobby, "alice", 1, cytubetest.FaultDrop)
	c.emit("chatMsg", object{"msg": "my last words"})
	if m, err := bob.Next(soon(t)); err != nil || m.Text != "my last words" {
		t.Errorf("bob got %+v, %v", m, err)
	}
	var closed *socketio.DisconnectError
	ctx := soon(t)
	for {
		ev, err := c.conn.Receive(ctx)
		if ev.Name == "chatMsg" {
			t.Error("the echo came all the same")
		}
		if err != nil {
			if !errors.As(err, &closed) || closed.Code != 1006 {
				t.Errorf("ended with %v", err)
			}
			break
		}
	}
	try(t, s.WaitGone(ctx, lobby, "alice"))
}

func TestStallAndResume(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice, bob := join(t, s, "alice", ""), join(t, s, "bob", "")
	try(t, s.Stall(lobby, "alice"))
	try(t, alice.Send(soon(t), "held back"))
	try(t, bob.Say(soon(t), "hello"))
	if len(s.Heard()) != 1 {
		t.Errorf("heard %+v of a stalled user", s.Heard())
	}
	try(t, s.Resume(lobby, "alice"))
	if m, err := bob.Next(soon(t)); err != nil || m.Text != "held back" {
		t.Errorf("bob got %+v, %v", m, err)
	}
	if m, err := alice.Next(soon(t)); err != nil || m.Text != "hello" {
		t.Errorf("alice got %+v, %v", m, err)
	}
}

func TestWaitHeardSeesThePastAndTheFuture(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	alice := join(t, s, "alice", "")
	try(t, alice.Say(soon(t), "first"))
	said := func(text string) func(Line) bool { return func(l Line) bool { return l.Text == text } }
	l, err := s.WaitHeard(soon(t), said("first"))
	if err != nil || l.Seq != 1 {
		t.Errorf("got %+v, %v", l, err)
	}
	got := make(chan error)
	go func() {
		_, err := s.WaitHeard(soon(t), said("second"))
		got <- err
	}()
	try(t, alice.Say(soon(t), "second"))
	try(t, <-got)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.WaitHeard(cancelled, said("never")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
