package sender

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// Answer takes note of a frame that says what the server made of the pending message.
// Frames that say nothing of it have no effect.
func (t *EchoTracker) Answer(f channel.Frame) {
	switch f.Name {
	case "cooldown":
		t.drop(channel.ReadCooldown(f))
	case "spamFiltered", "noflood", "kick", "errorMsg":
		n, err := channel.ReadNotice(f)
		t.refuse(f.Name, n, err)
	}
}

// drop marks the pending message as dropped and keeps the bot silent for wait.
func (t *EchoTracker) drop(wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.pending
	if m == nil || m.state != waiting {
		return
	}
	m.writes--
	now := time.Now()
	t.pace.refused(t.limitOf(m), now)
	t.hold = now.Add(min(wait, time.Minute))
	m.set(dropped)
}

// refuse marks the pending message as refused if a notice concerns it.
func (t *EchoTracker) refuse(frame string, n channel.Notice, malformed error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.pending
	if m == nil || m.state != waiting {
		return
	}
	note := n.Text
	switch {
	case frame == "spamFiltered":
		note = "the server takes the bot for a new user and filters what it says: " + note
	case frame == "noflood" && !m.pm && (n.Action == "" || n.Action == "chat"):
	case frame == "errorMsg" && m.pm && (strings.Contains(note, "PM") || strings.Contains(note, "message pm:")):
	case frame == "errorMsg" && !m.pm && strings.Contains(note, "message chatMsg:"):
	case frame == "kick" && !n.Reason && malformed == nil:
		// A moderator's kick has a reason, if an empty one. This one is for a text
		// that the site forbids.
		note = "the server kicked the bot for saying it"
	default:
		return
	}
	m.note = note
	m.set(refused)
}
