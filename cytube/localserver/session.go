package localserver

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// Session is one client's connection. The server's lock guards all but its first fields, and its methods expect the lock
// to be held unless they say otherwise.
type Session struct {
	srv      *Server
	ws       *websocket.Conn
	addr     string // the connection's
	protocol int
	wake     chan struct{} // holds a token when there is something to write
	quit     chan struct{} // closed when the connection is given up

	connected bool // joined the default namespace
	left      bool // left it again: nothing more is read from the client or sent to it
	dropped   bool
	lastFrame time.Time
	out       [][]byte
	stalled   chan struct{}           // closed when the stall ends; nil when there is none
	discard   func(frame []byte) bool // see Discard
	events    *rate.Limiter

	askedToJoin bool
	waiting     *Channel // whose password is wanted
	nameless    *Channel // which the client may enter as soon as it has a name
	channel     *Channel

	name        string // empty while anonymous
	ip          string // the address that votes and bans take the client for
	since       time.Time
	active      time.Time // when the user last did something
	listed      time.Time // when the playlist was last requested
	administers bool      // whether initACP was accepted
	registered  bool
	siteRank    float64
	channelRank float64
	ranked      bool // whether channelRank has been looked up
	leader      bool
	afk         bool
	muted       bool
	shadowMuted bool
	chatLimit   limiter
	queueLimit  limiter
}

func newSession(s *Server, ws *websocket.Conn, protocol int, addr string) *Session {
	return &Session{
		srv: s, ws: ws, addr: addr, protocol: protocol,
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
		siteRank: -1, channelRank: -1, events: newBucket(s.cfg.Events), lastFrame: time.Now(),
		ip: addr, since: time.Now(), active: time.Now(),
	}
}

// Name returns the user's name, "" while it is anonymous.
func (c *Session) Name() string { return c.name }

// Channel returns the channel that the client is in, or nil.
func (c *Session) Channel() *Channel { return c.channel }

// Flood returns the limit of the client's chat.
func (c *Session) Flood() Flood {
	if c.channel == nil || !c.channel.options.ChatAntiflood || c.rank() >= 2 {
		return everybody
	}
	return Flood(c.channel.options.ChatAntifloodParams)
}

// take handles a frame; false when the connection must end. The lock is not held.
func (c *Session) take(frame []byte) bool {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.lastFrame = time.Now()
	if hook := c.srv.cfg.Hooks.Frame; hook != nil {
		hook(c.name, frame)
	}
	p, err := socketio.Decode(frame)
	return err == nil && c.receive(p)
}

// receive handles a packet; false when the connection must end.
func (c *Session) receive(p socketio.Packet) bool {
	switch p.Type {
	case socketio.Ping:
		c.send(socketio.Packet{Type: socketio.Pong, Data: p.Data})
	case socketio.Connect:
		if !c.connected && !c.left {
			c.connect()
		}
	case socketio.Close:
		return false
	case socketio.Disconnect:
		c.leave()
	case socketio.Message:
		if !c.connected {
			return c.left // a client that was sent away may not know yet
		}
		if !c.events.Allow() {
			c.Kick("Rate limit exceeded")
			return true
		}
		r := request{name: p.Name, ack: p.ID}
		if len(p.Args) > 0 {
			r.arg = p.Args[0]
		}
		if hook := c.srv.cfg.Hooks.Event; hook != nil && c.channel != nil {
			hook(c, p.Name, func() { c.handle(r) })
		} else {
			c.handle(r)
		}
	}
	return true
}

// connect lets the client into the default namespace, or refuses it.
func (c *Session) connect() {
	if refusal := c.refusal(); refusal != "" {
		c.left = true
		data := mustJSON(object{"message": refusal})
		if c.protocol == 3 {
			data = mustJSON(refusal)
		}
		c.send(socketio.Packet{Type: socketio.ConnectError, Data: data})
		return
	}
	c.connected = true
	var data []byte
	if c.protocol == 4 {
		data = mustJSON(object{"sid": rand.Text()})
	}
	c.send(socketio.Packet{Type: socketio.Connect, Data: data})
	if most := c.srv.cfg.Sockets; most > 0 && c.srv.socketsOf(c.addr) > most {
		c.Kick("Too many connections from your IP address")
		return
	}
	c.Emit("rank", -1)
	if c.srv.announcement != nil {
		c.Emit("announcement", c.srv.announcement)
	}
}

// refusal returns why the connection is refused, or "".
func (c *Session) refusal() string {
	if hook := c.srv.cfg.Hooks.Connect; hook != nil {
		if refusal := hook(); refusal != "" {
			return refusal
		}
	}
	limit, ok := c.srv.connects[c.addr]
	if !ok {
		limit = newBucket(c.srv.cfg.Connects)
		c.srv.connects[c.addr] = limit
	}
	if !limit.Allow() {
		return "Rate limit exceeded"
	}
	return ""
}

// leave takes the client out of its channel and of the namespace. The transport stays open until the client closes it,
// as on the real server.
func (c *Session) leave() {
	c.connected, c.left, c.waiting, c.nameless = false, true, nil, nil
	if ch := c.channel; ch != nil {
		ch.part(c)
	}
}

// Kick sends the client away.
func (c *Session) Kick(reason string) {
	if !c.connected {
		return
	}
	c.Emit("kick", object{"reason": reason})
	c.send(socketio.Packet{Type: socketio.Disconnect})
	c.leave()
}

// Drop breaks the connection, as a bad network does: the client sees code 1006.
func (c *Session) Drop() {
	if !c.dropped {
		c.dropped = true
		close(c.quit)
		_ = c.ws.UnderlyingConn().Close()
	}
}

// Stall makes the server stop reading from the client and writing to it, pings included, until Resume: the connection
// is there and silent.
func (c *Session) Stall() {
	if c.stalled == nil {
		c.stalled = make(chan struct{})
	}
}

// Resume ends a Stall.
func (c *Session) Resume() {
	if c.stalled != nil {
		close(c.stalled)
		c.stalled, c.lastFrame = nil, time.Now()
	}
}

// Discard drops the frames to the client for which f is true; a nil f ends it.
func (c *Session) Discard(f func(frame []byte) bool) { c.discard = f }

// Emit sends an event to the client.
func (c *Session) Emit(name string, args ...any) { c.send(event(name, args...)) }

func (c *Session) fail(message string) { c.Emit("errorMsg", object{"msg": message}) }

func (c *Session) alert(message string) { c.Emit("errorMsg", object{"msg": message, "alert": true}) }

func (c *Session) send(p socketio.Packet) { c.Push(p.Encode()) }

// Push sends a raw frame to the client.
func (c *Session) Push(frame []byte) {
	if c.dropped || c.discard != nil && c.discard(frame) {
		return
	}
	if len(c.out) >= outboxLimit {
		c.Drop()
		return
	}
	c.out = append(c.out, frame)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Session) rank() float64 {
	r := max(c.siteRank, c.channelRank)
	if c.leader {
		r = max(r, 1.5)
	}
	return r
}

func (c *Session) loggedIn() bool { return c.name != "" }

func (c *Session) is(name string) bool { return c.loggedIn() && strings.EqualFold(c.name, name) }

// event builds an event of values that always have a JSON form.
func event(name string, args ...any) socketio.Packet {
	p, err := socketio.NewEvent(name, args...)
	if err != nil {
		panic("localserver: " + err.Error())
	}
	return p
}

func mustJSON(v any) json.RawMessage { return event("", v).Args[0] }
