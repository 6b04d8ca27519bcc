// Package cytubetest runs a CyTube site in the process: real HTTP, a real
// websocket, the frames of the real server in the order of the real server. The
// tests talk to it, and so does a bot that has no channel to go to.
//
// [Start] starts a site; its methods play the moderator, the operator and the
// bad network. [Join] is a user of any CyTube site, the real one included.
package cytubetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Config describes a site. The zero Config is a site without accounts, with no
// limit but those that every CyTube site has.
type Config struct {
	// Addr is where to listen; 127.0.0.1:0 when empty.
	Addr string

	// Accounts are the registered users.
	Accounts []Account

	// Channels are the registered channels. Any other valid name works too, as an
	// unregistered channel: open to everybody, with an open playlist.
	Channels []Channel

	// MaxMessage is where a chat line is cut, in UTF-16 units; 320 when 0.
	MaxMessage int

	// Buffer is how many chat lines are kept for those who join; 15 when 0.
	Buffer int

	// GuestDelay is the time between two guest logins from one address; none when
	// 0. The real server's is one minute.
	GuestDelay time.Duration

	// Connects limits connections from one address, Events the events of one
	// connection. Zero is no limit. The real server's Connects is {5, 0.1}.
	Connects, Events Limit

	// Protocol is 0 for a server that speaks Engine.IO 4 and 3, 4 for one that
	// refuses 3, and 3 for an old one that speaks 3 whatever it is asked for.
	Protocol int

	// PingInterval and PingTimeout are announced and kept, in whole
	// milliseconds; 25 s and 120 s when 0.
	PingInterval, PingTimeout time.Duration

	// Lookup finds out a queued media's title and length; its error becomes the
	// user's queueFail. It must not call the Server. Nil makes up a title and a
	// length of three minutes.
	Lookup func(kind, id string) (Media, error)
}

// Account is a registered user.
type Account struct {
	Name     string
	Password string
	Rank     float64 // the rank on the whole site; 1 when 0, 255 is a site admin
}

// Channel is a registered channel.
type Channel struct {
	Name     string
	Password string             // asked from all but moderators when not empty
	Ranks    map[string]float64 // ranks in this channel, by account name
	Flood    Flood              // the channel's own flood control; zero is off
	MOTD     string
	Open     bool // whether everybody may queue media
}

// Flood is a channel's chat_antiflood_params. CyTube's own default is {4, 1, 4}.
type Flood struct {
	Burst     int     // lines at once
	Sustained float64 // lines a second after that
	Cooldown  float64 // seconds of silence after which the burst is back; Burst/Sustained when 0
}

// Limit is a token bucket.
type Limit struct {
	Burst     int
	PerSecond float64
}

// Server is a running site.
type Server struct {
	cfg      Config
	addr     string
	accounts map[string]Account // by lower-case name
	upgrader websocket.Upgrader

	starting sync.Mutex // held while stopping and restarting

	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, at every change that somebody may wait for
	http     *http.Server  // nil while stopped
	serving  sync.WaitGroup
	channels map[string]*room
	sessions map[*session]struct{}
	connects map[string]*bucket
	guests   map[string]time.Time // the last guest login, by address
	refusal  string
	heard    []Line
	received []Frame
	lines    int // how many were ever heard
	frames   int // how many were ever received

	ticking sync.WaitGroup
	quit    chan struct{}
	once    sync.Once
}

var (
	validChannel = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,30}$`)
	validUser    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,20}$`)
	reservedUser = regexp.MustCompile(`(?i)^(.*[-_])?(admin(istrator)?|owner)([-_].*)?$`)
)

// Start starts a site. It fails when the address cannot be listened on or the
// Config names an account or channel that CyTube would not allow.
func Start(cfg Config) (*Server, error) {
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 320)
	cfg.Buffer = cmp.Or(cfg.Buffer, 15)
	cfg.PingInterval = cmp.Or(cfg.PingInterval, 25*time.Second)
	cfg.PingTimeout = cmp.Or(cfg.PingTimeout, 120*time.Second)
	if cfg.Lookup == nil {
		cfg.Lookup = makeUpMedia
	}
	s := &Server{
		cfg:      cfg,
		addr:     cfg.Addr,
		accounts: map[string]Account{},
		upgrader: websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }},
		changed:  make(chan struct{}),
		channels: map[string]*room{},
		sessions: map[*session]struct{}{},
		connects: map[string]*bucket{},
		guests:   map[string]time.Time{},
		quit:     make(chan struct{}),
	}
	for _, a := range cfg.Accounts {
		if !validUser.MatchString(a.Name) || a.Password == "" {
			return nil, fmt.Errorf("account %q: it needs a name of 1 to 20 of a-z A-Z 0-9 - _ and a password", a.Name)
		}
		a.Rank = cmp.Or(a.Rank, 1)
		s.accounts[strings.ToLower(a.Name)] = a
	}
	for _, c := range cfg.Channels {
		if !validChannel.MatchString(c.Name) {
			return nil, fmt.Errorf("channel %q: its name must be 1 to 30 of a-z A-Z 0-9 - _", c.Name)
		}
		ch := newRoom(s, strings.ToLower(c.Name), &c)
		s.channels[ch.name] = ch
	}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	s.ticking.Go(s.tick)
	return s, nil
}

// URL is the site's address, as http://host:port.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// Close stops the site for good and waits until nothing of it runs.
func (s *Server) Close() {
	s.once.Do(func() { close(s.quit) })
	s.Stop()
	s.ticking.Wait()
}

// Stop takes the site down the way a crash does: every connection breaks off
// and new ones are refused. Chat buffers, ranks, mutes and playlists are kept for
// [Server.Restart], those of unregistered channels too, which the real server
// forgets.
func (s *Server) Stop() {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	server := s.http
	s.http = nil
	for sess := range s.sessions {
		sess.drop()
	}
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
	s.serving.Wait()
}

// Restart brings the site back on the same address.
func (s *Server) Restart() error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.quit:
		return errors.New("the site is closed")
	default:
	}
	if s.http != nil {
		return errors.New("the site is running")
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("start the room server: %w", err)
	}
	s.addr = listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /socketconfig/{file}", s.serveSocketConfig)
	mux.HandleFunc("GET /socket.io/", s.serveSocket)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.http = server
	s.serving.Go(func() { _ = server.Serve(listener) })
	return nil
}

func (s *Server) serveSocketConfig(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if !ok || !validChannel.MatchString(name) {
		reply(w, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("Channel %q does not exist.", name)})
		return
	}
	reply(w, http.StatusOK, map[string]any{"servers": []any{map[string]any{"url": s.URL(), "secure": false}}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !s.serve() {
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
		reply(w, http.StatusBadRequest, map[string]any{"code": 5, "message": "Unsupported protocol version"})
		return
	}
	if query.Get("transport") != "websocket" {
		reply(w, http.StatusBadRequest, map[string]any{"code": 0, "message": "Transport unknown"})
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	sess := newSession(s, ws, protocol, host)

	s.mu.Lock()
	if s.http == nil {
		s.mu.Unlock()
		_ = ws.Close()
		return
	}
	s.sessions[sess] = struct{}{}
	s.mu.Unlock()
	sess.run()
}

// serve counts a connection that Stop must wait for; false when the site is
// stopped.
func (s *Server) serve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return false
	}
	s.serving.Add(1)
	return true
}

// tick moves every playlist on, once a second.
func (s *Server) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case now := <-ticker.C:
			s.mu.Lock()
			for _, ch := range s.channels {
				ch.lead(now)
			}
			s.mu.Unlock()
		}
	}
}

// notify wakes everybody who waits for a change. The lock is held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// channel gives the channel of that name, an unregistered one when it is not
// known. The lock is held.
func (s *Server) channel(name string) *room {
	name = strings.ToLower(name)
	ch, ok := s.channels[name]
	if !ok {
		ch = newRoom(s, name, nil)
		s.channels[name] = ch
	}
	return ch
}
