package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rosey-bot/rosey/telemetry"
)

// ask makes one request and returns the status and the body of the answer.
func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	t.Parallel()
	m := metrics(t)
	var ready atomic.Bool
	s, err := telemetry.Listen("127.0.0.1:0", m, func(context.Context) error {
		if !ready.Load() {
			return errors.New("joining the channel")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(testContext(t))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	for _, tt := range []struct {
		ready        bool
		method, path string
		status       int
		body         string
	}{
		{false, http.MethodGet, "/healthz", 200, "ok"},
		{false, http.MethodGet, "/readyz", 503, "not ready: joining the channel"},
		{true, http.MethodGet, "/readyz", 200, "ready"},
		{true, http.MethodHead, "/readyz", 200, ""},
		{true, http.MethodGet, "/metrics", 200, "process_start_time_seconds"},
		{true, http.MethodPost, "/readyz", 405, ""},
		{true, http.MethodGet, "/", 404, ""},
	} {
		ready.Store(tt.ready)
		if status, body := ask(t, tt.method, "http://"+s.Addr()+tt.path); status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s answered %d %q, want %d %q", tt.method, tt.path, status, body, tt.status, tt.body)
		}
	}

	if _, err := telemetry.Listen(s.Addr(), m, nil); err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a taken port gave: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

func TestServerIsLocalUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	s, err := telemetry.Listen(":0", metrics(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(s.Addr(), "127.0.0.1:") {
		t.Errorf("it listens on %s", s.Addr())
	}
	for _, bad := range []string{"", "9464", "127.0.0.1", "127.0.0.1:http-or-so"} {
		if _, err := telemetry.Listen(bad, metrics(t), nil); err == nil || !strings.Contains(err.Error(), "serve metrics") {
			t.Errorf("address %q gave: %v", bad, err)
		}
	}
}

func TestServerEndsWithItsListener(t *testing.T) {
	t.Parallel()
	s, err := telemetry.Listen("127.0.0.1:0", metrics(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := s.Serve(testContext(t)); err == nil {
		t.Error("serving without a listener ended well")
	}
}
