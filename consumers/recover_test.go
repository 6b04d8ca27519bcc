package consumers

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

func TestRecover(t *testing.T) {
	t.Parallel()
	ctx, _, _, d := newDelivery(t, 1)
	_, err := Chain(func(context.Context, streams.Stored) ([]event.Envelope, error) { panic("boom") }, Recover())(ctx, d)
	p, ok := errors.AsType[*PanicError](err)
	if !ok || p.Value != "boom" || !strings.Contains(p.Stack, "recover_test.go") {
		t.Errorf("error %v", err)
	}
}

// The error keeps what it wraps when its text is shortened.
func TestRecoverShortensErrors(t *testing.T) {
	t.Parallel()
	ctx, _, _, d := newDelivery(t, 1)
	_, err := Chain(returning(Permanent(errors.New(strings.Repeat("x", 1<<20)))), Recover())(ctx, d)
	if !isPermanent(err) || len(err.Error()) > 1<<17 {
		t.Errorf("an error of %d bytes, permanent: %v", len(err.Error()), isPermanent(err))
	}
}
