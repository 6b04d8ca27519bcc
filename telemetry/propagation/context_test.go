package propagation_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestContextCarriesCorrelationAndCause(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if propagation.Correlation(ctx) != "" || propagation.Cause(ctx) != (event.Ref{}) {
		t.Error("an empty context carries something")
	}
	ref := event.Ref{Stream: "PLUGIN", Seq: 7}
	ctx = propagation.WithCause(ctx, "c-1", ref)
	if propagation.Correlation(ctx) != "c-1" || propagation.Cause(ctx) != ref {
		t.Error("the context lost what it carries")
	}
	ctx = propagation.WithCorrelation(ctx, "c-2")
	if propagation.Correlation(ctx) != "c-2" || propagation.Cause(ctx) != ref {
		t.Error("another correlation ID changed the cause")
	}
}
