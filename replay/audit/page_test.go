package audit

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// all reads the history from one end to the other, page by page.
func all(ctx context.Context, t *testing.T, bus *streams.Bus, q Query, limit int, forwards bool) (texts []string) {
	t.Helper()
	p := Position{Limit: limit, Scan: 1 << 30}
	if forwards {
		p.After = 1
	}
	for range 1000 {
		page, err := ReadPage(ctx, bus.JetStream(), q, p)
		if err != nil {
			t.Fatal(err)
		}
		var some []string
		for _, e := range page.Entries {
			if e.Ref.Seq < page.First || e.Ref.Seq > page.Last {
				t.Fatalf("%s lies outside of %d to %d", e.Ref, page.First, page.Last)
			}
			some = append(some, e.Ref.String()+" "+e.String())
		}
		if forwards {
			texts = append(texts, some...)
			p.After = page.Last
		} else {
			texts = append(some, texts...)
			p.Before = page.First
		}
		if forwards && !page.Newer || !forwards && !page.Older {
			return texts
		}
	}
	t.Fatal("the history has no end")
	return nil
}

// Whatever the size of its pages, they make up the history.
func TestPagesAreTheHistory(t *testing.T) {
	streamstest.Slow(t, "reads thousands of events")
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	for range 3 {
		evening(ctx, t, bus)
	}
	for _, q := range []Query{{}, {Channel: "lounge"}, {User: "bob"}, {Media: true}, {Grep: regexp.MustCompile("there")}} {
		var want []string
		for e, err := range readHistory(ctx, bus.JetStream(), q) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, e.Ref.String()+" "+e.String())
		}
		if len(want) < 3 {
			t.Fatalf("%+v finds only %v", q, want)
		}
		for _, limit := range []int{1, 2, 7, 1000} {
			if got := all(ctx, t, bus, q, limit, false); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%+v, backwards in pages of %d:\n%q, want\n%q", q, limit, got, want)
			}
			if got, want := all(ctx, t, bus, q, limit, true), want; got[len(got)-1] != want[len(want)-1] || len(got) < len(want)-1 {
				t.Errorf("%+v, forwards in pages of %d:\n%q, want\n%q", q, limit, got, want)
			}
		}
	}
}

func TestPageStopsSearching(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	const n = 3 * firstWindow
	for range n {
		if _, err := bus.JetStream().PublishAsync(event.SubjectChat, []byte(`{"user":"alice","message":"hi","channel":"lounge","rank":1,"time":1}`), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-bus.JetStream().PublishAsyncComplete()
	page, err := ReadPage(ctx, bus.JetStream(), Query{User: "nobody"}, Position{Limit: 10, Scan: firstWindow})
	if err != nil || len(page.Entries) != 0 || !page.Older || page.Scanned != firstWindow || page.First != n-firstWindow+1 || page.Reached.IsZero() {
		t.Errorf("%+v, %v", page, err)
	}
	page, err = ReadPage(ctx, bus.JetStream(), Query{User: "nobody"}, Position{Before: page.First, Limit: 10, Scan: n})
	if err != nil || page.Older || page.First != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	evening(ctx, t, bus)
	following, stop := context.WithCancel(ctx)
	defer stop()
	var got []uint64
	for e, err := range Follow(following, bus.JetStream(), Query{Channel: "lounge"}, uint64(len(said)-3)) {
		if err != nil {
			break
		}
		got = append(got, e.Ref.Seq)
		if len(got) == 3 {
			evening(ctx, t, bus)
		}
		if e.Ref.Seq == uint64(2*len(said)) {
			stop()
		}
	}
	for i, seq := range got[1:] {
		if seq <= got[i] {
			t.Fatalf("%d comes after %d", seq, got[i])
		}
	}
	// All but the attic's line.
	if want := 3 + len(said) - 1; len(got) != want {
		t.Errorf("%d entries %v, want %d", len(got), got, want)
	}
}
