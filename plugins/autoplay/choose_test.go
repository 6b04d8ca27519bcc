package autoplay

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var monday = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) int64 { return monday.Add(-d).Unix() }

// drawMedia draws media of any history.
func drawMedia(t *rapid.T, n int) Media {
	m := Media{
		URL: fmt.Sprintf("https://youtu.be/%d", n), Duration: rapid.IntRange(0, 20_000).Draw(t, "duration"),
		Plays: rapid.IntRange(0, 50).Draw(t, "plays"), Skips: rapid.IntRange(0, 50).Draw(t, "skips"),
		Last: ago(time.Duration(rapid.IntRange(-10, 100).Draw(t, "hours")) * time.Hour),
	}
	if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
		m.Gone = "it is private"
	}
	if rapid.IntRange(0, 4).Draw(t, "down") == 0 {
		m = m.failed(monday)
	}
	return m
}

// S08: What is chosen keeps the rules as long as anything does; the least bad rule goes first;
// what cannot be played is never chosen; and where nothing is, it says why.
func TestChoose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []Media
		for n := range rapid.IntRange(0, 12).Draw(t, "n") {
			list = append(list, drawMedia(t, n))
		}
		r := rules{now: monday, repeat: 12 * time.Hour, longest: 2 * time.Hour, on: map[string]bool{}, loosen: rapid.Bool().Draw(t, "loosen")}
		by := map[string][]Media{}
		for _, m := range list {
			if rapid.IntRange(0, 5).Draw(t, "on") == 0 {
				r.on[m.URL] = true
			}
			by[r.against(m)] = append(by[r.against(m)], m)
		}
		m, why := choose(list, r, rand.New(rand.NewPCG(1, 2)))
		got := r.against(m)
		switch {
		case len(by[""]) > 0:
			if why != nil || got != "" {
				t.Fatalf("chose what is %s (%v), though there is %v", got, why, by[""])
			}
		case r.loosen && len(by[isFresh]) > 0:
			for _, other := range by[isFresh] {
				if got != isFresh || other.Last < m.Last {
					t.Fatalf("chose %v, which is %s, and not %v", m, got, other)
				}
			}
		case r.loosen && len(by[isLong]) > 0:
			if got != isLong {
				t.Fatalf("chose what is %s", got)
			}
		case why == nil:
			t.Fatalf("chose %v, which is %s", m, got)
		}
	})
}

// What is skipped is chosen less, and what nobody knows yet is chosen, too.
func TestChooseBySkips(t *testing.T) {
	t.Parallel()
	list := []Media{{URL: "liked", Plays: 10}, {URL: "new"}, {URL: "skipped", Skips: 10}}
	counts := map[string]int{}
	chance := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		m, _ := choose(list, rules{now: monday}, chance)
		counts[m.URL]++
	}
	if counts["liked"] < 2*counts["new"] || counts["new"] < 10*counts["skipped"] || counts["skipped"] == 0 {
		t.Errorf("%v", counts)
	}
}

// S07: A failure that passes costs no entry: it is tried again, later each time, but within
// hours.
func TestFailuresPass(t *testing.T) {
	t.Parallel()
	m, at, last := Media{URL: "x"}, monday, time.Duration(0)
	for range 100 {
		m = m.failed(at)
		wait := time.Unix(m.Retry, 0).Sub(at)
		if wait < last || wait > 6*time.Hour || wait < time.Minute {
			t.Fatalf("failure %d is tried again in %s, the one before in %s", m.Fails, wait, last)
		}
		last, at = wait, at.Add(wait)
	}
	if m.Gone != "" {
		t.Errorf("it is set aside: %s", m.Gone)
	}
}

func TestWhyNothingIsChosen(t *testing.T) {
	t.Parallel()
	r := rules{now: monday, repeat: time.Hour, longest: time.Hour, on: map[string]bool{"a": true}}
	list := []Media{{URL: "a"}, {URL: "b", Gone: "private"}, {URL: "c", Duration: 4000}, {URL: "d", Last: ago(time.Minute)}, {URL: "e", Retry: ago(-time.Minute)}}
	_, why := choose(list, r, nil)
	if want := (barred{isThere: 1, isFresh: 1, isLong: 1, isDown: 1, isGone: 1}); !maps.Equal(why, want) {
		t.Errorf("%v, want %v", why, want)
	}
	if _, why := choose(nil, r, nil); why == nil || len(why) > 0 {
		t.Error(why)
	}
}
