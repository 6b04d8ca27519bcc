package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestSummarizeCountsBySteps(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	since := time.Now().Truncate(time.Minute)
	chatter(ctx, t, bus, 6)
	publish(ctx, t, bus, event.CommandSubject("dice"), event.Command{Command: "roll", User: "alice", Channel: "lounge"})
	publish(ctx, t, bus, event.CommandSubject("trivia"), event.Command{Command: "start", User: "alice", Channel: "lounge"})
	dead := publish(ctx, t, bus, event.EventSubject("dice", event.TypeDeadLetter), event.DeadLetter{Consumer: "plugin-dice", Stream: "PLUGIN", Seq: 1, Subject: "plugin.dice.command", Error: "no dice", Attempts: 5})
	tl, err := Summarize(ctx, bus.JetStream(), Query{Filter: Filter{Since: since, Until: since.Add(3 * time.Minute)}}, SummaryOptions{Step: time.Minute, Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range tl.Series {
		sum := 0
		for _, n := range s.Counts {
			sum += n
		}
		if len(s.Counts) != 3 || sum != s.Total {
			t.Errorf("%s: %v, in all %d", s.Subject, s.Counts, s.Total)
		}
		names = append(names, s.Subject)
	}
	if want := []string{event.SubjectChat, event.SubjectUserJoin, "plugin.{name}.command", "plugin.{name}.event.dead_letter"}; !slices.Equal(names, want) {
		t.Errorf("the series are %v, want %v", names, want)
	}
	if tl.Events != 11 || len(tl.Problems) != 1 || tl.Problems["dead letter"] != 1 || len(tl.Latest) != 1 || tl.Latest[0].Ref != dead || tl.Incomplete {
		t.Errorf("%d events, problems %v, latest %+v, incomplete %v", tl.Events, tl.Problems, tl.Latest, tl.Incomplete)
	}
	if _, err := Summarize(ctx, bus.JetStream(), Query{}, SummaryOptions{Step: time.Minute, Limit: time.Minute}); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("steps without an end: %v", err)
	}
	tl, err = Summarize(ctx, bus.JetStream(), Query{Filter: Filter{Since: since, Until: since.Add(time.Minute)}}, SummaryOptions{Step: time.Minute, Limit: time.Nanosecond})
	if err != nil || tl.Events != 0 || !tl.Incomplete {
		t.Errorf("without any time: %+v, %v", tl, err)
	}
}
