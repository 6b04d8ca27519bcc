package cytube_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The bot's mute and rank are known while it is in the channel, and why it is away while
// it is not.
func TestCondition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join()
	w.ok(w.site.Mute(lounge, "rosey", false))
	w.counted(b, func(s cytube.Stats) bool { return s.Mute == event.ActionMute && s.Rank == 1 })
	w.site.Unmute(lounge, "rosey")
	w.counted(b, func(s cytube.Stats) bool { return s.Mute == "" })
	w.site.SetRank(lounge, "rosey", 2)
	w.ok(w.site.Mute(lounge, "rosey", true))
	w.counted(b, func(s cytube.Stats) bool { return s.Mute == event.ActionShadowMute && s.Rank == 2 })

	w.site.Refuse("Rate limit exceeded")
	w.ok(w.site.Kick(lounge, "rosey", "begone"))
	w.counted(b, func(s cytube.Stats) bool {
		return s.Kicked && strings.Contains(s.Away, "Rate limit") && s.Mute == "" && !s.Since.IsZero() && s.Next.After(s.Since)
	})
	w.site.Refuse("")
	w.counted(b, func(s cytube.Stats) bool {
		return s.Connected && s.Away == "" && !s.Kicked && s.Mute == event.ActionShadowMute
	})
}

// After a moderator's kick the bot comes back as the settings say; what the server does
// for reasons of its own is no kick.
func TestAfterKick(t *testing.T) {
	t.Parallel()
	t.Run("never", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.join(func(c *cytube.Config) { c.KickWait = cytube.StayOut })
		w.ok(w.site.Kick(lounge, "rosey", "Channel reloading"))
		w.connection(event.StateDown)
		w.connection(event.StateUp)
		w.ok(w.site.Kick(lounge, "rosey", "begone"))
		if err := w.failed(b); !strings.Contains(err.Error(), "kicked: begone; ask the channel's moderators") {
			t.Error(err)
		}
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.join(func(c *cytube.Config) { c.KickWait = time.Hour })
		w.ok(w.site.Kick(lounge, "rosey", "begone"))
		w.counted(b, func(s cytube.Stats) bool { return s.Kicked && time.Until(s.Next) > 30*time.Minute })
	})
	t.Run("as soon as a retry", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.join(func(c *cytube.Config) { c.KickWait, c.RetrySlow = time.Nanosecond, time.Hour })
		w.ok(w.site.Kick(lounge, "rosey", "begone"))
		w.connection(event.StateDown)
		w.connection(event.StateUp)
	})
}

// An address with too many connections is no moderator's kick, and is not tried again soon.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.Sockets = 1 })
	w.user("alice")
	b := w.start()
	w.counted(b, func(s cytube.Stats) bool {
		return !s.Kicked && strings.Contains(s.Away, "no more connections") && time.Until(s.Next) > time.Minute
	})
}

// The bot goes AFK when it has joined and after it has spoken, and raises no votes.
func TestAFK(t *testing.T) {
	streamstest.Slow(t, "waits for the bot to be silent")
	t.Parallel()
	w := newWorld(t)
	w.join(func(c *cytube.Config) { c.AFK = true })
	for _, text := range []string{"one", "two"} {
		w.ok(w.site.WaitAFK(w.ctx, lounge, "rosey", true))
		w.chat(text)
		w.ok(w.site.WaitAFK(w.ctx, lounge, "rosey", false))
	}
	w.ok(w.site.WaitAFK(w.ctx, lounge, "rosey", true))
	for _, line := range w.spoken() {
		if strings.Contains(line, "afk") {
			t.Errorf("the channel read %q", line)
		}
	}
}

// Who bans or mutes the bot is known where the server says it: to those who may do the same.
func TestWhoModeratedTheBot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rank float64 // of the bot
		by   string
	}{"moderator": {2, "mod"}, "user": {1, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.site.SetRank(lounge, "rosey", test.rank)
			w.site.SetRank(lounge, "mod", 4)
			mod := w.user("mod")
			b := w.join()
			w.ok(mod.Send(w.ctx, "/mute rosey"))
			w.counted(b, func(s cytube.Stats) bool { return s.Mute == event.ActionMute && s.By == test.by })
			w.ok(mod.Send(w.ctx, "/unmute rosey"))
			w.counted(b, func(s cytube.Stats) bool { return s.Mute == "" && s.By == "" })
			w.ok(mod.Send(w.ctx, "/ban rosey spam"))
			w.failed(b)
			w.counted(b, func(s cytube.Stats) bool {
				return s.Kicked && s.Banned && s.By == test.by && strings.Contains(s.Away, "banned") && s.Next.IsZero() && !s.Since.IsZero()
			})
		})
	}
}

// What the bot's rank does not allow is known as soon as it is in the channel, and follows
// the rank and the permissions.
func TestDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := cytube.New(w.bus, w.cfg).Denied(event.SubjectSendMediaClear); got != "" {
		t.Errorf("before it was in the channel: %s", got)
	}
	b := w.join()
	denied := func(subject, want string) {
		t.Helper()
		w.counted(b, func(cytube.Stats) bool {
			got := b.Denied(subject)
			return strings.Contains(got, want) && (want != "" || got == "")
		})
	}
	denied(event.SubjectSendMediaClear, "the bot has rank 1, and playlistclear needs 2")
	denied(event.SubjectSendPermissions, "this needs 3")
	denied(event.SubjectSendPollVote, "")
	w.site.SetRank(lounge, "rosey", 3)
	denied(event.SubjectSendMediaClear, "")
	denied(event.SubjectSendPermissions, "")
}
