package localserver

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
)

func (s *Server) serveSocketConfig(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if !ok || !validChannel.MatchString(name) {
		reply(w, http.StatusNotFound, object{"error": fmt.Sprintf("Channel %q does not exist.", name)})
		return
	}
	reply(w, http.StatusOK, object{"servers": []any{object{"url": s.URL(), "secure": false}}})
}

// servePage serves as much of a channel's page as bots read.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	if s.cfg.NoPages || !validChannel.MatchString(r.PathValue("channel")) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<input class=\"form-control\" id=\"chatline\" type=\"text\" maxlength=\"%d\">\n", s.cfg.MaxMessage)
}

type object = map[string]any

func reply(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !s.beginServing() {
		return
	}
	defer s.serving.Done()
	query := r.URL.Query()
	protocol := 3
	switch asked := query.Get("EIO"); {
	case s.cfg.Protocol == 3: // so old that it does not look
	case asked == "4":
		protocol = 4
	case asked != "3" || s.cfg.Protocol == 4:
		reply(w, http.StatusBadRequest, object{"code": 5, "message": "Unsupported protocol version"})
		return
	}
	if query.Get("transport") != "websocket" {
		reply(w, http.StatusBadRequest, object{"code": 0, "message": "Transport unknown"})
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c := newSession(s, ws, protocol, host)
	s.mu.Lock()
	if s.http == nil {
		s.mu.Unlock()
		_ = ws.Close()
		return
	}
	s.sessions[c] = struct{}{}
	s.mu.Unlock()
	c.run()
}

// beginServing counts a connection that Stop must wait for; false when the site is stopped.
func (s *Server) beginServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return false
	}
	s.serving.Add(1)
	return true
}
