package main

import (
	"testing"

	"github.com/rosey-bot/rosey/plugins/plugintest"
)

func TestGreeter(t *testing.T) {
	channel := plugintest.Run(t, greeter())
	if got, want := channel.Say("alice", "!hello"), "Hello, alice!"; got != want {
		t.Errorf("!hello is answered %q, want %q", got, want)
	}
}
