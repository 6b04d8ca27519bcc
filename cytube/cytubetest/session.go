package cytubetest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// outboxLimit is how many frames may wait for a client that does not read
// before the server gives the client up.
const outboxLimit = 50_000

const writeTimeout = 10 * time.Second

// session is one client's connection. Its fields, save the first group, are
// guarded by the server's lock; the methods expect it to be held unless they say
// otherwise.
type session struct {
	srv      *Server
	ws       *websocket.Conn
	addr     string
	protocol int
	wake     chan struct{} // holds a token when there is something to write or a stall has ended
	quit     chan struct{} // closed when the connection is given up

	connected bool // joined the default namespace
	left      bool // left it again: nothing more is heard from the client or told to it
	dropped   bool
	heardFrom time.Time // the last sign of life
	out       [][]byte
	stalled   chan struct{} // closed when the stall ends; nil when there is none
	events    *bucket

	askedToJoin bool
	waiting     *room // whose password is wanted
	channel     *room

	name        string // empty while anonymous
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

func newSession(s *Server, ws *websocket.Conn, protocol int, addr string) *session {
	return &session{
		srv: s, ws: ws, addr: addr, protocol: protocol,
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
		siteRank: -1, channelRank: -1, events: newBucket(s.cfg.Events), heardFrom: time.Now(),
	}
}

// run serves the connection until it ends. The lock is not held.
func (c *session) run() {
	c.srv.mu.Lock()
	c.send(socketio.Packet{Type: socketio.Open, Data: mustJSON(map[string]any{
		"sid": newID(), "upgrades": []string{},
		"pingInterval": c.srv.cfg.PingInterval.Milliseconds(),
		"pingTimeout":  c.srv.cfg.PingTimeout.Milliseconds(),
		"maxPayload":   socketio.MaxFrame,
	})})
	if c.protocol == 3 {
		c.connect()
	}
	c.srv.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		c.write()
	}()
	c.read()

	c.srv.mu.Lock()
	c.drop()
	c.leave()
	delete(c.srv.sessions, c)
	c.srv.notify()
	c.srv.mu.Unlock()
	<-done
}

// read hands the client's frames on until the connection ends. The lock is not
// held.
func (c *session) read() {
	c.ws.SetReadLimit(socketio.MaxFrame)
	for {
		_, frame, err := c.ws.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			c.linger() // the websocket library has sent code 1009
			return
		}
		if err != nil {
			return
		}
		if !c.waitForStall() {
			return
		}
		if !c.take(frame) {
			// The real server closes without a code; the client reads 1005.
			_ = c.ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(writeTimeout))
			c.linger()
			return
		}
	}
}

// take acts on a frame; false when the connection must end. The lock is not
// held.
func (c *session) take(frame []byte) bool {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.heardFrom = time.Now()
	c.srv.record(c, frame)
	p, err := socketio.Decode(frame)
	return err == nil && c.receive(p)
}

// linger lets the client read the close frame and hang up first: closing a
// socket with unread input resets the connection. The lock is not held.
func (c *session) linger() {
	conn := c.ws.UnderlyingConn()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, conn)
}

// waitForStall returns when the connection is not stalled; false when it is
// given up instead. The lock is not held.
func (c *session) waitForStall() bool {
	for {
		c.srv.mu.Lock()
		stalled := c.stalled
		c.srv.mu.Unlock()
		if stalled == nil {
			return true
		}
		select {
		case <-stalled:
		case <-c.quit:
			return false
		}
	}
}

// write is the only writer of data frames. It pings (in version 4) and gives up
// a client that has been silent too long. The lock is not held.
func (c *session) write() {
	defer c.ws.Close()
	ticker := time.NewTicker(c.srv.cfg.PingInterval)
	defer ticker.Stop()
	for {
		var frames [][]byte
		select {
		case <-c.quit:
			return
		case <-ticker.C:
			if c.protocol == 4 {
				frames = [][]byte{socketio.Packet{Type: socketio.Ping}.Encode()}
			}
		case <-c.wake:
		}
		if !c.waitForStall() {
			return
		}
		c.srv.mu.Lock()
		if time.Since(c.heardFrom) > c.srv.cfg.PingInterval+c.srv.cfg.PingTimeout {
			c.drop()
		}
		frames = append(frames, c.out...)
		c.out = nil
		c.srv.mu.Unlock()
		for _, frame := range frames {
			_ = c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
			if c.ws.WriteMessage(websocket.TextMessage, frame) != nil {
				return
			}
		}
	}
}

// receive acts on a packet; false when the connection must end.
func (c *session) receive(p socketio.Packet) bool {
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
		if !c.events.take(time.Now()) {
			c.kick("Rate limit exceeded")
			return true
		}
		var arg json.RawMessage
		if len(p.Args) > 0 {
			arg = p.Args[0]
		}
		c.handle(p.Name, arg)
	}
	return true
}

// connect lets the client into the default namespace, or refuses it.
func (c *session) connect() {
	refusal := c.srv.refusal
	if refusal == "" {
		limit, ok := c.srv.connects[c.addr]
		if !ok {
			limit = newBucket(c.srv.cfg.Connects)
			c.srv.connects[c.addr] = limit
		}
		if !limit.take(time.Now()) {
			refusal = "Rate limit exceeded"
		}
	}
	if refusal != "" {
		c.left = true
		data := mustJSON(map[string]any{"message": refusal})
		if c.protocol == 3 {
			data = mustJSON(refusal)
		}
		c.send(socketio.Packet{Type: socketio.ConnectError, Data: data})
		return
	}
	c.connected = true
	var data []byte
	if c.protocol == 4 {
		data = mustJSON(map[string]any{"sid": newID()})
	}
	c.send(socketio.Packet{Type: socketio.Connect, Data: data})
	c.emit("rank", -1)
}

// leave takes the client out of its channel and of the namespace. The transport
// stays open until the client closes it: so it does on the real server.
func (c *session) leave() {
	c.connected, c.left, c.waiting = false, true, nil
	if ch := c.channel; ch != nil {
		ch.part(c)
	}
}

// kick sends the client away.
func (c *session) kick(reason string) {
	if !c.connected {
		return
	}
	c.emit("kick", map[string]any{"reason": reason})
	c.send(socketio.Packet{Type: socketio.Disconnect})
	c.leave()
}

// drop breaks the connection off, as a bad network does.
func (c *session) drop() {
	if !c.dropped {
		c.dropped = true
		close(c.quit)
		_ = c.ws.UnderlyingConn().Close()
	}
}

func (c *session) emit(name string, args ...any) {
	c.send(event(name, args...))
}

func (c *session) send(p socketio.Packet) { c.push(p.Encode()) }

func (c *session) push(frame []byte) {
	if c.dropped {
		return
	}
	if len(c.out) >= outboxLimit {
		c.drop()
		return
	}
	c.out = append(c.out, frame)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *session) fail(message string) { c.emit("errorMsg", map[string]any{"msg": message}) }

// rank is the client's rank in its channel.
func (c *session) rank() float64 {
	r := max(c.siteRank, c.channelRank)
	if c.leader {
		r = max(r, 1.5)
	}
	return r
}

func (c *session) loggedIn() bool { return c.name != "" }

// event builds an event of values that always have a JSON form.
func event(name string, args ...any) socketio.Packet {
	p, err := socketio.NewEvent(name, args...)
	if err != nil {
		panic("cytubetest: " + err.Error())
	}
	return p
}

func mustJSON(v any) json.RawMessage {
	return event("", v).Args[0]
}

func newID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}
