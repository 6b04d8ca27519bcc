package cytube_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay/audit"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// moderation gives what is recorded of moderation: action, by whom, whom, why.
func (w *world) moderation() []string {
	w.t.Helper()
	var all []string
	for _, s := range w.stored(event.AllModeration) {
		p, err := event.As[event.Moderation](s.Envelope)
		w.ok(err)
		all = append(all, fmt.Sprintf("%s by=%s user=%s %s%s", s.Subject, p.By, p.User, p.Reason, p.Extra["rank"]))
	}
	return all
}

// What a moderator does is recorded as far as the server tells the bot: by whom,
// when the bot is a moderator itself.
func TestModeration(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rank float64 // of the bot
		want []string
	}{
		"moderator": {3, []string{
			"cytube.moderation.mute by=mod user=eve ",
			"cytube.moderation.unmute by=mod user=eve ",
			"cytube.moderation.shadow_mute by=mod user=eve ",
			"cytube.moderation.unmute by=mod user=eve ",
			"cytube.moderation.kick by=mod user=eve ",
			"cytube.moderation.ban by=mod user=eve ",
			"cytube.moderation.unban by=mod user=eve ",
			"cytube.moderation.ban by=mod user=mallory ", // a name without addresses
			"cytube.moderation.rank by=mod user=absent 2",
			"cytube.moderation.kick by=mod user= anonymous users",
			"cytube.moderation.clear by=mod user= ",
		}},
		"user": {1, []string{
			"cytube.moderation.mute by= user=eve ",
			"cytube.moderation.unmute by= user=eve ",
			"cytube.moderation.rank by= user=absent 2",
			"cytube.moderation.clear by=mod user= ",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.site.SetRank(lounge, "rosey", test.rank)
			w.site.SetRank(lounge, "mod", 4)
			mod, eve := w.user("mod"), w.user("eve")
			w.join()
			say := func(lines ...string) {
				t.Helper()
				for _, line := range lines {
					w.ok(mod.Send(w.ctx, line))
				}
			}
			say("/mute eve", "/unmute eve", "/smute eve", "/unmute eve", "/kick eve being rude", "/ban eve again")
			w.ok(w.site.WaitGone(w.ctx, lounge, "eve"))
			w.ok(mod.Unban(w.ctx, "eve"))
			say("/ipban mallory", "/rank absent 2", "/kickanons", "/clear", "that was all")
			w.heard("that was all")
			if diff := cmp.Diff(test.want, w.moderation()); diff != "" {
				t.Error(diff)
			}
			eve.Close()
		})
	}
}

// The bot's own kick is recorded, and what the site does for reasons of its own
// is not moderation.
func TestOwnKick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	for _, reason := range []string{"be quiet", "Channel reloading"} {
		w.ok(w.site.Kick(lounge, "rosey", reason))
		w.connection(event.StateDown)
		w.connection(event.StateUp)
	}
	if diff := cmp.Diff([]string{"cytube.moderation.kick by= user=Rosey be quiet"}, w.moderation()); diff != "" {
		t.Error(diff)
	}
}

// A mute that happened while the bot was away shows itself on its return; one
// that is known does not.
func TestMuteMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user("alice")
	w.user("eve")
	w.ok(w.site.Mute(lounge, "eve", false))
	w.join()
	w.site.Refuse("Rate limit exceeded")
	w.ok(w.site.Drop(lounge, "Rosey"))
	w.connection(event.StateDown)
	w.ok(w.site.Mute(lounge, "alice", false))
	w.site.Refuse("")
	w.connection(event.StateUp)
	w.site.Unmute(lounge, "alice")
	w.ok(alice.Say(w.ctx, "free"))
	w.heard("free")
	if diff := cmp.Diff([]string{"cytube.moderation.mute by= user=alice ", "cytube.moderation.unmute by= user=alice "}, w.moderation()); diff != "" {
		t.Error(diff)
	}
}

// Lines that somebody had erased stay erased, though the channel's chat buffer
// still holds them when the bot comes back.
func TestForgottenLinesStayForgotten(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "stores thousands of lines")
	w := newWorld(t)
	alice, mod := w.user("alice"), w.user("mod")
	w.ok(alice.Say(w.ctx, "my secret"))
	w.ok(mod.Say(w.ctx, "hello"))
	// Recorded so long ago that JetStream's own window for repeats is over.
	for _, l := range w.site.Heard() {
		e, err := event.New(event.SubjectChat, event.Chat{User: l.User, Message: l.Text, Channel: lounge, Rank: 1, Time: l.Time.UnixMilli()})
		w.ok(err)
		_, err = w.bus.Publish(w.ctx, e)
		w.ok(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	w.ok(err)
	_, err = audit.Forget(w.ctx, w.bus, key, "Alice", audit.ForgetOptions{})
	w.ok(err)
	b := w.join()
	w.ok(alice.Say(w.ctx, "my secret"))
	w.heard("my secret")
	if diff := cmp.Diff([]string{"hello", "my secret"}, w.lines()); diff != "" {
		t.Error(diff)
	}
	if s := w.stored(event.SubjectChat); s[1].Metadata[event.MetaBackfill] == true {
		t.Error("the erased line is recorded again")
	}
	// The fingerprints tell nothing once the buffer has none of the lines any more.
	if keys, err := streams.ErasureKeys(w.ctx, w.bus.JetStream(), lounge); err != nil || len(keys) != 1 {
		t.Errorf("while the buffer has the line there are %d keys, %v", len(keys), err)
	}
	b.stop()
	for i := range 40 {
		w.ok(mod.Say(w.ctx, fmt.Sprint("line ", i)))
	}
	w.join()
	w.ok(mod.Say(w.ctx, "here again"))
	w.heard("here again")
	if keys, err := streams.ErasureKeys(w.ctx, w.bus.JetStream(), lounge); err != nil || len(keys) != 0 {
		t.Errorf("behind the buffer there are %d keys, %v", len(keys), err)
	}
}
