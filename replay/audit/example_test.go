package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay/audit"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func say(ctx context.Context, bus *streams.Bus, user, message string) {
	e, err := event.New(event.SubjectChat, event.Chat{User: user, Message: message, Channel: "lounge", Rank: 1, Time: 1732645200000})
	if err == nil {
		_, err = bus.As("cytube").Publish(ctx, e)
	}
	if err != nil {
		panic(err)
	}
}

func ExampleWrite() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	say(ctx, bus, "alice", "hello")
	say(ctx, bus, "bob", "hi")

	o := audit.Options{Query: audit.Query{User: "bob"}, Zone: time.UTC}
	if err := audit.Write(ctx, bus.JetStream(), os.Stdout, o); err != nil {
		panic(err)
	}
	// Output: 2024-11-26 18:20:00  lounge  <bob> hi
}

func ExampleVerify() {
	bus, stop := streamstest.ExampleBus()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	say(ctx, bus, "alice", "hello")
	say(ctx, bus, "bob", "hi")
	var seal bytes.Buffer
	if _, err := audit.Seal(ctx, bus.JetStream(), &seal, key, audit.SealOptions{}); err != nil {
		panic(err)
	}

	stream, err := bus.JetStream().Stream(ctx, streams.Cytube)
	if err == nil {
		err = stream.DeleteMsg(ctx, 2)
	}
	if err != nil {
		panic(err)
	}
	report, err := audit.Verify(ctx, bus.JetStream(), []ed25519.PublicKey{public}, &seal)
	if err != nil {
		panic(err)
	}
	fmt.Println(report.OK(), report.Findings[0].Kind, report.Findings[0].Ref)
	// Output: false missing CYTUBE:2
}
