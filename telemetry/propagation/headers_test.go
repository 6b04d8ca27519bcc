package propagation_test

import (
	"context"
	"testing"

	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestCarrier(t *testing.T) {
	t.Parallel()
	const parent = "00-" + traceID + "-00f067aa0ba902b7-01"
	for name, headers := range map[string]map[string][]string{
		"lower case":     {"traceparent": {parent}},
		"canonical":      {"Traceparent": {parent}},
		"upper case":     {"TRACEPARENT": {parent}},
		"exact is first": {"Traceparent": {"00-" + "1" + traceID[1:] + "-00f067aa0ba902b7-01"}, "traceparent": {parent}},
		"empty is not":   {"traceparent": {}, "Traceparent": {parent}},
	} {
		if got := propagation.CorrelationOf("", headers); got != correlation {
			t.Errorf("%s: the correlation ID is %q", name, got)
		}
	}
	if got := propagation.CorrelationOf("", map[string][]string{"traceparent": {"nonsense"}}); got != "" {
		t.Errorf("nonsense stands for %q", got)
	}

	out := map[string][]string{}
	propagation.Inject(propagation.Extract(context.Background(), map[string][]string{"Traceparent": {parent}, "tracestate": {"a=1"}}), out)
	if len(out) != 2 || len(out["traceparent"]) != 1 || out["traceparent"][0] != parent || out["tracestate"][0] != "a=1" {
		t.Errorf("the headers became %v", out)
	}
}

func TestCorrelationIDIsWrittenAndReadFirst(t *testing.T) {
	t.Parallel()
	headers := map[string][]string{}
	propagation.Inject(propagation.WithCorrelation(t.Context(), "quiz-17"), headers)
	headers["traceparent"] = []string{"00-" + traceID + "-00f067aa0ba902b7-01"}
	if got := propagation.CorrelationOf("", headers); got != "quiz-17" {
		t.Errorf("read back: %q", got)
	}
	if got := propagation.CorrelationOf("body", headers); got != "body" {
		t.Errorf("with one in the body: %q", got)
	}
}
