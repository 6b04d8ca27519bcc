package cytube_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// lines gives the texts of the recorded chat lines, marked with b where they are
// from before the bot, and with m where the bot missed them.
func (w *world) lines() []string {
	w.t.Helper()
	var all []string
	for _, s := range w.stored(event.SubjectChat) {
		text := field[string](s, "message")
		if s.Metadata[event.MetaBackfill] == true {
			text += " b"
		}
		if s.Metadata[event.MetaBuffered] == true {
			text += " m"
		}
		all = append(all, text)
	}
	return all
}

// say lets somebody say numbered lines.
func (w *world) say(u *cytubetest.User, from, to int) {
	w.t.Helper()
	for i := from; i <= to; i++ {
		w.ok(u.Say(w.ctx, fmt.Sprint(i)))
	}
}

// The chat buffer that every join sends again is recorded once, whatever the bot
// went through.
func TestChatBuffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user("alice")
	w.say(alice, 1, 3)
	kill := w.mortal()
	w.say(alice, 4, 5)
	w.heard("5")
	want := []string{"1 b", "2 b", "3 b", "4", "5"}
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Errorf("after the first join: %s", diff)
	}
	w.user("bob")
	w.await("bob", func(s streams.Stored) bool {
		return s.Subject == event.SubjectUserJoin && field[string](s, "user") == "bob"
	})
	for _, s := range w.stored(event.SubjectUserJoin) { // alice was there before the bot
		if user := field[string](s, "user"); (user == "alice") != (s.Metadata[event.MetaFound] == true) {
			t.Errorf("%s joins with %v", user, s.Metadata)
		}
	}

	w.site.Refuse("Rate limit exceeded")
	w.ok(w.site.Drop(lounge, "Rosey"))
	w.connection(event.StateDown)
	w.say(alice, 6, 7)
	w.site.Refuse("")
	w.connection(event.StateUp)
	w.say(alice, 8, 8)
	w.heard("8")
	want = append(want, "6 m", "7 m", "8")
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Errorf("after a disconnect: %s", diff)
	}

	kill()
	w.say(alice, 9, 9)
	kill = w.mortal()
	kill()
	b := w.join()
	want = append(want, "9 m")
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Errorf("after kills: %s", diff)
	}
	if s := b.Stats(); s.Repeated != 9 {
		t.Errorf("%d lines were repeated, not 9", s.Repeated)
	}

	w.site.Stop()
	w.connection(event.StateDown)
	w.ok(w.site.Restart())
	w.connection(event.StateUp)
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		t.Errorf("after the site's restart: %s", diff)
	}
}

// What is recorded of a buffer comes before the word that the bot is in, so that
// a first join that breaks off does not make history of what was missed.
func TestBackfillComesBeforeUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.say(w.user("alice"), 1, 2)
	w.join()
	var subjects []string
	for _, s := range w.stored(event.AllCytube) {
		if s.Subject == event.SubjectChat || s.Subject == event.SubjectConnection {
			subjects = append(subjects, s.Subject)
		}
	}
	if diff := cmp.Diff([]string{event.SubjectChat, event.SubjectChat, event.SubjectConnection}, subjects); diff != "" {
		t.Error(diff)
	}
}

// That the bot was in the channel before is known also when retention has removed the
// events that say so, and lines that it has removed are not recorded anew.
func TestJoinedBeforeOutlivesRetention(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "joins again and again")
	purge := func(w *world, opts ...jetstream.StreamPurgeOpt) {
		s, err := w.bus.JetStream().Stream(w.ctx, streams.Cytube)
		w.ok(err)
		w.ok(s.Purge(w.ctx, opts...))
	}
	for name, test := range map[string]struct {
		retain func(*world)
		want   []string
	}{
		"nothing removed":     {func(*world) {}, []string{"1", "2 m"}},
		"connections removed": {func(w *world) { purge(w, jetstream.WithPurgeSubject(event.SubjectConnection)) }, []string{"1", "2 m"}},
		"everything removed":  {func(w *world) { purge(w) }, []string{"2 m"}},
		"store of an earlier release": {func(w *world) {
			w.ok(w.bus.JetStream().DeleteKeyValue(w.ctx, history.Bucket))
			purge(w, jetstream.WithPurgeSubject(event.SubjectConnection))
		}, []string{"1", "2 m"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice := w.user("alice")
			b := w.join()
			w.say(alice, 1, 1)
			w.heard("1")
			w.ok(b.stop())
			test.retain(w)
			w.say(alice, 2, 2)
			w.join()
			if diff := cmp.Diff(test.want, w.lines()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Equal lines are as many as were said, also within one millisecond.
func TestEqualLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.Buffer = 100 })
	many := func(name string) {
		u := w.user(name)
		for range 19 {
			w.ok(u.Send(w.ctx, "again"))
		}
		w.ok(u.Send(w.ctx, name))
		_, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return l.Text == name })
		w.ok(err)
	}
	many("one")
	kill := w.mortal()
	many("two")
	w.heard("two")
	kill()
	many("three")
	w.join()
	if n := len(w.site.Heard()); n != 60 {
		t.Fatalf("the channel heard %d lines", n)
	}
	heard, recorded := map[string]int{}, map[string]int{}
	for _, l := range w.site.Heard() {
		heard[fmt.Sprint(l.Text, l.Time.UnixMilli())]++
	}
	for _, s := range w.stored(event.SubjectChat) {
		recorded[fmt.Sprint(field[string](s, "message"), field[int64](s, "time"))]++
	}
	if diff := cmp.Diff(heard, recorded); diff != "" {
		t.Errorf("heard and recorded differ: %s", diff)
	}
}

// A line is known again by what the server says, not by the time at which it was
// recorded, however much lies between.
func TestFindsLinesFarBack(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "stores thousands of lines")
	w := newWorld(t)
	alice := w.user("alice")
	b := w.join()
	w.say(alice, 1, 3)
	w.heard("3")
	w.ok(b.stop())
	for i := range 600 {
		e, err := event.New(event.SubjectUserLeave, event.UserLeave{User: fmt.Sprint(i), Channel: "elsewhere"})
		w.ok(err)
		if i%100 == 0 {
			e, err = event.New(event.SubjectChat, event.Chat{User: "x", Message: "y", Channel: "elsewhere", Time: int64(i)})
			w.ok(err)
		}
		_, err = w.bus.Publish(w.ctx, e)
		w.ok(err)
	}
	w.join()
	lines := slices.DeleteFunc(w.lines(), func(l string) bool { return l == "y" })
	if diff := cmp.Diff([]string{"1", "2", "3"}, lines); diff != "" {
		t.Error(diff)
	}
}
