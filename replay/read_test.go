package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestReadMergesWhateverWasStored(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, n := bus.JetStream(), 0
	patterns := []string{"cytube.>", "cytube.*", "cytube.chat", "cytube.user.*", "cytube.*.join", "plugin.*.command", "plugin.trivia.>",
		"plugin.*.event.*", "plugin.>", "plugin.*.request", "platform.>", "database.get", "*.*", ">"}
	rapid.Check(t, func(rt *rapid.T) {
		empty(ctx, t, js)
		kinds := rapid.SliceOfN(rapid.IntRange(0, len(samples)-1), 0, 60).Draw(rt, "kinds")
		for _, kind := range kinds {
			n++
			put(t, bus.Conn(), kind, n)
		}
		stored(ctx, t, js, len(kinds))
		want := history(ctx, t, js)
		q := Query{Filter: Filter{Subjects: rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 4).Draw(rt, "subjects")}}
		if len(want) > 0 && rapid.Bool().Draw(rt, "since") {
			q.Since = want[rapid.IntRange(0, len(want)-1).Draw(rt, "first")].At
		}
		if len(want) > 0 && rapid.Bool().Draw(rt, "until") {
			q.Until = want[rapid.IntRange(0, len(want)-1).Draw(rt, "last")].At
		}
		if q.Validate() != nil {
			return
		}
		want = slices.DeleteFunc(want, func(e Event) bool {
			return !matchesFilter(q.Subjects, e.Subject) || e.At.Before(q.Since) || !q.Until.IsZero() && !e.At.Before(q.Until)
		})
		same(rt, collect(ctx, t, js, q), want)
	})
}

func matchesFilter(patterns []string, subject string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		return event.Match(p, subject) || p == "cytube.*" && strings.HasPrefix(subject, "cytube.")
	})
}

// A follower that starts anywhere sees each event once, in order, whether it
// was stored before or after it began.
func TestFollowGoesFromPastToPresent(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, n := bus.JetStream(), 0
	publish := func(kinds []int) {
		for _, kind := range kinds {
			n++
			put(t, bus.Conn(), kind, n)
		}
	}
	kinds := rapid.SliceOfN(rapid.IntRange(0, len(samples)-1), 0, 40)
	rapid.Check(t, func(rt *rapid.T) {
		empty(ctx, t, js)
		before := kinds.Draw(rt, "before")
		publish(before)
		total, skip := len(before), 0
		stored(ctx, t, js, total)
		// A window without an end leaves the order to what is stored alone: an
		// event waits until each other stream has a later one.
		q := Query{Follow: true, window: time.Hour}
		if past := history(ctx, t, js); len(past) > 0 && rapid.Bool().Draw(rt, "since") {
			skip = rapid.IntRange(0, len(past)-1).Draw(rt, "first")
			q.Since = past[skip].At
		}
		after := kinds.Draw(rt, "after")
		published := make(chan struct{})
		go func() {
			defer close(published)
			publish(after)
			stored(ctx, t, js, total+len(after))
			publish([]int{0, 1, 2, 3, 4, 6}) // one for each stream
		}()
		var got []Event
		for e, err := range Read(ctx, js, q) {
			if err != nil {
				rt.Fatalf("after %d events: %v", len(got), err)
			}
			if got = append(got, e); len(got) == total+len(after)-skip+1 {
				break
			}
		}
		<-published
		stored(ctx, t, js, total+len(after)+6)
		same(rt, got, history(ctx, t, js)[skip:][:len(got)])
	})
}

func TestReadIsBoundedByWhatWasStored(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, n := bus.JetStream(), 0
	for range 500 {
		n++
		put(t, bus.Conn(), n%len(samples), n)
	}
	stored(ctx, t, js, n)
	want := history(ctx, t, js)
	var got []Event
	for e, err := range Read(ctx, js, Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
		// An event stored for each that is read: an unbounded reader never ends.
		n++
		put(t, bus.Conn(), n%len(samples), n)
	}
	same(t, got, want)
}

func TestReadLeavesNoConsumers(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js := bus.JetStream()
	for n := range 20 {
		put(t, bus.Conn(), n%len(samples), n)
	}
	stored(ctx, t, js, 20)
	collect(ctx, t, js, Query{})
	for range Read(ctx, js, Query{Follow: true}) {
		break
	}
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.CachedInfo().State.Consumers; n != 0 {
			t.Errorf("%d consumers are left on %s", n, spec.Name)
		}
	}
}

// A reader that takes its time has its consumer taken away by the server.
func TestReadSurvivesTheLossOfItsConsumer(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "reads thousands of events")
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js := bus.JetStream()
	total := 2*aheadEvents + 1000
	for n := range total {
		put(t, bus.Conn(), 0, n)
	}
	stored(ctx, t, js, total)
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	for e, err := range Read(ctx, js, Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seq++; e.Ref.Seq != seq {
			t.Fatalf("event %d came where %d was due", e.Ref.Seq, seq)
		}
		if seq != 10 && seq != aheadEvents+10 {
			continue
		}
		for name := range s.ConsumerNames(ctx).Name() {
			if err := s.DeleteConsumer(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seq != uint64(total) {
		t.Errorf("%d events, want %d", seq, total)
	}
}

// The server may count events that are deleted before they are delivered.
func TestReadEndsWhenTheRestIsDeleted(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "reads thousands of events")
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js := bus.JetStream()
	total := 3 * aheadEvents
	for n := range total {
		put(t, bus.Conn(), 0, n)
	}
	stored(ctx, t, js, total)
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, err := range Read(ctx, js, Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 1 {
			if err := s.Purge(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if read == total {
		t.Error("everything was delivered before the purge: the test tests nothing")
	}
}

func TestReadWithoutStreamsIsEmpty(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	js, err := jetstream.New(streamstest.Connect(t, streamstest.Server(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := collect(ctx, t, js, Query{}); len(got) != 0 {
		t.Errorf("%d events came out of nothing", len(got))
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	defer cancel()
	put(t, bus.Conn(), 0, 1)
	var last error
	for _, err := range Read(ctx, bus.JetStream(), Query{Follow: true}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the sequence ended with %v", last)
	}
}

func TestReadReportsALostServer(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	put(t, bus.Conn(), 0, 1)
	var last error
	for _, err := range Read(ctx, bus.JetStream(), Query{Follow: true}) {
		last = err
		bus.Conn().Close()
	}
	if event.CodeOf(last) != event.NATSError {
		t.Errorf("the sequence ended with %v, want NATS_ERROR", last)
	}
}

func TestReadRefusesWhatCanMatchNothing(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	for name, c := range map[string]struct {
		q   Query
		say string
	}{
		"a subject of no stream":     {Query{Filter: Filter{Subjects: []string{"chat"}}}, "cytube.>"},
		"a misspelt subject":         {Query{Filter: Filter{Subjects: []string{"cytube.chta"}}}, "cytube.chat"},
		"no subject at all":          {Query{Filter: Filter{Subjects: []string{"cytube..chat"}}}, "not a subject"},
		"an empty subject":           {Query{Filter: Filter{Subjects: []string{""}}}, "not a subject"},
		"a plugin's impossible name": {Query{Filter: Filter{Plugin: "a.b"}}, "plugin's name"},
		"a range turned round":       {Query{Filter: Filter{Since: noon, Until: noon.Add(-time.Hour)}}, "before the end"},
		"an empty range":             {Query{Filter: Filter{Since: noon, Until: noon}}, "before the end"},
		"following to an end":        {Query{Filter: Filter{Until: noon}, Follow: true}, "no end"},
		"a year of the far future":   {Query{Filter: Filter{Since: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}}, "1970"},
	} {
		t.Run(name, func(t *testing.T) {
			var last error
			for _, err := range Read(ctx, bus.JetStream(), c.q) {
				last = err
			}
			if event.CodeOf(last) != event.InvalidInput || !strings.Contains(last.Error(), c.say) {
				t.Errorf("it says %v, want INVALID_INPUT that mentions %q", last, c.say)
			}
		})
	}
}

func TestReadTellsItsProgress(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	total := progressEvery + 10
	for n := range total {
		put(t, bus.Conn(), n%2, n)
	}
	stored(ctx, t, bus.JetStream(), total)
	var told []Progress
	collect(ctx, t, bus.JetStream(), Query{Filter: Filter{User: "nobody"}, Progress: func(p Progress) { told = append(told, p) }})
	if len(told) != 1 || told[0].Read != progressEvery || told[0].Total != uint64(total) || told[0].At.IsZero() {
		t.Errorf("progress was %+v", told)
	}
}

// What fills sequences that a power cut took is no event of the past.
func TestReadSkipsFillers(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	chatter(ctx, t, bus, 1)
	streamstest.LeaveFiller(t, bus, streams.Cytube)
	chatter(ctx, t, bus, 1)
	stored := collect(ctx, t, bus.JetStream(), Query{})
	for _, e := range stored {
		if e.Subject != event.SubjectChat {
			t.Errorf("%s on %q was read", e.Ref, e.Subject)
		}
	}
	var tailed []event.Ref
	for e, err := range Tail(ctx, bus.JetStream(), streams.Cytube, []string{event.AllCytube}, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if tailed = append(tailed, e.Ref); e.Ref == stored[len(stored)-1].Ref {
			break
		}
	}
	if len(stored) != 2 || len(tailed) != 2 {
		t.Errorf("read %d events and tailed %d, want 2 of each", len(stored), len(tailed))
	}
}
