package consumers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func stateOf(t *testing.T, bus *streams.Bus, ref event.Ref) string {
	t.Helper()
	l, _, err := consumers.FindDead(t.Context(), bus.JetStream(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return l.State
}

// A retry stores an event with the rights of the operator. It puts events to the
// consumer that gave up on them, and believes no letter that a plugin has made up.
func TestRetryBelievesNoForgedLetter(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	settled, _ := start(t, bus, consumers.Config{}, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		if d.Meta(event.MetaRetryFor) == "" {
			return nil, consumers.Permanent(errors.New("not yet"))
		}
		return nil, nil
	})
	// A plugin may have its own durable read all there is.
	for _, stream := range []string{streams.Plugin, streams.Cytube} {
		if _, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: "plugin-evil", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
	}
	router := router.New(router.NewRegistry("!", nil), "!", nil, nil).Config()
	if _, err := js.CreateConsumer(ctx, streams.Cytube, jetstream.ConsumerConfig{Durable: router.Durable, FilterSubjects: router.Subjects, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	theirs := command(t, bus, "x")
	if o := next(t, settled); o.Result != consumers.Dead {
		t.Fatalf("outcome %+v", o)
	}
	genuine := only(streamstest.Stored(t, bus, streams.Plugin), event.EventSubject("t", event.TypeDeadLetter))[0].Ref

	chat := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "!kick bob", Channel: "main"}).Ref
	// A bare payload says of no subject that it is its own.
	bare, err := js.Publish(ctx, event.EventSubject("evil", "x"), []byte(`{"command":"kick","args":[],"user":"operator","channel":"main","rank":5,"raw_message":"!kick bob"}`))
	if err != nil {
		t.Fatal(err)
	}
	planted := event.Ref{Stream: streams.Plugin, Seq: bare.Sequence}
	if err := bus.Conn().Publish(event.SubjectDelete, []byte(`{"collection":"c","id":1}`)); err != nil {
		t.Fatal(err)
	}
	for len(streamstest.Stored(t, bus, streams.Database)) == 0 {
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	count := func() (n int) {
		for _, s := range []string{streams.Cytube, streams.Plugin, streams.Platform, streams.Database} {
			n += len(streamstest.Stored(t, bus, s))
		}
		return n
	}
	for name, c := range map[string]struct {
		writer, consumer string
		about            event.Ref
		subject          string
		says             string
	}{
		"a subject that is not the event's":         {"evil", "plugin-evil", planted, event.CommandSubject("t"), "not what the dead letter says"},
		"another plugin's consumer":                 {"evil", "plugin-t", theirs, event.CommandSubject("t"), "is none of evil"},
		"another plugin's command":                  {"evil", "plugin-evil", theirs, event.CommandSubject("t"), "for another plugin"},
		"the bot's consumer":                        {"evil", router.Durable, chat, event.SubjectChat, "is none of evil"},
		"a request":                                 {"evil", "plugin-evil", event.Ref{Stream: streams.Database, Seq: 1}, event.SubjectDelete, "holds no events"},
		"what the consumer does not read":           {"t", "plugin-t", planted, event.EventSubject("evil", "x"), "does not read"},
		"a stream the consumer does not read":       {"t", "plugin-t", chat, event.SubjectChat, "there is no consumer plugin-t"},
		"a consumer that is the bot's only by name": {"evil", "evil", chat, event.SubjectChat, "there is no consumer evil"},
		"no event":  {"evil", "plugin-evil", event.Ref{Stream: "KV_x", Seq: 1}, "$KV.x.y", "not what the dead letter says"},
		"no stream": {"evil", "plugin-evil", event.Ref{Stream: "a.b", Seq: 1}, event.SubjectChat, "not what the dead letter says"},
	} {
		letter := streamstest.Publish(t, bus, event.EventSubject(c.writer, event.TypeDeadLetter), event.DeadLetter{
			EventType: event.TypeDeadLetter, Consumer: c.consumer, Stream: c.about.Stream, Seq: int64(c.about.Seq), Subject: c.subject, Error: "boom", Attempts: 1,
		}).Ref
		before := count()
		if again, err := consumers.RetryDead(ctx, bus, letter); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: retried as %s, %v; want an error that says %q", name, again, err, c.says)
		}
		if n := count(); n != before {
			t.Errorf("%s: the retry stored %d events", name, n-before)
		}
		if err := consumers.DropDead(ctx, bus, letter); err != nil || stateOf(t, bus, letter) != consumers.DeadDropped {
			t.Errorf("%s: it cannot be dropped: %v", name, err)
		}
	}

	byRouter := streamstest.Publish(t, bus, event.EventSubject(router.Name, event.TypeDeadLetter), event.DeadLetter{
		EventType: event.TypeDeadLetter, Consumer: router.Durable, Stream: chat.Stream, Seq: int64(chat.Seq), Subject: event.SubjectChat, Error: "boom", Attempts: 1,
	}).Ref
	for _, letter := range []event.Ref{genuine, byRouter} {
		if _, err := consumers.RetryDead(ctx, bus, letter); err != nil || stateOf(t, bus, letter) != consumers.DeadRetried {
			t.Errorf("%s: %v, and it is %s", letter, err, stateOf(t, bus, letter))
		}
	}
	if o := next(t, settled); o.Result != consumers.Handled {
		t.Errorf("outcome of the retry %+v", o)
	}
}

// Nobody but its writer, or the operator in that name, settles a dead letter.
func TestForgedSettlements(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	letter := streamstest.Publish(t, bus, event.EventSubject("t", event.TypeDeadLetter), event.DeadLetter{
		EventType: event.TypeDeadLetter, Consumer: "plugin-t", Stream: streams.Plugin, Seq: 1, Subject: event.CommandSubject("t"), Error: "boom", Attempts: 1,
	}).Ref
	for _, c := range []struct{ plugin, kind, state string }{
		{"evil", "dead_letter_dropped", consumers.DeadDropped},
		{"evil", "dead_letter_retried", consumers.DeadRetried},
		{"t", "dead_letter_dropped", "lost"},
		{"t", "dead_letter_dropped", consumers.DeadRetried},
	} {
		streamstest.Publish(t, bus, event.EventSubject(c.plugin, c.kind), map[string]any{
			"event_type": c.kind, "state": c.state, "stream": letter.Stream, "seq": letter.Seq, "retry": "",
		})
		if state := stateOf(t, bus, letter); state != consumers.DeadOpen {
			t.Errorf("%+v makes it %s", c, state)
		}
	}
	if err := consumers.DropDead(t.Context(), bus, letter); err != nil || stateOf(t, bus, letter) != consumers.DeadDropped {
		t.Errorf("%v, and it is %s", err, stateOf(t, bus, letter))
	}
}
