package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams"
)

// A bot that is stopped while a stream is missing does not wait for it, and says so where
// something is lost by that.
func TestStopWithoutAStream(t *testing.T) {
	t.Parallel()
	for stream, says := range map[string]string{
		streams.Cytube: "stream missing, not waiting for it", streams.Plugin: "stream deleted, contents lost", streams.Platform: "platform event not stored",
	} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.mod.Say(s.ctx, "!roll 2d6")
			s.heard("2d6", 1)
			s.ok(s.connect("operator").JetStream().DeleteStream(s.ctx, stream))
			if stream == streams.Plugin { // a stop loses nothing by it, so only the deletion is logged
				s.ok(until(s.ctx, func() bool { return strings.Contains(s.bot.stderr.String(), says) }))
			}
			began := time.Now()
			if code, stderr := s.bot.interrupt(), s.bot.stderr.String(); code != 0 || !strings.Contains(stderr, says) {
				t.Errorf("exit code %d, and it does not say %q\n%s", code, says, stderr)
			}
			t.Logf("stopped in %s", time.Since(began))
		})
	}
}
