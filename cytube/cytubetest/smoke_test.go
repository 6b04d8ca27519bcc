package cytubetest

import (
	"context"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	s, err := Start(Config{Accounts: []Account{{Name: "Bot", Password: "pw"}}, Channels: []Channel{{Name: "room", Ranks: map[string]float64{"bot": 2}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	bot, err := Join(ctx, s.URL(), "room", "bot", "pw")
	if err != nil {
		t.Fatal(err)
	}
	defer bot.Close()
	alice, err := Join(ctx, s.URL(), "room", "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	if err := alice.Say(ctx, "!roll 2d6 <b> (x)"); err != nil {
		t.Fatal(err)
	}
	m, err := bot.Next(ctx)
	t.Logf("%+v %v", m, err)
	for i := range 12 {
		if err := bot.Say(ctx, "/me waves"); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := bot.PM(ctx, "alice", "psst"); err != nil {
		t.Fatal(err)
	}
	m, err = alice.Expect(ctx, func(m Message) bool { return m.Private })
	t.Logf("%+v %v", m, err)
	t.Log(s.Kick("room", "alice", "bye"))
	_, err = alice.Next(ctx)
	t.Log(err)
	for err == nil {
		_, err = alice.Next(ctx)
	}
	t.Log(err)
	for _, f := range s.Received()[:5] {
		t.Log(f)
	}
}
