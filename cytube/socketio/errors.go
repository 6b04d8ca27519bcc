package socketio

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by a [Conn] after its Close.
	ErrClosed = errors.New("socket.io connection closed")

	// ErrPingTimeout is returned by [Conn.Receive] when the server has been
	// silent for longer than its ping interval and timeout together.
	ErrPingTimeout = errors.New("the server stopped pinging")

	// ErrBadSite is returned by [Discover] for a site that is no http(s) URL.
	// Trying again is of no use.
	ErrBadSite = errors.New("the site must be a URL such as https://cytu.be")
)

// RefusedError reports that the server answered the connection with a connect
// error (44): "Rate limit exceeded", a ban.
type RefusedError struct {
	Message string // the server's own words
}

func (e *RefusedError) Error() string { return "the server refused the connection: " + e.Message }

// HandshakeError reports that the address answered HTTP but did not open a
// websocket.
type HandshakeError struct {
	URL     string
	Status  int    // the HTTP status
	Message string // the server's own words, may be empty
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("%s did not open a websocket (HTTP %d %s); check that it is a CyTube server's socket.io address",
		e.URL, e.Status, e.Message)
}

// DisconnectError reports that the server ended the connection.
type DisconnectError struct {
	// Code is the websocket's close code: 1006 if the connection broke, 0 if the
	// server ended the session in the protocol (41 or 1).
	Code   int
	Reason string
}

func (e *DisconnectError) Error() string {
	if e.Code == 0 {
		return "the server disconnected us: " + e.Reason
	}
	return fmt.Sprintf("the connection was closed (code %d): %s", e.Code, e.Reason)
}

// FrameError is returned by [Conn.Receive] for a malformed frame. The
// connection is still good: Receive may be called again.
type FrameError struct {
	Frame []byte
	Err   error
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("malformed frame %.120q: %v", e.Frame, e.Err)
}

func (e *FrameError) Unwrap() error { return e.Err }

// ChannelError reports that the name of a channel is not valid. Retrying is of no use.
type ChannelError struct {
	Site, Channel string
	Reason        string // the site's own words
}

func (e *ChannelError) Error() string {
	return fmt.Sprintf("%s has no channel %q: %s; a channel name is 1 to 30 of a-z A-Z 0-9 - _", e.Site, e.Channel, e.Reason)
}

// SiteError reports that the site did not answer, or not usefully. It may later.
type SiteError struct {
	Site string
	Err  error
}

func (e *SiteError) Error() string {
	return fmt.Sprintf("cannot learn where %s has its sockets: %v; check the site's URL, that it is up and that this machine can reach it", e.Site, e.Err)
}

func (e *SiteError) Unwrap() error { return e.Err }
