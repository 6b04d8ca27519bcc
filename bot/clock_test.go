package bot

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosey-bot/rosey/event"
)

func TestClockSet(t *testing.T) {
	t.Parallel()
	var got []event.ClockSet
	w := clockWatch{log: slog.New(slog.DiscardHandler), publish: func(_ context.Context, subject string, payload any) {
		if subject != event.SubjectClock {
			t.Errorf("published %s", subject)
		}
		got = append(got, payload.(event.ClockSet))
	}}
	for _, offset := range []time.Duration{
		0, time.Millisecond, 1900 * time.Millisecond, // adjusted bit by bit
		time.Hour, time.Hour + time.Second,
		-time.Minute, -time.Minute,
	} {
		w.look(t.Context(), time.Unix(1000, 0), offset)
	}
	want := []event.ClockSet{
		{Direction: event.ClockAhead, By: 3598.1, OffsetBefore: 1.9, OffsetAfter: 3600, Timestamp: 1000},
		{Direction: event.ClockBack, By: 3661, OffsetBefore: 3601, OffsetAfter: -60, Timestamp: 1000},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, payload := range got {
		e, err := event.New(event.SubjectClock, payload)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			t.Error(err)
		}
	}
	if now := time.Now(); clockOffset(now, now) != 0 {
		t.Error("a clock that nobody set is off")
	}
}
