package oteltest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/telemetry/oteltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const trace = "550e8400e29b41d4a716446655440000"

func span(id, parent, name string) oteltest.Span {
	return oteltest.Span{TraceID: trace, SpanID: id, ParentID: parent, Name: name, Service: "rosey"}
}

func TestTreeIsOneTreeOrAnError(t *testing.T) {
	t.Parallel()
	other := span("9", "", "another trace")
	other.TraceID = strings.Repeat("1", 32)
	for _, tt := range []struct {
		name  string
		spans []oteltest.Span
		want  string // the tree, or a part of the error
		fails bool
	}{
		{"children in order", []oteltest.Span{span("3", "1", "b"), span("2", "1", "a"), other, span("1", "", "root"), span("4", "3", "c")},
			"root [unspecified rosey]\n  a [unspecified rosey]\n  b [unspecified rosey]\n    c [unspecified rosey]\n", false},
		{"none", []oteltest.Span{other}, "0 roots", true},
		{"two roots", []oteltest.Span{span("1", "", "a"), span("2", "", "b")}, "2 roots", true},
		{"orphan", []oteltest.Span{span("1", "", "a"), span("2", "7", "b")}, `the parent 7 of "b" is missing`, true},
		{"twice", []oteltest.Span{span("1", "", "a"), span("1", "", "a")}, "came twice", true},
		{"circle", []oteltest.Span{span("1", "", "a"), span("2", "3", "b"), span("3", "2", "c")}, "only 1 of 3 spans", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, err := oteltest.TreeOf(tt.spans, trace)
			switch {
			case tt.fails && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("the error is %v, want one with %q", err, tt.want)
			case !tt.fails && err != nil:
				t.Error(err)
			case !tt.fails && tree.String() != tt.want:
				t.Errorf("the tree is\n%swant\n%s", tree, tt.want)
			case !tt.fails && (tree.Find("c").ParentID != "3" || tree.Find("d") != nil):
				t.Error("Find does not find what is there, or finds what is not")
			}
		})
	}
}

func TestWaitSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := oteltest.Start(t).Wait(ctx, func(s []oteltest.Span) bool { return len(s) > 0 })
	if err == nil || !strings.Contains(err.Error(), "0 arrived") {
		t.Errorf("the error is %v", err)
	}
}

func TestReceiverRefusesWhatIsNotOTLP(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	r := oteltest.Start(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range []struct {
		path, contentType, encoding, body string
		status                            int
	}{
		{"/v1/traces", "application/x-protobuf", "", "", http.StatusOK},
		{"/v1/traces", "application/x-protobuf", "", "hello", http.StatusBadRequest},
		{"/v1/traces", "application/x-protobuf", "gzip", "hello", http.StatusBadRequest},
		{"/v1/traces", "application/json", "", "{", http.StatusBadRequest},
		{"/v1/traces", "application/json", "", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}`, http.StatusBadRequest},
		{"/v1/traces", "text/plain", "", "", http.StatusBadRequest},
		{"/v1/metrics", "application/x-protobuf", "", "", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.HTTP+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tt.contentType)
		req.Header.Set("Content-Encoding", tt.encoding)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%+v was answered %d", tt, resp.StatusCode)
		}
	}
	if n := len(r.Spans()); n != 0 {
		t.Errorf("%d spans came of it", n)
	}
}
