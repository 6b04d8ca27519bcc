package localserver

import (
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// outboxLimit is how many frames may wait for a client that does not read before the server drops the client.
const outboxLimit = 50_000

const writeTimeout = 10 * time.Second

// run serves the connection until it ends. The lock is not held.
func (c *Session) run() {
	c.srv.mu.Lock()
	c.send(socketio.Packet{Type: socketio.Open, Data: mustJSON(object{
		"sid": rand.Text(), "upgrades": []string{},
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
	c.Drop()
	c.leave()
	delete(c.srv.sessions, c)
	c.srv.notify()
	c.srv.mu.Unlock()
	<-done
}

// read handles the client's frames until the connection ends. The lock is not held.
func (c *Session) read() {
	c.ws.SetReadLimit(socketio.MaxFrame)
	for {
		_, frame, err := c.ws.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			c.linger() // the websocket library has sent code 1009
			return
		}
		if err != nil || !c.waitForStall() {
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

// linger lets the client read the close frame and hang up first: closing a socket with unread input resets the
// connection. The lock is not held.
func (c *Session) linger() {
	conn := c.ws.UnderlyingConn()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, conn)
}

// waitForStall returns when the connection is not stalled; false when it is given up instead. The lock is not held.
func (c *Session) waitForStall() bool {
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

// write is the only writer of data frames. It pings (in version 4) and drops a client that was silent too long. The lock
// is not held.
func (c *Session) write() {
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
		if time.Since(c.lastFrame) > c.srv.cfg.PingInterval+c.srv.cfg.PingTimeout {
			c.Drop()
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
