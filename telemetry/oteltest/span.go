package oteltest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is a span as a collector sees it. IDs are in lower-case hexadecimal.
type Span struct {
	TraceID    string
	SpanID     string
	ParentID   string // "" for a root
	Name       string
	Kind       trace.SpanKind
	Service    string // service.name of the resource
	Start, End time.Time
	Attributes map[string]any // string, bool, int64, float64 and []any of those
	Resource   map[string]any
	Status     codes.Code
	Message    string // of the status
	Links      []Link
	Events     []Event
}

// Link is a span that another span points to.
type Link struct{ TraceID, SpanID string }

// Event is something that happened within a span.
type Event struct {
	Name       string
	Attributes map[string]any
}

func spansOf(req *coltrace.ExportTraceServiceRequest) []Span {
	var spans []Span
	for _, rs := range req.GetResourceSpans() {
		resource := attributes(rs.GetResource().GetAttributes())
		service, _ := resource["service.name"].(string)
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				spans = append(spans, spanOf(s, service, resource))
			}
		}
	}
	return spans
}

func spanOf(s *otlp.Span, service string, resource map[string]any) Span {
	out := Span{
		TraceID:    hex.EncodeToString(s.GetTraceId()),
		SpanID:     hex.EncodeToString(s.GetSpanId()),
		ParentID:   hex.EncodeToString(s.GetParentSpanId()),
		Name:       s.GetName(),
		Kind:       trace.SpanKind(s.GetKind()), // the numbers are the same
		Service:    service,
		Start:      time.Unix(0, int64(s.GetStartTimeUnixNano())),
		End:        time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Attributes: attributes(s.GetAttributes()),
		Resource:   resource,
		Status:     statuses[s.GetStatus().GetCode()],
		Message:    s.GetStatus().GetMessage(),
	}
	for _, l := range s.GetLinks() {
		out.Links = append(out.Links, Link{TraceID: hex.EncodeToString(l.GetTraceId()), SpanID: hex.EncodeToString(l.GetSpanId())})
	}
	for _, e := range s.GetEvents() {
		out.Events = append(out.Events, Event{Name: e.GetName(), Attributes: attributes(e.GetAttributes())})
	}
	return out
}

var statuses = map[otlp.Status_StatusCode]codes.Code{
	otlp.Status_STATUS_CODE_UNSET: codes.Unset,
	otlp.Status_STATUS_CODE_OK:    codes.Ok,
	otlp.Status_STATUS_CODE_ERROR: codes.Error,
}

func attributes(kvs []*common.KeyValue) map[string]any {
	m := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		m[kv.GetKey()] = value(kv.GetValue())
	}
	return m
}

func value(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		var all []any
		for _, e := range v.ArrayValue.GetValues() {
			all = append(all, value(e))
		}
		return all
	default:
		return fmt.Sprint(v)
	}
}

// Tree is one trace as a collector would draw it.
type Tree struct {
	Span
	Children []*Tree // by start, then by name
}

// Tree builds the tree of a trace from the spans that arrived. It is an error
// when the trace has no root or more than one, when a span's parent is missing
// or when a span came twice.
func (r *Receiver) Tree(traceID string) (*Tree, error) { return TreeOf(r.Spans(), traceID) }

// TreeOf returns Tree for spans that come from elsewhere.
func TreeOf(spans []Span, traceID string) (*Tree, error) {
	nodes := map[string]*Tree{}
	var order []*Tree
	for _, s := range spans {
		if s.TraceID != traceID {
			continue
		}
		if nodes[s.SpanID] != nil {
			return nil, fmt.Errorf("trace %s: span %s %q came twice", traceID, s.SpanID, s.Name)
		}
		n := &Tree{Span: s}
		nodes[s.SpanID] = n
		order = append(order, n)
	}
	slices.SortStableFunc(order, func(a, b *Tree) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	var roots []*Tree
	for _, n := range order {
		switch parent := nodes[n.ParentID]; {
		case n.ParentID == "":
			roots = append(roots, n)
		case parent == nil:
			return nil, fmt.Errorf("trace %s: the parent %s of %q is missing:\n%s", traceID, n.ParentID, n.Name, list(spans))
		default:
			parent.Children = append(parent.Children, n)
		}
	}
	if len(roots) != 1 {
		return nil, fmt.Errorf("trace %s has %d roots and not one:\n%s", traceID, len(roots), list(spans))
	}
	if n := roots[0].size(); n != len(order) {
		return nil, fmt.Errorf("trace %s: only %d of %d spans hang on its root:\n%s", traceID, n, len(order), list(spans))
	}
	return roots[0], nil
}

func (t *Tree) size() int {
	n := 1
	for _, c := range t.Children {
		n += c.size()
	}
	return n
}

// String draws the tree, one span a line: name, [kind service], and ERROR for a
// span that failed.
func (t *Tree) String() string {
	var b strings.Builder
	t.draw(&b, 0)
	return b.String()
}

func (t *Tree) draw(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%s [%s %s]", strings.Repeat("  ", depth), t.Name, t.Kind, t.Service)
	if t.Status == codes.Error {
		b.WriteString(" ERROR")
	}
	b.WriteByte('\n')
	for _, c := range t.Children {
		c.draw(b, depth+1)
	}
}

// Find returns the first span of the tree with a name, from the root down, or nil.
func (t *Tree) Find(name string) *Tree {
	if t.Name == name {
		return t
	}
	for _, c := range t.Children {
		if found := c.Find(name); found != nil {
			return found
		}
	}
	return nil
}

func list(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "  %s %s parent=%s %s [%s %s]\n", s.TraceID, s.SpanID, s.ParentID, s.Name, s.Kind, s.Service)
	}
	return b.String()
}
