package streams_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestReconcile(t *testing.T) {
	t.Parallel()
	line := event.Chat{User: "alice", Message: "!roll", Channel: "main"}
	command := event.Command{Command: "roll", User: "alice"}
	for name, c := range map[string]struct {
		ids    []string // of commands, after two lines
		cytube uint64   // the stream's last sequence then
	}{
		"all is there":         {[]string{"router/CYTUBE:1/1", "router/CYTUBE:2/1"}, 2},
		"two lines are gone":   {[]string{"router/CYTUBE:2/1", "router/CYTUBE:4/1", "router/CYTUBE:3/1"}, 4},
		"an id of another":     {[]string{"CYTUBE:9", "router/CYTUBE:9", "/CYTUBE:x/1", "router/OTHER:9/1", "router/PLATFORM:9/x"}, 2},
		"a plugin's own names": {[]string{"plugin-x/CYTUBE:7/timer/soon/1"}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			ctx := streamstest.Context(t)
			for range 2 {
				streamstest.Publish(t, bus, event.SubjectChat, line)
			}
			for _, id := range c.ids {
				streamstest.Publish(t, bus, event.CommandSubject("roll"), command, streams.WithMsgID(id))
			}
			held := func() map[string]uint64 {
				states, err := streams.States(ctx, bus.JetStream())
				if err != nil {
					t.Fatal(err)
				}
				m := map[string]uint64{}
				for _, s := range states {
					m[s.Name] = s.Messages
				}
				return m
			}
			before := held()
			for range 2 {
				streams.Reconcile(ctx, bus.JetStream(), slog.New(slog.NewTextHandler(t.Output(), nil)))
			}
			if diff := cmp.Diff(before, held()); diff != "" {
				t.Errorf("the streams hold something else: %s", diff)
			}
			if next := streamstest.Publish(t, bus, event.SubjectChat, line); next.Ref.Seq != c.cytube+1 {
				t.Errorf("the next line is %s, want sequence %d", next.Ref, c.cytube+1)
			}
		})
	}
}
