package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// samples are one event of each stream, as a printf format of its number.
var samples = []struct{ stream, subject, data string }{
	{streams.Cytube, event.SubjectChat, `{"user":"alice","message":"line %d","channel":"main","rank":2,"time":1732645200000}`},
	{streams.Plugin, "plugin.dice.command", `{"command":"roll","args":["%d"],"user":"Bob","channel":"main","rank":1,"raw_message":"!roll"}`},
	{streams.PluginRequest, "plugin.quote-db.request", `{"action":"random","n":%d}`},
	{streams.Platform, event.SubjectHeartbeat, `{"timestamp":1732645200,"uptime":%d,"plugins_active":1,"nats_connected":true}`},
	{streams.Database, event.SubjectGet, `{"collection":"quotes","id":%d}`},
	{streams.Cytube, event.SubjectUserJoin, `{"user":"carol%d","channel":"Main","rank":0,"time":1}`},
	{streams.Timer, "plugin.trivia.schedule.tea", `{"n":%d,"channel":"other"}`},
	{streams.Plugin, "plugin.trivia.event.game_start", `{"n":%d,"channel":"other"}`},
}

// put stores an event of the given kind.
func put(t testing.TB, nc *nats.Conn, kind, n int) {
	t.Helper()
	s := samples[kind]
	body := fmt.Sprintf(`{"subject":%q,"data":%s,"timestamp":1732645200.5,"priority":1,"correlation_id":"%08d-0000-4000-8000-000000000000","metadata":{"source":"test"}}`,
		s.subject, fmt.Sprintf(s.data, n), n)
	putRaw(t, nc, s.subject, body)
}

func putRaw(t testing.TB, nc *nats.Conn, subject, body string) {
	t.Helper()
	if err := nc.Publish(subject, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// stored waits until the streams hold n events in all.
func stored(ctx context.Context, t testing.TB, js jetstream.JetStream, n int) {
	t.Helper()
	for {
		total := 0
		for _, spec := range streams.Specs() {
			s, err := js.Stream(ctx, spec.Name)
			if err != nil {
				t.Fatalf("waiting for %d events, %d are there: %v", n, total, err)
			}
			total += int(s.CachedInfo().State.Msgs)
		}
		if total >= n {
			return
		}
	}
}

// empty removes every event.
func empty(ctx context.Context, t testing.TB, js jetstream.JetStream) {
	t.Helper()
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if err == nil {
			err = s.Purge(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// history reads everything there is, one message at a time by sequence, and
// sorts it: what Read must return.
func history(ctx context.Context, t testing.TB, js jetstream.JetStream) []Event {
	t.Helper()
	var all []Event
	order := map[string]int{}
	for i, spec := range streams.Specs() {
		order[spec.Name] = i
		s, err := js.Stream(ctx, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		state := s.CachedInfo().State
		for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
			raw, err := s.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Event{Ref: event.Ref{Stream: spec.Name, Seq: seq}, At: raw.Time, Subject: raw.Subject, Header: raw.Header, Body: raw.Data})
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(order[a.Ref.Stream], order[b.Ref.Stream]), cmp.Compare(a.Ref.Seq, b.Ref.Seq))
	})
	return all
}

func collect(ctx context.Context, t testing.TB, js jetstream.JetStream, q Query) []Event {
	t.Helper()
	var got []Event
	for e, err := range Read(ctx, js, q) {
		if err != nil {
			t.Fatalf("after %d events: %v", len(got), err)
		}
		got = append(got, e)
	}
	return got
}

// same fails unless got is want, in order, without a gap or a repeat.
func same(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want []Event) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if g.Ref != w.Ref || !g.At.Equal(w.At) || g.Subject != w.Subject || string(g.Body) != string(w.Body) {
			t.Fatalf("event %d is %v %s at %v, want %v %s at %v", i, g.Ref, g.Subject, g.At, w.Ref, w.Subject, w.At)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
}

func decodeJSON(t testing.TB, line []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return m
}
