package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// queueLength is how many received events may wait for Receive before the
// connection stops reading.
const queueLength = 512

// Event is a named event with its arguments.
type Event struct {
	Name string
	Args []json.RawMessage
}

// Conn is a client's connection in the default namespace. It is safe for concurrent
// use.
type Conn struct {
	ws           *websocket.Conn
	protocol     int
	shake        Handshake
	writeTimeout time.Duration

	writing chan struct{} // holds one token: whoever has it may write
	queue   chan received // closed by the reader after err is set
	quit    chan struct{} // closed by Close
	once    sync.Once
	wg      sync.WaitGroup

	err error // why the reader ended
}

type received struct {
	event Event
	err   *FrameError
}

func newConn(ws *websocket.Conn, protocol int, shake Handshake, early []Packet, writeTimeout time.Duration) *Conn {
	c := &Conn{
		ws: ws, protocol: protocol, shake: shake, writeTimeout: writeTimeout,
		writing: make(chan struct{}, 1),
		queue:   make(chan received, queueLength),
		quit:    make(chan struct{}),
	}
	c.writing <- struct{}{}
	c.expectPing()
	c.wg.Go(func() { c.read(early) })
	if protocol == 3 {
		c.wg.Go(c.ping)
	}
	return c
}

// Protocol returns the Engine.IO version in use: 3 or 4.
func (c *Conn) Protocol() int { return c.protocol }

// Emit sends an event. It returns once the frame is written to the socket, which does
// not mean that the server accepted it. A frame longer than the server accepts is an
// error and is not sent. A write that exceeds the write timeout or the context's
// deadline breaks the connection.
func (c *Conn) Emit(ctx context.Context, name string, args ...any) error {
	p, err := NewEvent(name, args...)
	if err != nil {
		return err
	}
	frame := p.Encode()
	if len(frame) > c.shake.MaxPayload {
		return fmt.Errorf("event %q is %d bytes long, the server accepts %d", name, len(frame), c.shake.MaxPayload)
	}
	if err := c.write(ctx, frame); err != nil {
		return fmt.Errorf("send event %q: %w", name, err)
	}
	return nil
}

func (c *Conn) write(ctx context.Context, frame []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-c.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case <-c.writing:
	}
	defer func() { c.writing <- struct{}{} }()

	deadline := time.Now().Add(c.writeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.ws.SetWriteDeadline(deadline)
	err := c.ws.WriteMessage(websocket.TextMessage, frame)
	if err == nil {
		return nil
	}
	// Half a frame may be out: nothing sensible can follow it.
	_ = c.ws.Close()
	select {
	case <-c.quit:
		return ErrClosed
	default:
		return err
	}
}

// Receive waits for the next event. Events that came before the error that ended the
// connection are returned first.
//
// A [*FrameError] concerns one frame, and Receive may be called again. Any other error
// but the context's is the end of the connection, and is returned by each further call:
// [*DisconnectError] if the server ended it, [*RefusedError] if it withdrew its
// acceptance, [ErrPingTimeout] if it fell silent, [ErrClosed] after Close.
func (c *Conn) Receive(ctx context.Context) (Event, error) {
	select {
	case r, ok := <-c.queue:
		switch {
		case !ok:
			return Event{}, c.err
		case r.err != nil:
			return Event{}, r.err
		}
		return r.event, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Close leaves the namespace, closes the websocket and waits for the
// connection's goroutines. It may be called more than once.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.quit)
		select {
		case <-c.writing:
			_ = c.ws.SetWriteDeadline(time.Now().Add(time.Second))
			_ = c.ws.WriteMessage(websocket.TextMessage, Packet{Type: Disconnect}.Encode())
			_ = c.ws.WriteControl(websocket.CloseMessage,
				websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
			c.writing <- struct{}{}
		default: // a write is stuck
		}
		_ = c.ws.Close()
	})
	c.wg.Wait()
	return nil
}

// read is the only reader of the websocket.
func (c *Conn) read(early []Packet) {
	defer close(c.queue)
	defer func() { _ = c.ws.Close() }()
	for _, p := range early {
		if !c.push(received{event: Event{Name: p.Name, Args: p.Args}}) {
			c.err = ErrClosed
			return
		}
	}
	for {
		kind, frame, err := c.ws.ReadMessage()
		if err != nil {
			c.err = c.ended(err)
			return
		}
		p, err := Decode(frame)
		switch {
		case kind != websocket.TextMessage:
			err = errors.New("a binary frame, which CyTube does not send")
		case err == nil && p.Namespace != "":
			err = fmt.Errorf("for the namespace %q, which was not joined", p.Namespace)
		}
		if err != nil {
			if !c.push(received{err: &FrameError{Frame: frame, Err: err}}) {
				c.err = ErrClosed
				return
			}
			continue
		}
		if err := c.handle(p); err != nil {
			c.err = err
			return
		}
	}
}

// handle acts on one packet. An error ends the connection.
func (c *Conn) handle(p Packet) error {
	switch p.Type {
	case Message:
		if !c.push(received{event: Event{Name: p.Name, Args: p.Args}}) {
			return ErrClosed
		}
	case Ping:
		c.expectPing()
		if err := c.write(context.Background(), Packet{Type: Pong, Data: p.Data}.Encode()); err != nil {
			return c.ended(err)
		}
	case Pong:
		c.expectPing()
	case Close:
		return &DisconnectError{Reason: "the transport was closed"}
	case Disconnect:
		return &DisconnectError{Reason: "the server ended the session"}
	case ConnectError:
		return &RefusedError{Message: refusal(p.Data)}
	}
	return nil
}

// push hands an event to Receive. It returns false if the connection was closed.
func (c *Conn) push(r received) bool {
	select {
	case c.queue <- r:
		return true
	default:
	}
	select {
	case c.queue <- r:
		// Pings may be queued behind this frame: a slow receiver must not time out the
		// server.
		c.expectPing()
		return true
	case <-c.quit:
		return false
	}
}

// expectPing restarts the timeout of the next ping (version 3: pong).
func (c *Conn) expectPing() {
	_ = c.ws.SetReadDeadline(time.Now().Add(c.shake.PingInterval + c.shake.PingTimeout))
}

// ping keeps a version 3 connection alive, where the client sends the pings.
func (c *Conn) ping() {
	tick := time.NewTicker(c.shake.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-tick.C:
			if c.write(context.Background(), Packet{Type: Ping}.Encode()) != nil {
				return // read reports why
			}
		}
	}
}

// ended returns the error of Receive for the error that broke the connection.
func (c *Conn) ended(err error) error {
	select {
	case <-c.quit:
		return ErrClosed
	default:
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("%w: nothing for %s", ErrPingTimeout, c.shake.PingInterval+c.shake.PingTimeout)
	}
	return disconnected(err)
}

// disconnected turns a websocket's read error into a DisconnectError.
func disconnected(err error) error {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		reason := closed.Text
		if reason == "" {
			reason = "no reason given"
		}
		return &DisconnectError{Code: closed.Code, Reason: reason}
	}
	return &DisconnectError{Code: websocket.CloseAbnormalClosure, Reason: err.Error()}
}
