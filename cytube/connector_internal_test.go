package cytube

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A sender that worked for long is started again at once, however often it failed before.
func TestPauseOfTheSenderIsReset(t *testing.T) {
	t.Parallel()
	c := New(streamstest.Bus(t, streamstest.Server(t)), Config{Config: sender.Config{Channel: "testchan"}})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var pauses []time.Duration
		ended := time.Now()
		err := c.keepSpeaking(ctx, func(context.Context) error {
			pauses = append(pauses, time.Since(ended))
			switch len(pauses) {
			case 20: // the pause has grown to about a minute by now
				time.Sleep(time.Hour)
			case 21:
				cancel()
			}
			ended = time.Now()
			return errors.New("the server is away")
		})
		if err != nil {
			t.Fatal(err)
		}
		if pauses[19] < 30*time.Second || pauses[20] > time.Second {
			t.Errorf("the pauses are %s", pauses)
		}
	})
}
