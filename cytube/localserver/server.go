// Package localserver speaks CyTube's protocol in this process: real HTTP, a real websocket, the real server's frames in
// its order. A bot without a channel joins a channel of it, the local channel, and tests join it in place of a site.
//
// [Start] starts a [Server]; [Join] is a [User] of any CyTube site, the real one included.
package localserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"
)

// Server is a running site.
type Server struct {
	cfg      Config
	addr     string
	accounts map[string]Account // by lower-case name
	upgrader websocket.Upgrader

	starting sync.Mutex // held by Stop and Restart

	mu           sync.Mutex
	changed      chan struct{} // closed, and replaced, at every change
	http         *http.Server  // nil while stopped
	serving      sync.WaitGroup
	channels     map[string]*Channel
	sessions     map[*Session]struct{}
	connects     map[string]*rate.Limiter
	guests       map[string]time.Time          // the last guest login, by address
	seen         map[string][]string           // the addresses that users came from, by lower-case name
	saved        map[string]map[string][]Media // saved playlists, by lower-case account name and their own
	announcement object                        // nil for none
	accepted     int                           // lines so far
	chat         int                           // those of chat among them

	ticking sync.WaitGroup
	quit    chan struct{}
	once    sync.Once
}

// Line is a chat line or private message that the server accepted.
type Line struct {
	Seq     int // from 1
	Channel string
	User    string
	To      string // the receiver of a private message; empty for chat
	Text    string // as the user typed it, cut and cleaned, without the /me
	Action  bool   // whether it was a /me
	Time    time.Time
}

// Start starts a site. It fails when it cannot listen on the address or the Config names an account or channel that
// CyTube would not allow.
func Start(cfg Config) (*Server, error) { return start(cfg, time.Second) }

func start(cfg Config, every time.Duration) (*Server, error) {
	cfg = cfg.withDefaults()
	accounts, err := cfg.accounts()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		addr:     cfg.Addr,
		accounts: accounts,
		upgrader: websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }},
		changed:  make(chan struct{}),
		channels: map[string]*Channel{},
		sessions: map[*Session]struct{}{},
		connects: map[string]*rate.Limiter{},
		guests:   map[string]time.Time{},
		seen:     map[string][]string{},
		saved:    map[string]map[string][]Media{},
		quit:     make(chan struct{}),
	}
	if err := s.openChannels(); err != nil {
		return nil, err
	}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	s.ticking.Go(func() { s.tick(every) })
	return s, nil
}

// URL returns the site's address, as http://host:port.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// Close stops the site for good and returns when nothing of it runs.
func (s *Server) Close() {
	s.once.Do(func() { close(s.quit) })
	s.Stop()
	s.ticking.Wait()
}

// Stop takes the site down the way a crash does: every connection breaks and new ones are refused. Chat buffers, ranks,
// mutes and playlists are kept for [Server.Restart], those of unregistered channels too, which the real server forgets.
func (s *Server) Stop() {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	server := s.http
	s.http = nil
	s.mu.Unlock()
	s.DropAll()
	if server != nil {
		_ = server.Close()
	}
	s.serving.Wait()
}

// DropAll breaks every connection. New ones are let in.
func (s *Server) DropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.Drop()
	}
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
		return fmt.Errorf("start the CyTube server: %w", err)
	}
	s.addr = listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /socketconfig/{file}", s.serveSocketConfig)
	mux.HandleFunc("GET /r/{channel}", s.servePage)
	mux.HandleFunc("GET /socket.io/", s.serveSocket)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.http = server
	s.serving.Go(func() { _ = server.Serve(listener) })
	return nil
}

// Do calls f with a channel while nothing else happens on the server. f must not call the Server.
func (s *Server) Do(channel string, f func(*Channel)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.channel(channel))
}

// SetRank changes a user's rank in a channel. The user may be absent.
func (s *Server) SetRank(channel, user string, rank float64) {
	s.Do(channel, func(ch *Channel) { ch.setRank(user, rank) })
}

// ChatLines returns how many chat lines were accepted so far, private messages not counted.
func (s *Server) ChatLines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chat
}

// WaitUser waits until a user is in a channel.
func (s *Server) WaitUser(ctx context.Context, channel, user string) error {
	return s.wait(ctx, user+" in "+channel, func() bool { return s.channel(channel).User(user) != nil })
}

// WaitGone waits until a user is not in a channel.
func (s *Server) WaitGone(ctx context.Context, channel, user string) error {
	return s.wait(ctx, user+" gone from "+channel, func() bool { return s.channel(channel).User(user) == nil })
}

// WaitAFK waits until a user of a channel is AFK, or is not.
func (s *Server) WaitAFK(ctx context.Context, channel, user string, afk bool) error {
	return s.wait(ctx, fmt.Sprint("AFK of ", user, " ", afk), func() bool {
		u := s.channel(channel).User(user)
		return u != nil && u.afk == afk
	})
}

// wait waits until done is true, which is called after each change with the lock held.
func (s *Server) wait(ctx context.Context, what string, done func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// notify wakes every wait. The lock is held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// socketsOf returns how many connections an address has.
func (s *Server) socketsOf(addr string) (n int) {
	for c := range s.sessions {
		if c.addr == addr && c.connected {
			n++
		}
	}
	return n
}

// accept records that a line was accepted. The lock is held.
func (s *Server) accept(l Line) {
	s.accepted++
	l.Seq = s.accepted
	if l.To == "" {
		s.chat++
	}
	if s.cfg.Hooks.Line != nil {
		s.cfg.Hooks.Line(l)
	}
	s.notify()
}

// tick lets every channel do what is done by the clock.
func (s *Server) tick(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case now := <-ticker.C:
			s.mu.Lock()
			for _, ch := range s.channels {
				ch.tick(now)
			}
			s.mu.Unlock()
		}
	}
}

// channel returns the channel of that name, a new unregistered one if there is none. The lock is held.
func (s *Server) channel(name string) *Channel {
	name = strings.ToLower(name)
	ch, ok := s.channels[name]
	if !ok {
		ch = newChannel(s, name, nil)
		s.channels[name] = ch
	}
	return ch
}
