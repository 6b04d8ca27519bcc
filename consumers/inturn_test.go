package consumers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func byUser(d streams.Stored) string {
	c, _ := event.As[event.Command](d.Envelope)
	return c.User
}

// typed stores a command of a user.
func typed(t *testing.T, bus *streams.Bus, user, name string) event.Ref {
	t.Helper()
	return streamstest.Publish(t, bus, event.CommandSubject("t"), event.Command{Command: name, User: user, Channel: "main"}).Ref
}

// A slow command keeps its user's others waiting, in order, and nobody else's.
func TestUsersDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	slow, begun := make(chan struct{}), make(chan string, 10)
	settled, _ := start(t, bus, consumers.Config{Key: byUser}, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		c, err := event.As[event.Command](d.Envelope)
		begun <- c.User + " " + c.Command
		if c.Command == "slow" {
			<-slow
		}
		return nil, err
	})
	for _, c := range [][2]string{{"alice", "slow"}, {"alice", "second"}, {"bob", "first"}, {"alice", "third"}, {"bob", "second"}} {
		typed(t, bus, c[0], c[1])
	}
	got := []string{next(t, begun), next(t, begun), next(t, begun)}
	slices.Sort(got)
	if want := []string{"alice slow", "bob first", "bob second"}; !slices.Equal(got, want) {
		t.Errorf("begun beside alice's slow command: %q, want %q", got, want)
	}
	close(slow)
	if got, want := []string{next(t, begun), next(t, begun)}, []string{"alice second", "alice third"}; !slices.Equal(got, want) {
		t.Errorf("begun after alice's slow command: %q, want %q", got, want)
	}
	for range 5 {
		next(t, settled)
	}
}

// A user's backlog does not grow without end in the process's memory.
func TestOverlappingIsLimited(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	const commands, most = 100, 32 + 1 // one waits until another ends
	begun, release := make(chan struct{}, commands), make(chan struct{})
	settled, _ := start(t, bus, consumers.Config{Key: func(d streams.Stored) string { return d.Ref.String() }}, func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
		begun <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, nil
	})
	for i := range commands {
		typed(t, bus, "alice", fmt.Sprint(i))
	}
	<-begun // so that there is the consumer
	// Nothing is acknowledged meanwhile: the server counts an event until it has read its ack, which
	// may be long after the next ones were delivered.
	ctx := streamstest.Context(t)
	for asked := 0; asked < 20 && ctx.Err() == nil; {
		n := consumer(t, bus).NumAckPending
		if n > most {
			t.Fatalf("%d events in hand", n)
		}
		if n == most {
			asked++ // each as far as the server as an event is to here
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("not %d events in hand within the test's time", most)
	}
	close(release)
	for range commands {
		next(t, settled)
	}
}

// A process that dies with several commands in hand, whose answers are stored and not
// acknowledged, doubles and loses none, and keeps each user's order.
func TestProcessDiesWithCommandsOfSeveralUsers(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	bus := streamstest.Bus(t, server)
	config := consumers.Config{Key: byUser, Exclusive: true}
	users := []string{"alice", "bob", "carol"}
	for i := range 4 {
		for _, user := range users {
			typed(t, bus, user, fmt.Sprint(i))
		}
	}
	dieAmid(t, streamstest.Bus(t, server), config, len(users))
	if got := lines(t, bus); len(got) != len(users) {
		t.Fatalf("said %q before the process died", got)
	}
	settled, _ := start(t, bus, config, func(_ context.Context, d streams.Stored) ([]event.Envelope, error) {
		return []event.Envelope{answer(t, d)}, nil
	})
	for range 4 * len(users) {
		next(t, settled)
	}
	by := map[string][]string{}
	for _, line := range lines(t, bus) {
		user, number, _ := strings.Cut(line, " ")
		by[user] = append(by[user], number)
	}
	for _, user := range users {
		if want := []string{"0", "1", "2", "3"}; !slices.Equal(by[user], want) {
			t.Errorf("%s was answered %v, want %v", user, by[user], want)
		}
	}
}

func answer(t *testing.T, d streams.Stored) event.Envelope {
	t.Helper()
	c, err := event.As[event.Command](d.Envelope)
	if err != nil {
		t.Error(err)
	}
	return say(t, c.User+" "+c.Command)
}

// dieAmid runs a consumer until n handlers have published their answers, and then cuts its
// connection before it acknowledges any.
func dieAmid(t *testing.T, bus *streams.Bus, c consumers.Config, n int) {
	t.Helper()
	stored, dead, ended := make(chan event.Ref, 100), make(chan struct{}), make(chan error, 1)
	c.Durable, c.Stream, c.Name, c.Subjects = "plugin-t", streams.Plugin, "t", []string{event.CommandSubject("t")}
	go func() {
		ended <- consumers.Run(t.Context(), bus, c, func(ctx context.Context, d streams.Stored) ([]event.Envelope, error) {
			// As what the handler returns is published.
			ack, err := bus.Publish(ctx, answer(t, d), streams.WithMsgID(consumers.NewMessageIDs("plugin-t", d.Ref).Next("")))
			stored <- ack.Ref
			<-dead
			return nil, err
		})
	}()
	for range n {
		next(t, stored)
	}
	bus.Conn().Close()
	close(dead)
	if err := next(t, ended); err == nil {
		t.Error("the consumer went on without a connection")
	}
}
