package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/console"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func ExampleListen() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	store, err := kvstore.NewStore(bus.JetStream())
	if err != nil {
		panic(err)
	}
	defer store.Close()
	c, err := console.Listen(console.Config{
		Address: "127.0.0.1:0", Access: console.Access{Password: console.HashPassword("open sesame")},
		Bus: bus, Store: store, Logger: slog.New(slog.DiscardHandler),
		Channels: []console.Channel{{
			Name: "lounge", IsBot: func(user string) bool { return user == "rosey" },
			Users: func() []console.User { return nil }, Problem: func() string { return "" },
		}},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx) }()

	resp, err := http.Get(c.URL())
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status, strings.HasPrefix(resp.Request.URL.Path, "/login"))
	cancel()
	fmt.Println(<-served)
	// Output:
	// 200 OK true
	// <nil>
}
