package consumers_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// limited is a handler with a time limit.
func limited(limit time.Duration, h consumers.Handler) consumers.Handler {
	return consumers.Chain(h, consumers.Timeout(func(context.Context, streams.Stored) time.Duration { return limit }, slog.New(slog.DiscardHandler)))
}

// A command that takes too long fails, is tried again, and its user hears why, also where
// the handler waits for NATS.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, returned := range map[string]error{"own error": errors.New("gave up"), "request": event.Errorf(event.Timeout, "no answer")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			settled, _ := start(t, bus, consumers.Config{Backoff: quick, NotifyUser: true}, limited(10*time.Millisecond, func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
				<-ctx.Done()
				return nil, returned
			}))
			command(t, bus, "x")
			for range 3 {
				var late *consumers.TimeoutError
				if o := next(t, settled); !errors.As(o.Err, &late) || late.Limit != 10*time.Millisecond || !errors.Is(o.Err, returned) {
					t.Errorf("outcome %+v", o)
				}
			}
			want := []string{"alice: x took longer than 10ms, trying again", "alice: x failed, it took longer than 10ms (rosey dead ls)"}
			if got := lines(t, bus); !slices.Equal(got, want) {
				t.Errorf("said %q, want %q", got, want)
			}
			letter, err := event.As[event.DeadLetter](letters(t, bus)[0].Envelope)
			if err != nil || letter.Code != event.Timeout || !strings.HasPrefix(letter.Error, "it took longer than 10ms: ") {
				t.Errorf("dead letter %+v: %v", letter, err)
			}
		})
	}
}

// What a handler returned nevertheless, or before, counts.
func TestTimeoutKeepsWhatSucceeded(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(context.Context){"late": func(ctx context.Context) { <-ctx.Done() }, "in time": func(context.Context) {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := streamstest.Bus(t, streamstest.Server(t))
			limit := map[string]time.Duration{"late": time.Millisecond, "in time": time.Hour}[name]
			settled, _ := start(t, bus, consumers.Config{NotifyUser: true}, limited(limit, func(ctx context.Context, _ streams.Stored) ([]event.Envelope, error) {
				wait(ctx)
				return []event.Envelope{say(t, "done")}, nil
			}))
			command(t, bus, "x")
			if o := next(t, settled); o.Result != consumers.Handled {
				t.Errorf("outcome %+v", o)
			}
			if got := lines(t, bus); !slices.Equal(got, []string{"done"}) {
				t.Errorf("said %q", got)
			}
		})
	}
}
