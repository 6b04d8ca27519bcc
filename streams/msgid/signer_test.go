package msgid_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Who shares the secret makes the same message IDs, and who does not cannot use
// them up.
func TestSeal(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	s := streamstest.Server(t)
	plain := streamstest.Bus(t, s)
	opened := make(chan *streams.Bus, 4)
	for range cap(opened) { // at the same time
		go func() {
			seal, err := msgid.OpenSigner(ctx, plain.JetStream(), 1)
			if err != nil {
				t.Error(err)
			}
			opened <- streams.NewBus(plain.Conn(), plain.JetStream(), streams.WithMessageIDSigner(seal))
		}()
	}
	leave := func(bus *streams.Bus) streams.Ack {
		return streamstest.Publish(t, bus, event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "main"}, streams.WithMsgID("router/CYTUBE:1/1"))
	}
	forged, first := leave(plain), leave(<-opened)
	if first.Duplicate || first.Ref == forged.Ref {
		t.Error("an ID is used up by somebody who does not share the secret")
	}
	for range cap(opened) - 1 {
		if again := leave(<-opened); !again.Duplicate || again.Ref != first.Ref {
			t.Errorf("a repeat is stored as %+v; the first is %s", again, first.Ref)
		}
	}
	stream, err := plain.JetStream().Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(ctx, first.Ref.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if id := msg.Header.Get(jetstream.MsgIDHeader); !strings.HasPrefix(id, "router/CYTUBE:1/1~") || len(id) != len("router/CYTUBE:1/1~")+16 {
		t.Errorf("the ID is %s", id)
	}
}

// Where the secret was lost and another was made, all processes sign with that one soon,
// and know since when. That of a new store is no other one's.
func TestFollow(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	open := func() msgid.Signer {
		s, err := msgid.OpenSigner(ctx, bus.JetStream(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := open()
	if !old.Since().IsZero() {
		t.Errorf("the first secret is another one's since %s", old.Since())
	}
	following, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- old.Follow(following, bus.JetStream(), slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() { stop(); <-ended })
	stored := streamstest.Publish(t, bus, event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "main"})
	if err := bus.JetStream().DeleteKeyValue(ctx, msgid.Bucket); err != nil {
		t.Fatal(err)
	}
	renewed := open()
	if renewed.Since().IsZero() {
		t.Errorf("the secret that %s was signed with is forgotten", stored.Ref)
	}
	err := retry.Do(ctx, retry.Every(20*time.Millisecond), func(context.Context) error {
		if old.Sign("x") != renewed.Sign("x") || !old.Since().Equal(renewed.Since()) {
			return errors.New("signs with the old secret")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
