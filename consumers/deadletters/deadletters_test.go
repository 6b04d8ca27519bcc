package deadletters_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// A fixture is a server with a plugin t that dead-letters each command at first and
// handles it when it is retried, a plugin evil, and a router.
type fixture struct {
	*testing.T
	bus      *streams.Bus
	outcomes chan consumers.Outcome
	router   consumers.Config
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{T: t, bus: streamstest.Bus(t, streamstest.Server(t)), outcomes: make(chan consumers.Outcome, 10)}
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	c := consumers.Config{
		Durable: "plugin-t", Stream: streams.Plugin, Name: "t", Subjects: []string{event.CommandSubject("t")},
		Observe: func(o consumers.Outcome) { f.outcomes <- o },
	}
	ended := make(chan error, 1)
	go func() {
		ended <- consumers.Run(ctx, f.bus, c, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
			if d.Meta(event.MetaRetryFor) == "" {
				return nil, consumers.Permanent(errors.New("not yet"))
			}
			return nil, nil
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	// A plugin may have its own durable read everything.
	f.consumer(streams.Plugin, "plugin-evil")
	f.consumer(streams.Cytube, "plugin-evil")
	f.router = router.Router{Registry: router.NewRegistry("!", nil), Prefix: "!"}.Config()
	f.consumer(streams.Cytube, f.router.Durable, f.router.Subjects...)
	return f
}

func (f *fixture) consumer(stream, durable string, subjects ...string) {
	f.Helper()
	c := jetstream.ConsumerConfig{Durable: durable, FilterSubjects: subjects, AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := f.bus.JetStream().CreateConsumer(f.Context(), stream, c); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) publish(subject string, payload any) event.Ref {
	f.Helper()
	return streamstest.Publish(f, f.bus, subject, payload).Ref
}

// publishBare stores a payload without an envelope, which names no subject of its own.
func (f *fixture) publishBare(subject, payload string) event.Ref {
	f.Helper()
	ack, err := f.bus.JetStream().Publish(f.Context(), subject, []byte(payload))
	if err != nil {
		f.Fatal(err)
	}
	return event.Ref{Stream: ack.Stream, Seq: ack.Sequence}
}

// request sends a request that nobody answers and returns once it is stored.
func (f *fixture) request(subject, payload string) event.Ref {
	f.Helper()
	if err := f.bus.Conn().Publish(subject, []byte(payload)); err != nil {
		f.Fatal(err)
	}
	streamstest.Recorded(f, f.bus.JetStream(), streams.Database, 1)
	return event.Ref{Stream: streams.Database, Seq: 1}
}

// letter publishes a dead letter in the name of a plugin.
func (f *fixture) letter(plugin, consumer string, about event.Ref, subject string) event.Ref {
	f.Helper()
	return f.publish(event.EventSubject(plugin, event.TypeDeadLetter), event.DeadLetter{
		EventType: event.TypeDeadLetter, Consumer: consumer, Stream: about.Stream, Seq: int64(about.Seq), Subject: subject, Error: "boom", Attempts: 1,
	})
}

// events counts what all streams hold.
func (f *fixture) events() (n int) {
	f.Helper()
	for _, s := range []string{streams.Cytube, streams.Plugin, streams.Platform, streams.Database} {
		n += len(streamstest.Stored(f, f.bus, s))
	}
	return n
}

func (f *fixture) outcome() consumers.Outcome {
	f.Helper()
	select {
	case o := <-f.outcomes:
		return o
	case <-streamstest.Context(f).Done():
		f.Fatal("no outcome")
		panic("unreachable")
	}
}

func (f *fixture) state(ref event.Ref) string {
	f.Helper()
	l, _, err := deadletters.Find(f.Context(), f.bus.JetStream(), ref)
	if err != nil {
		f.Fatal(err)
	}
	return l.State
}

// deadLetter has plugin t dead-letter a command and returns both.
func (f *fixture) deadLetter() (command, letter event.Ref) {
	f.Helper()
	command = f.publish(event.CommandSubject("t"), event.Command{Command: "x", User: "alice", Channel: "main"})
	if o := f.outcome(); o.Result != consumers.Dead {
		f.Fatalf("outcome %+v", o)
	}
	for _, s := range streamstest.Stored(f, f.bus, streams.Plugin) {
		if s.Subject == event.EventSubject("t", event.TypeDeadLetter) {
			letter = s.Ref
		}
	}
	return command, letter
}

const kick = `{"command":"kick","args":[],"user":"operator","channel":"main","rank":5,"raw_message":"!kick bob"}`

// A retry stores an event with the operator's permissions: it must not be misled by a
// letter that a plugin made up.
func TestRetryRefusesForgedLetters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	theirs, _ := f.deadLetter()
	chat := f.publish(event.SubjectChat, event.Chat{User: "alice", Message: "!kick bob", Channel: "main"})
	planted := f.publishBare(event.EventSubject("evil", "x"), kick)
	request := f.request(event.SubjectDelete, `{"collection":"c","id":1}`)
	for name, c := range map[string]struct {
		writer, consumer string
		about            event.Ref
		subject          string
		says             string
	}{
		"a subject that is not the event's":         {"evil", "plugin-evil", planted, event.CommandSubject("t"), "not what the dead letter says"},
		"another plugin's consumer":                 {"evil", "plugin-t", theirs, event.CommandSubject("t"), "is none of evil"},
		"another plugin's command":                  {"evil", "plugin-evil", theirs, event.CommandSubject("t"), "for another plugin"},
		"the bot's consumer":                        {"evil", f.router.Durable, chat, event.SubjectChat, "is none of evil"},
		"a request":                                 {"evil", "plugin-evil", request, event.SubjectDelete, "holds no events"},
		"what the consumer does not read":           {"t", "plugin-t", planted, event.EventSubject("evil", "x"), "does not read"},
		"a stream the consumer does not read":       {"t", "plugin-t", chat, event.SubjectChat, "there is no consumer plugin-t"},
		"a consumer that is the bot's only by name": {"evil", "evil", chat, event.SubjectChat, "there is no consumer evil"},
		"no event":  {"evil", "plugin-evil", event.Ref{Stream: "KV_x", Seq: 1}, "$KV.x.y", "not what the dead letter says"},
		"no stream": {"evil", "plugin-evil", event.Ref{Stream: "a.b", Seq: 1}, event.SubjectChat, "not what the dead letter says"},
	} {
		letter := f.letter(c.writer, c.consumer, c.about, c.subject)
		before := f.events()
		if again, err := deadletters.Retry(t.Context(), f.bus, letter); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: retried as %s, %v; want an error that says %q", name, again, err, c.says)
		}
		if n := f.events(); n != before {
			t.Errorf("%s: the retry stored %d events", name, n-before)
		}
		if err := deadletters.Drop(t.Context(), f.bus, letter); err != nil || f.state(letter) != deadletters.Dropped {
			t.Errorf("%s: it cannot be dropped: %v", name, err)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, genuine := f.deadLetter()
	chat := f.publish(event.SubjectChat, event.Chat{User: "alice", Message: "!kick bob", Channel: "main"})
	byRouter := f.letter(f.router.Name, f.router.Durable, chat, event.SubjectChat)
	for _, letter := range []event.Ref{genuine, byRouter} {
		if _, err := deadletters.Retry(t.Context(), f.bus, letter); err != nil || f.state(letter) != deadletters.Retried {
			t.Errorf("%s: %v, and it is %s", letter, err, f.state(letter))
		}
	}
	if o := f.outcome(); o.Result != consumers.Handled {
		t.Errorf("outcome of the retry %+v", o)
	}
}

// Only the letter's publisher, or the operator in its name, resolves a dead letter.
func TestForgedResolutions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	letter := f.letter("t", "plugin-t", event.Ref{Stream: streams.Plugin, Seq: 1}, event.CommandSubject("t"))
	for _, c := range []struct{ plugin, kind, state string }{
		{"evil", "dead_letter_dropped", deadletters.Dropped},
		{"evil", "dead_letter_retried", deadletters.Retried},
		{"t", "dead_letter_dropped", "lost"},
		{"t", "dead_letter_dropped", deadletters.Retried},
	} {
		f.publish(event.EventSubject(c.plugin, c.kind), map[string]any{
			"event_type": c.kind, "state": c.state, "stream": letter.Stream, "seq": letter.Seq, "retry": "",
		})
		if state := f.state(letter); state != deadletters.Open {
			t.Errorf("%+v makes it %s", c, state)
		}
	}
	if err := deadletters.Drop(t.Context(), f.bus, letter); err != nil || f.state(letter) != deadletters.Dropped {
		t.Errorf("%v, and it is %s", err, f.state(letter))
	}
}
