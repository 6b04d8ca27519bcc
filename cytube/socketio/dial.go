package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	defaultDialTimeout  = 20 * time.Second
	defaultWriteTimeout = 10 * time.Second

	// readLimit is far above MaxFrame, which limits clients only: the playlist of a
	// big channel is one frame of more than a mebibyte.
	readLimit = 32 << 20
)

// Option adjusts [Dial].
type Option func(*options)

type options struct {
	protocol     int
	dialTimeout  time.Duration
	writeTimeout time.Duration
}

// WithProtocol makes Dial use Engine.IO version 3 or 4 and no other. Without it
// Dial tries 4, then 3.
func WithProtocol(version int) Option { return func(o *options) { o.protocol = version } }

// WithDialTimeout bounds the opening of the connection, until the server accepted it;
// 20 s by default.
func WithDialTimeout(d time.Duration) Option { return func(o *options) { o.dialTimeout = d } }

// WithWriteTimeout bounds each write; 10 s by default.
func WithWriteTimeout(d time.Duration) Option { return func(o *options) { o.writeTimeout = d } }

// Dial connects to a Socket.IO server and joins its default namespace. The URL's
// scheme is ws, wss, http or https; its path is /socket.io/ unless it names one.
//
// It speaks Engine.IO 4, and 3 when the server refuses 4 or turns out to speak
// 3. The context bounds the dialling only. Close the connection to free it.
//
// Errors: [*RefusedError] if the server refuses, [*HandshakeError] if the address is no
// Socket.IO server's, [*DisconnectError] if it disconnects before it accepts,
// [context.DeadlineExceeded] after a timeout, and network errors.
func Dial(ctx context.Context, rawURL string, opts ...Option) (*Conn, error) {
	o := options{
		dialTimeout:  defaultDialTimeout,
		writeTimeout: defaultWriteTimeout,
	}
	for _, opt := range opts {
		opt(&o)
	}
	ctx, cancel := context.WithTimeout(ctx, o.dialTimeout)
	defer cancel()

	switch o.protocol {
	case 3, 4:
		return dial(ctx, rawURL, o.protocol, o)
	case 0:
	default:
		return nil, fmt.Errorf("there is no Engine.IO version %d here: use 3 or 4", o.protocol)
	}
	conn, err := dial(ctx, rawURL, 4, o)
	var handshake *HandshakeError
	if errors.Is(err, errOldServer) || errors.As(err, &handshake) && handshake.Status == http.StatusBadRequest {
		old, oldErr := dial(ctx, rawURL, 3, o)
		if oldErr == nil || errors.Is(err, errOldServer) {
			return old, oldErr
		}
	}
	return conn, err
}

// errOldServer means that a server that was asked for version 4 answers in version 3.
var errOldServer = errors.New("the server speaks Engine.IO 3")

func dial(ctx context.Context, rawURL string, protocol int, o options) (*Conn, error) {
	u, err := endpoint(rawURL, protocol)
	if err != nil {
		return nil, err
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(ctx, u, nil)
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
			return nil, handshakeError(u, resp)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = context.DeadlineExceeded // the socket, which has the same deadline, saw it first
		}
		return nil, fmt.Errorf("connect to %s: %w", u, err)
	}
	ws.SetReadLimit(readLimit)

	// Closing the socket ends the handshake's reads, which take no context.
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
	shake, early, err := handshake(ws, protocol, o.writeTimeout)
	if !stop() {
		err = fmt.Errorf("connect to %s: %w", u, context.Cause(ctx))
	}
	if err != nil {
		_ = ws.Close()
		return nil, err
	}
	return newConn(ws, protocol, shake, early, o.writeTimeout), nil
}

// handshake reads the open packet and joins the default namespace. early holds the
// events that came before the server accepted.
func handshake(ws *websocket.Conn, protocol int, writeTimeout time.Duration) (shake Handshake, early []Packet, err error) {
	write := func(p Packet) error {
		_ = ws.SetWriteDeadline(time.Now().Add(writeTimeout))
		return ws.WriteMessage(websocket.TextMessage, p.Encode())
	}
	p, err := readPacket(ws)
	if err != nil {
		return shake, nil, fmt.Errorf("wait for the open packet: %w", err)
	}
	if shake, err = p.Handshake(); err != nil {
		return shake, nil, err
	}
	if protocol == 4 {
		if err := write(Packet{Type: Connect}); err != nil {
			return shake, nil, fmt.Errorf("join the default namespace: %w", err)
		}
	}
	for {
		p, err := readPacket(ws)
		if err != nil {
			return shake, nil, fmt.Errorf("join the default namespace: %w", err)
		}
		switch p.Type {
		case Connect:
			if protocol == 4 && len(p.Data) == 0 {
				return shake, nil, errOldServer
			}
			return shake, early, nil
		case ConnectError:
			return shake, nil, &RefusedError{Message: refusal(p.Data)}
		case Close, Disconnect:
			return shake, nil, &DisconnectError{Reason: "before the connection was complete"}
		case Ping:
			if err := write(Packet{Type: Pong, Data: p.Data}); err != nil {
				return shake, nil, fmt.Errorf("join the default namespace: %w", err)
			}
		case Message:
			early = append(early, p)
		}
	}
}

func readPacket(ws *websocket.Conn) (Packet, error) {
	_, frame, err := ws.ReadMessage()
	if err != nil {
		return Packet{}, disconnected(err)
	}
	p, err := Decode(frame)
	if err != nil {
		return Packet{}, &FrameError{Frame: frame, Err: err}
	}
	return p, nil
}

// refusal returns the message of a connect error: {"message":"…"} in
// version 4, a bare string in version 3.
func refusal(data []byte) string {
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &object) == nil && object.Message != "" {
		return object.Message
	}
	var text string
	if json.Unmarshal(data, &text) == nil && text != "" {
		return text
	}
	if len(data) == 0 {
		return "no reason given"
	}
	return string(data)
}

func handshakeError(u string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	_ = resp.Body.Close()
	e := &HandshakeError{URL: u, Status: resp.StatusCode, Message: http.StatusText(resp.StatusCode)}
	var engine struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &engine) == nil && engine.Message != "" {
		e.Message = engine.Message
	}
	return e
}

// endpoint returns the websocket URL for an http(s) or ws(s) URL.
func endpoint(rawURL string, protocol int) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("bad socket address: %w", err)
	}
	scheme, ok := map[string]string{"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[strings.ToLower(u.Scheme)]
	if !ok || u.Host == "" {
		return "", fmt.Errorf("bad socket address %q: it must start with http://, https://, ws:// or wss://", rawURL)
	}
	u.Scheme = scheme
	if u.Path == "" || u.Path == "/" {
		u.Path = "/socket.io/"
	}
	q := u.Query()
	q.Set("EIO", strconv.Itoa(protocol))
	q.Set("transport", "websocket")
	u.RawQuery, u.Fragment = q.Encode(), ""
	return u.String(), nil
}
