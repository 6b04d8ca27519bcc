package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A plugin with credentials of its own cannot have the commands of others taken
// for repeats, by using their message IDs first.
func TestCredentialsUseUpNoMessageIDs(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	ctx := streamstest.Context(t)
	seal, err := msgid.OpenSigner(ctx, g.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	bus := streams.NewBus(g.Conn(), g.JetStream(), streams.WithMessageIDSigner(seal))
	kv, err := router.OpenBucket(ctx, g.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	registry := router.NewRegistry("!", log)
	r := router.Router{Registry: registry, Prefix: "!", IsBot: func(string, string) bool { return false }, Logger: log}
	config := r.Config()
	settled := make(chan consumers.Outcome, 1)
	config.Observe = func(o consumers.Outcome) { settled <- o }
	running, cancel := context.WithCancel(ctx)
	ready, watched, ran := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		watched <- registry.Watch(running, bus.JetStream(), kv, []router.Registration{{Name: "victim", Version: "1.0.1", Commands: []router.Command{{Name: "hi"}}}}, func() { close(ready) })
	}()
	<-ready
	go func() { ran <- consumers.Run(running, bus, config, r.Handle) }()
	defer func() { cancel(); <-watched; <-ran }()

	cytube, err := g.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	guest, err := jetstream.New(g.guest())
	if err != nil {
		t.Fatal(err)
	}
	next := cytube.CachedInfo().State.LastSeq + 1
	if _, err := guest.PublishMsg(ctx, &nats.Msg{Subject: "plugin.guest.event.x", Data: []byte(`{}`),
		Header: nats.Header{jetstream.MsgIDHeader: {fmt.Sprintf("router/CYTUBE:%d/1", next)}}}); err != nil {
		t.Fatal(err)
	}
	if chat := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "!hi", Channel: "main"}); chat.Ref.Seq != next {
		t.Fatalf("the line is %s, not what the guest expected", chat.Ref)
	}
	if o := <-settled; o.Result != consumers.Handled || o.Duplicates != 0 {
		t.Errorf("the line was routed as %+v", o)
	}
	stream, err := g.JetStream().Stream(ctx, streams.Plugin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.GetLastMsgForSubject(ctx, event.CommandSubject("victim")); err != nil {
		t.Errorf("the command: %v", err)
	}
}

// All processes with the same credentials have the same Seal, and no other.
func TestSealOfCredentials(t *testing.T) {
	t.Parallel()
	inside, outside := newGrounds(t), external(t)
	before := inside.guest()
	one, err := msgid.CredentialSigner(before)
	if err != nil {
		t.Fatal(err)
	}
	again, err := msgid.CredentialSigner(inside.guest())
	if err != nil {
		t.Fatal(err)
	}
	byPassword, err := msgid.CredentialSigner(outside.guest())
	if err != nil {
		t.Fatal(err)
	}
	bot, err := msgid.OpenSigner(streamstest.Context(t), inside.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[event.Ref]int{} // by what is published with the same ID
	for _, s := range []msgid.Signer{one, again, byPassword, bot, {}} {
		bus := streams.NewBus(inside.Conn(), inside.JetStream(), streams.WithMessageIDSigner(s))
		ack := streamstest.Publish(t, bus, event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "main"}, streams.WithMsgID("id"))
		stored[ack.Ref]++
	}
	if counts := slices.Sorted(maps.Values(stored)); !slices.Equal(counts, []int{1, 1, 1, 2}) {
		t.Errorf("five seals, of which two are the same and one is none: %v", stored)
	}
}
