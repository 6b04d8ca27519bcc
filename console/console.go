// Package console is Rosey in a browser: the channel as it happens, its history,
// its traces, and what an operator does about them. Pages are rendered here,
// live updates come as server-sent events, and everything shown is read through
// the packages that the command line reads it through.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
)

// DefaultAddress is where the console of a local channel is served.
const DefaultAddress = "127.0.0.1:8484"

const (
	// readTimeout is how long reading what a page shows may take.
	readTimeout = 30 * time.Second
	// askTimeout is how long the outcome of what is asked of a channel is waited for.
	askTimeout = time.Minute
	// shutdownTimeout is how long answers that are under way may take at the end.
	shutdownTimeout = 2 * time.Second
	// maxStreams is how many pages may be kept up to date at once.
	maxStreams = 128
)

var (
	// ErrUnprotected is wrapped by the error of Listen for an address that other
	// machines can reach while Access lets everybody in.
	ErrUnprotected = errors.New("others could use it too")
	// ErrListen is wrapped by the error of Listen when the address cannot be opened.
	ErrListen = errors.New("serve the console")
)

// User is somebody who is in the channel.
type User struct {
	Name string
	Rank int
	Bot  bool
}

// Channel is one of the bot's channels.
type Channel struct {
	Name    string
	Site    string
	Prefix  string                 // what commands begin with
	IsBot   func(user string) bool // whether a user there is the bot
	Users   func() []User          // who is there
	Problem func() string          // why the bot is not there, or is not heard, or ""
	Stats   func() cytube.Stats    // of the bot there; nil where it is not known
	// Lacks, if set, returns what plugins ask for that the bot's rank there does not allow.
	Lacks func(context.Context) []string
}

// Config is what a Console shows and who may see it.
type Config struct {
	Address string // HOST:PORT; without a host it is 127.0.0.1
	Access  Access
	// LoadAccess, if set, is called while the console is used, to see changes of Access.
	LoadAccess func() (Access, error)

	Bus      *streams.Bus
	Store    *kvstore.Store
	Settings *pluginsettings.Store // of the plugins
	Version  string
	Channels []Channel // at least one; the first is shown where none is named
	// SendChat, if set, says a line in the local channel as the operator. It is nil where the
	// channel is a site's.
	SendChat func(ctx context.Context, text string) error
	// TraceURL is where a tracing backend shows a trace, with {id} for its ID;
	// empty when there is none.
	TraceURL string
	// Processes, if set, returns those of the plugins that the bot runs as programs.
	Processes func() []process.State
	Logger    *slog.Logger
}

// Console serves the pages of one bot.
type Console struct {
	Config
	js       jetstream.JetStream
	listener net.Listener
	auth     *authenticator
	boot     string // tells this process from the one before
	open     chan struct{}
	moments  moments
	restores restores
	serving  context.Context //nolint:containedctx // of Serve, for what goes on after an answer
}

// Listen opens the address of a console. An address that other machines can
// reach is refused unless Access says who may use it. The error of one that is
// taken wraps syscall.EADDRINUSE.
func Listen(cfg Config) (*Console, error) {
	g, at, err := newAccess(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListen, err)
	}
	g.cookieName = newCookieName(l.Addr().String(), cfg.Channels)
	return &Console{Config: cfg, js: cfg.Bus.JetStream(), listener: l, auth: g, boot: randomID(), open: make(chan struct{}, maxStreams)}, nil
}

// ValidateAccess returns the error of Listen about an address and who may use it, or nil.
func ValidateAccess(address string, access Access) error {
	_, _, err := newAccess(Config{Address: address, Access: access})
	return err
}

// newAccess returns the authenticator of a console, and where it is to listen.
func newAccess(cfg Config) (g *authenticator, at string, err error) {
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, "", fmt.Errorf("serve the console on %q: %w (write HOST:PORT, for example %s)", cfg.Address, err, DefaultAddress)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if g, err = newAuthenticator(cfg.Access, cfg.LoadAccess, cfg.Logger); err != nil {
		return nil, "", err
	}
	if !isLoopback(host) && g.policy.Load().open() {
		return nil, "", fmt.Errorf("serve the console on %s: %w", cfg.Address, ErrUnprotected)
	}
	return g, net.JoinHostPort(host, port), nil
}

// URL is where the console is.
func (c *Console) URL() string { return "http://" + c.listener.Addr().String() + "/" }

// Close gives the address back without having served.
func (c *Console) Close() error { return c.listener.Close() }

// Serve answers until ctx ends, and then returns nil once the answers that are
// under way are given, or cut off after 2 s. Live updates end at once.
func (c *Console) Serve(ctx context.Context) error {
	c.serving = ctx
	defer c.restores.running.Wait()
	server := &http.Server{
		Handler:           c.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(c.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the console: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the console: %w", err)
	}
	return nil
}

// channel is the one that a request is about.
func (c *Console) channel(r *http.Request) Channel {
	for _, ch := range c.Channels {
		if strings.EqualFold(ch.Name, r.FormValue("channel")) {
			return ch
		}
	}
	return c.Channels[0]
}

// handler is every address of the console.
func (c *Console) handler() http.Handler {
	pages := http.NewServeMux()
	get := func(pattern string, h handler) { pages.Handle("GET "+pattern, c.handle(h.within(readTimeout))) }
	postWithin := func(limit time.Duration, pattern string, h handler) {
		pages.Handle("POST "+pattern, c.auth.operator(c.handle(c.recorded(h).within(limit))))
	}
	post := func(pattern string, h handler) { postWithin(readTimeout, pattern, h) }
	events := func(path string, h handler) { pages.Handle("GET "+path+"/events", c.handle(h)) }
	// A listing is a page with a part that is kept up to date, made of one body.
	listing := func(path, name, title, list string, body func(*http.Request) (any, error)) {
		get(path, func(w http.ResponseWriter, r *http.Request) error {
			b, err := body(r)
			if err != nil {
				return err
			}
			return c.show(w, r, name, title, b)
		})
		events(path, c.poll(list, body))
	}
	get("/{$}", c.live)
	events("", c.liveEvents)
	post("/say", c.sendChat)
	listing("/channel", "channel", "Channel", "channel-now", c.channelBody)
	postWithin(askTimeout, "/channel/{action}", c.ask)
	get("/channel/past", func(w http.ResponseWriter, r *http.Request) error {
		b, err := c.pastBody(r)
		if err != nil {
			return err
		}
		return c.show(w, r, "past", "Channel at another time", b)
	})
	events("/channel/past", c.poll("restoring", c.restoringBody))
	post("/channel/restore", c.restore)
	get("/calendar", c.calendar)
	get("/calendar.ics", c.calendarFile)
	get("/settings", c.settingsList)
	get("/settings/{name}", c.settings)
	post("/settings/{name}/{action}", c.changeSetting)
	get("/history", c.history)
	get("/history/rows", c.historyRows)
	get("/trace", c.trace)
	get("/trace/{id...}", c.trace)
	get("/timeline", c.timeline)
	listing("/plugins", "plugins", "Plugins", "plugin-list", c.pluginsBody)
	post("/plugins/{name}/{action}", c.changePlugin)
	listing("/streams", "streams", "Streams", "stream-list", c.streamsBody)
	listing("/dead", "dead", "Dead letters", "dead-list", c.deadBody)
	get("/dead/{ref}", c.deadLetter)
	post("/dead/{ref}/{action}", c.resolveDeadLetter)
	get("/data", c.data)
	get("/data/{collection}", c.records)
	get("/data/{collection}/{id...}", c.record)
	get("/", func(http.ResponseWriter, *http.Request) error { return errNotFound })

	mux := http.NewServeMux()
	mux.Handle("GET /assets/", assets())
	mux.HandleFunc("GET /login", c.login)
	mux.HandleFunc("POST /login", c.signIn)
	mux.HandleFunc("POST /logout", c.signOut)
	mux.Handle("/", c.auth.signedIn(pages))
	return c.auth.protect(mux)
}
