package socketio_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/socketio"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	const query = "/socket.io/?EIO=4&transport=websocket"
	tests := []struct{ name, servers, want string }{
		{"secure", `{"url":"http://a:1337","secure":false},{"url":"https://b:8443","secure":true}`, "wss://b:8443" + query},
		{"not for IPv6 only", `{"url":"https://six:1","secure":true,"ipv6":true},{"url":"https://four:1","secure":true}`, "wss://four:1" + query},
		{"insecure rather than IPv6", `{"url":"https://six:1","secure":true,"ipv6":true},{"url":"http://four:1","secure":false}`, "ws://four:1" + query},
		{"any", `{"url":"https://six:1","secure":true,"ipv6":true}`, "wss://six:1" + query},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/sub/socketconfig/lobby.json" {
					http.NotFound(w, r)
					return
				}
				fmt.Fprintf(w, `{"servers":[%s]}`, tt.servers)
			}))
			defer s.Close()
			got, err := socketio.Discover(soon(t), s.Client(), s.URL+"/sub/", "lobby")
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestDiscoverErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"maintenance", "<html>", http.StatusServiceUnavailable, "answered HTTP 503"},
		{"another site", "not found", http.StatusNotFound, "answered HTTP 404"},
		{"no JSON", "<html>", http.StatusOK, "is not JSON"},
		{"no servers", `{"servers":[]}`, http.StatusOK, "names no socket server"},
		{"bad address", `{"servers":[{"url":"ftp://x"}]}`, http.StatusOK, "bad socket address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer s.Close()
			_, err := socketio.Discover(soon(t), s.Client(), s.URL, "lobby")
			_, ok := errors.AsType[*socketio.SiteError](err)
			if !ok || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "check the site's URL") {
				t.Errorf("got %v, want a site error with %q", err, tt.want)
			}
		})
	}

	t.Run("invalid channel", func(t *testing.T) {
		t.Parallel()
		s := startSite(t, cytubetest.Config{})
		for _, name := range []string{"$bad$", "", "a/b", "a b?c#d", strings.Repeat("x", 31)} {
			_, err := socketio.Discover(soon(t), nil, s.URL(), name)
			invalid, ok := errors.AsType[*socketio.ChannelError](err)
			if !ok || invalid.Channel != name {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel()
		s := startSite(t, cytubetest.Config{})
		s.Stop()
		_, err := socketio.Discover(soon(t), nil, s.URL(), "lobby")
		_, ok := errors.AsType[*socketio.SiteError](err)
		if !ok || !strings.Contains(err.Error(), "check") {
			t.Errorf("got %v", err)
		}
	})
	for _, site := range []string{"", "cytu.be", "ws://cytu.be", "http://", "http://[::1"} {
		if _, err := socketio.Discover(soon(t), nil, site, "lobby"); !errors.Is(err, socketio.ErrBadSite) {
			t.Errorf("%q: got %v", site, err)
		}
	}
}
