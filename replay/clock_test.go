package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const day = 24 * time.Hour

// timesOf returns a time for each of n events, a minute apart, of which those in
// [from, to) are off by step.
func timesOf(n, from, to int, step time.Duration) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		times[i] = noon.Add(time.Duration(i) * time.Minute)
		if from <= i && i < to {
			times[i] = times[i].Add(step)
		}
	}
	return times
}

// A clock that was wrong for some events hides no other ones, and their order stays.
func TestClockStepsHideNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times       []time.Time
		since, till time.Time
		stepsBack   []uint64 // sequences in CYTUBE
	}{
		"one event ahead, until later":    {times: timesOf(20, 5, 6, day), till: noon.Add(15 * time.Minute), stepsBack: []uint64{7}},
		"some ahead, from before them":    {times: timesOf(20, 5, 9, day), since: noon.Add(2 * time.Minute), stepsBack: []uint64{10}},
		"some ahead, both bounds":         {times: timesOf(20, 5, 9, day), since: noon.Add(2 * time.Minute), till: noon.Add(12 * time.Minute), stepsBack: []uint64{10}},
		"behind in the middle":            {times: timesOf(20, 10, 12, -day), since: noon.Add(7 * time.Minute)},
		"behind in the middle, until":     {times: timesOf(20, 10, 12, -day), till: noon.Add(18 * time.Minute), stepsBack: []uint64{11}},
		"ahead at the beginning":          {times: timesOf(20, 0, 3, day), since: noon.Add(10 * time.Minute), till: noon.Add(19 * time.Minute)},
		"servers of which one is ahead":   {times: timesOf(20, 5, 6, time.Minute+time.Second)},
		"until before what is ahead only": {times: timesOf(20, 19, 20, day), till: noon.Add(19 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := storedAt(t, c.times)
			q := Query{Filter: Filter{Since: c.since, Until: c.till}}
			var want []uint64
			for i, at := range c.times {
				if !at.Before(c.since) && (c.till.IsZero() || at.Before(c.till)) {
					want = append(want, uint64(i+1))
				}
			}
			var got, steps []uint64
			for _, e := range collect(streamstest.Context(t), t, js, q) {
				if e.Ref.Stream == streams.Cytube {
					got = append(got, e.Ref.Seq)
				}
				if e.ClockStep != 0 {
					steps = append(steps, e.Ref.Seq)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}
			if !slices.Equal(steps, c.stepsBack) {
				t.Errorf("the clock was set back before %v, want %v", steps, c.stepsBack)
			}
		})
	}
}

// An event with a time of the future comes beside the one that was stored after it, and
// what follows it in its stream does not come after everything of the other streams.
func TestOneEventAheadDoesNotHoldBackItsStream(t *testing.T) {
	t.Parallel()
	js := storedAt(t, timesOf(20, 5, 6, day))
	var order strings.Builder
	for _, e := range collect(streamstest.Context(t), t, js, Query{}) {
		order.WriteByte(e.Ref.Stream[0])
	}
	if got, want := order.String(), strings.Repeat("CP", 5)+"PCCP"+strings.Repeat("CP", 13); got != want {
		t.Errorf("the streams are merged as %s, want %s", got, want)
	}
}

// A step of the clock is shown in text and in JSON.
func TestClockStepIsShown(t *testing.T) {
	t.Parallel()
	r := Describe(Event{Subject: "cytube.chat", At: noon, ClockStep: -day, Body: []byte(`{"user":"a","message":"m","channel":"c","rank":0,"time":1}`)})
	if notes := strings.Join(r.Notes(), ", "); notes != "the clock was set back by 24h before this" {
		t.Errorf("its notes are %q", notes)
	}
	if line, err := r.Event.JSON(); err != nil || !strings.Contains(string(line), `"clock_step":-86400`) {
		t.Errorf("it is %s, %v", line, err)
	}
}

// storedAt stores an event of CYTUBE at each of the times, and one of PLATFORM half a
// minute after each minute.
func storedAt(t *testing.T, times []time.Time) jetstream.JetStream {
	t.Helper()
	s := streamstest.Standalone(t, &server.Options{ServerName: "clock", JetStream: true, StoreDir: t.TempDir()})
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	limits := streams.Limits{MaxAge: 100 * 365 * day}
	if err := streams.Open(streamstest.Context(t), js, streams.Options{Limits: map[string]streams.Limits{streams.Cytube: limits, streams.Platform: limits}}); err != nil {
		t.Fatal(err)
	}
	for i, at := range times {
		streamstest.StoreAt(t, s, streams.Cytube, "cytube.chat", fmt.Sprintf(`{"user":"alice","message":"%d","channel":"lounge","rank":1,"time":1}`, i), at)
		streamstest.StoreAt(t, s, streams.Platform, "platform.heartbeat", `{}`, noon.Add(time.Duration(i)*time.Minute+30*time.Second))
	}
	return js
}
