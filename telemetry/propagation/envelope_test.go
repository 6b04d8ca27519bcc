package propagation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

func TestFill(t *testing.T) {
	t.Parallel()
	tracer, _ := recorded(t)
	plain := t.Context()
	caused := propagation.WithCause(plain, correlation, event.Ref{Stream: "CYTUBE", Seq: 42})
	answering, span := propagation.StartSpan(propagation.WithCorrelation(plain, correlation), tracer, "process database.set", "")
	defaults := map[string]any{event.MetaSource: "router"}
	own := map[string]any{event.MetaSource: "plugin-dice", event.MetaCausation: "PLUGIN:7"}
	for name, tt := range map[string]struct {
		in   event.Envelope
		want map[string]any
	}{
		"cause":           {propagation.Fill(caused, event.Envelope{}, defaults), map[string]any{event.MetaSource: "router", event.MetaCausation: "CYTUBE:42"}},
		"answer":          {propagation.Fill(answering, event.Envelope{}, defaults), map[string]any{event.MetaSource: "router", event.MetaParentSpan: span.SpanContext().SpanID().String()}},
		"own metadata":    {propagation.Fill(caused, event.Envelope{Metadata: own}, defaults), own},
		"own correlation": {propagation.Fill(plain, event.Envelope{CorrelationID: correlation}, defaults), defaults},
	} {
		if tt.in.CorrelationID != correlation {
			t.Errorf("%s: the correlation ID is %q", name, tt.in.CorrelationID)
		}
		if d := cmp.Diff(tt.want, tt.in.Metadata); d != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", name, d)
		}
	}
	if a, b := propagation.Fill(plain, event.Envelope{}, nil), propagation.Fill(plain, event.Envelope{}, nil); a.CorrelationID == "" || a.CorrelationID == b.CorrelationID {
		t.Errorf("new correlation IDs %q and %q", a.CorrelationID, b.CorrelationID)
	}
}
