package cytube_test

import (
	"context"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
)

// What happens to the connection, and to what is said, can be read off the
// metrics.
func TestMetricsTellOfTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	metrics, err := telemetry.NewMetrics(resource.Empty(), func(err error) { t.Error(err) })
	w.ok(err)
	settled := make(chan consumers.Outcome, 10)
	w.cfg.EchoTimeout = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(w.ctx)
	cfg := w.cfg
	cfg.Observer, cfg.OnSettled = metrics, func(o consumers.Outcome) { settled <- o }
	b := cytube.New(w.bus, cfg)
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		w.ok(<-done)
		w.ok(metrics.Shutdown(context.Background()))
	})
	page := func() string {
		rec := httptest.NewRecorder()
		metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		return rec.Body.String()
	}
	// A machine that is busy enough may miss more than one echo.
	want := func(samples ...string) {
		t.Helper()
		for _, s := range samples {
			name, pattern, _ := strings.Cut(s, " ")
			line := regexp.MustCompile(`(?m)^` + name + `\{rosey_channel="` + lounge + `"\} ` + pattern + `$`)
			if got := page(); !line.MatchString(got) {
				t.Errorf("%s is not on the page:\n%s", line, got)
			}
		}
	}

	w.connection(event.StateUp)
	want("rosey_cytube_connected 1", "rosey_cytube_reconnects_total 0", "rosey_send_echoes_missed_total 0", "rosey_send_resends_total 0")

	w.site.Fail(lounge, w.cfg.User, 1, cytubetest.FaultLost)
	w.chat("hello")
	w.heard("hello")
	if o := <-settled; o.Consumer != sender.SendsDurable || o.Result != consumers.Handled {
		t.Errorf("the send ended as %+v", o)
	}
	want("rosey_send_echoes_missed_total [1-9]", "rosey_send_resends_total [1-9]")

	w.ok(w.site.Drop(lounge, w.cfg.User))
	w.connection(event.StateDown)
	w.connection(event.StateUp)
	want("rosey_cytube_connected 1", "rosey_cytube_reconnects_total 1")
}
