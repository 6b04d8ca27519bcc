package past

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// world is a stream CYTUBE that a channel is recorded in.
type world struct {
	t   testing.TB
	ctx context.Context
	bus *streams.Bus
}

func newWorld(t testing.TB) world {
	t.Helper()
	return world{t: t, ctx: streamstest.Context(t), bus: streamstest.Bus(t, streamstest.Server(t))}
}

func (w world) publish(subject string, payload any) event.Ref {
	w.t.Helper()
	return streamstest.Publish(w.t, w.bus, subject, payload).Ref
}

// lines stores n chat lines.
func (w world) lines(n int) {
	w.t.Helper()
	js := w.bus.JetStream()
	for i := range n {
		body := fmt.Appendf(nil, `{"subject":"cytube.chat","data":{"user":"bob","message":"%d","channel":"lounge","rank":1,"time":1}}`, i)
		if _, err := js.PublishAsync(event.SubjectChat, body, jetstream.WithStallWait(time.Minute)); err != nil {
			w.t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-w.ctx.Done():
		w.t.Fatal("not published")
	}
}

// found stores a part as it was found.
func (w world) found(part string, value any) {
	w.t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(event.SubjectState, event.State{Part: part, Value: raw, Page: 1, Pages: 1, Channel: "lounge"})
}

func (w world) at(at time.Time) Moment {
	w.t.Helper()
	m, err := At(w.ctx, w.bus.JetStream(), "Lounge", at)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// between returns a time at which nothing is stored.
func (w world) between() time.Time {
	w.t.Helper()
	time.Sleep(2 * time.Millisecond)
	defer time.Sleep(2 * time.Millisecond)
	return time.Now()
}

func names(m Moment) (all []string) {
	for _, u := range m.Users {
		all = append(all, u.Name)
	}
	return all
}

func join(user string) event.UserJoin { return event.UserJoin{User: user, Channel: "lounge", Rank: 1} }

// The channel is as the events up to a time left it, whether there is a snapshot before
// that time or none.
func TestAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if m := w.at(time.Time{}); m.Users != nil || m.Seq != 0 {
		t.Errorf("without events: %+v", m)
	}
	w.found(view.PartUsers, []view.User{{Name: "alice", Rank: 1}})
	first := w.between()
	w.publish(event.SubjectUserJoin, join("bob"))
	w.publish(event.SubjectUserJoin, event.UserJoin{User: "mallory", Channel: "elsewhere"})
	second := w.between()
	w.lines(interval)
	w.save(1)
	w.publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "lounge"})
	third := w.between()
	w.publish(event.SubjectUserJoin, join("carol"))
	for _, test := range []struct {
		at       time.Time
		want     []string
		snapshot bool
	}{{first, []string{"alice"}, false}, {second, []string{"alice", "bob"}, false}, {third, []string{"bob"}, true}, {time.Time{}, []string{"bob", "carol"}, true}} {
		m := w.at(test.at)
		if diff := cmp.Diff(test.want, names(m)); diff != "" || (m.base > 0) != test.snapshot {
			t.Errorf("at %s, from %d on: %s", test.at, m.base, diff)
		}
	}
	if err := streams.DropChannelSnapshots(w.ctx, w.bus.JetStream()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bob", "carol"}, names(w.at(time.Time{}))); diff != "" {
		t.Errorf("without snapshots: %s", diff)
	}
}

// save saves and checks how many snapshots there are.
func (w world) save(want uint64) {
	w.t.Helper()
	for range 2 { // again: nothing is stored
		if err := Save(w.ctx, w.bus.JetStream(), "lounge"); err != nil {
			w.t.Fatal(err)
		}
	}
	s, err := w.bus.JetStream().Stream(w.ctx, streams.ChannelSnapshots)
	if err != nil {
		w.t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != want {
		w.t.Errorf("%d snapshots, not %d", n, want)
	}
}

// A snapshot of a store that was replaced, or that nobody can read, is passed over.
func TestUnusableSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.found(view.PartUsers, []view.User{{Name: "alice", Rank: 1}})
	for _, raw := range []string{"", "{}", "\x00\x01"} {
		if err := streams.SaveChannelSnapshot(w.ctx, w.bus.JetStream(), "lounge", []byte(raw)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"alice"}, names(w.at(time.Time{}))); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
}

// The service answers for a channel as it is or was, and says what is wrong with a request.
func TestService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, stop := context.WithCancel(w.ctx)
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- Serve(ctx, w.bus, []string{"lounge"}, func() { close(ready) }) }()
	<-ready
	w.found(view.PartUsers, []view.User{{Name: "alice", Rank: 1}})
	then := w.between()
	w.publish(event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "lounge"})
	for _, test := range []struct{ request, want string }{
		{`{"parts":["users","motd"]}`, `"data":{"motd":null,"users":[]}`},
		{fmt.Sprintf(`{"channel":"Lounge","at":%d,"parts":["users"]}`, then.UnixMilli()), `"data":{"users":[{"name":"alice","rank":1}]}`},
		{`{}`, `"playing":null`},
		{`{"parts":["guests"]}`, `a channel has no part \"guests\": its parts are bans, css,`},
		{`{"at":"yesterday"}`, `INVALID_INPUT`},
	} {
		reply, err := w.bus.Conn().RequestWithContext(w.ctx, subject, []byte(test.request))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(reply.Data), test.want) {
			t.Errorf("%s: %s", test.request, reply.Data)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
