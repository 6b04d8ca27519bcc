package streams

import (
	"cmp"
	"net"
	"sync/atomic"
	"time"
)

// InProcessConn is the client's end of a new connection to the server that skips the
// network, so that a Server is a nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) {
	c, err := s.ns.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &pipe{Conn: c, within: moreWithin}, nil
}

// A pipe reads at once what the server writes at once. The server hands what is for
// a client to the connection in pieces, and an in-process one passes on each by
// itself. Whatever a first piece wakes then runs before the next one is read: of an
// acknowledgement and the event it acknowledges, who published would settle
// everything before who consumes is told. On a network all pieces go out together.
type pipe struct {
	net.Conn
	within  time.Duration
	limited atomic.Bool // the client has set a deadline, which is not touched
}

// moreWithin is how long a full piece waits for another one, which nearly always
// comes in a few microseconds.
const moreWithin = 100 * time.Microsecond

// Read reads pieces until one was not full. An error behind some bytes is left to the
// next call, which meets it again.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	for last := n; err == nil && isFullPiece(last) && n < len(b) && !p.limited.Load(); n += last {
		last, err = p.more(b[n:])
	}
	if n > 0 {
		err = nil
	}
	return n, err
}

// more reads what comes within a moment.
func (p *pipe) more(b []byte) (int, error) {
	if err := p.Conn.SetReadDeadline(time.Now().Add(p.within)); err != nil {
		return 0, err
	}
	n, err := p.Conn.Read(b)
	return n, cmp.Or(err, p.Conn.SetReadDeadline(time.Time{}))
}

// isFullPiece reports whether n is the size of a buffer in which the server keeps
// what it will write (nats-server 2.15.2).
func isFullPiece(n int) bool { return n == 512 || n == 4096 || n == 65536 }

// SetDeadline is that of net.Conn.
func (p *pipe) SetDeadline(t time.Time) error {
	p.limited.Store(!t.IsZero())
	return p.Conn.SetDeadline(t)
}

// SetReadDeadline is that of net.Conn.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.limited.Store(!t.IsZero())
	return p.Conn.SetReadDeadline(t)
}

// NetConn is the connection as the server gave it.
func (p *pipe) NetConn() net.Conn { return p.Conn }
