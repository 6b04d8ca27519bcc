package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rosey-bot/rosey/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// setenv sets variables given as NAME=value, for a test that is not parallel.
func setenv(t *testing.T, vars ...string) {
	t.Helper()
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// setup is telemetry.Setup that shuts down with the test.
func setup(t *testing.T, c telemetry.Config) *telemetry.Providers {
	t.Helper()
	p, err := telemetry.Setup(testContext(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = p.Shutdown(ctx)
	})
	return p
}

// scrape is what Prometheus would get.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics answered %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// sample is the value of the one series of a page whose name and labels have
// all the given parts; ok is false when there is none.
func sample(t *testing.T, page, name string, labels ...string) (value float64, ok bool) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + name + `(\{.*\})? (\S+)$`)
series:
	for _, m := range line.FindAllStringSubmatch(page, -1) {
		for _, l := range labels {
			if !strings.Contains(m[1], l) {
				continue series
			}
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		value, ok = value+v, true
	}
	return value, ok
}

func wantSample(t *testing.T, page string, want float64, name string, labels ...string) {
	t.Helper()
	if got, ok := sample(t, page, name, labels...); !ok || got != want {
		t.Errorf("%s%v is %v (found: %t), want %v", name, labels, got, ok, want)
	}
}

// buffer is a bytes.Buffer that goroutines may share.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
