// Package socketio speaks the part of Socket.IO that CyTube uses: text packets
// over a single websocket, with Engine.IO 4 (Socket.IO 3 and 4) or Engine.IO 3
// (Socket.IO 2) underneath. There is no long polling, no upgrade and no binary
// payload.
//
// [Decode] and [Packet.Append] are the codec, used by clients and servers alike.
// [Discover] asks a site for the URL of its socket server, and [Dial] connects to it.
package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxFrame is the longest frame, in bytes, that a CyTube server accepts. It
// closes the websocket with code 1009 when a client sends a longer one.
const MaxFrame = 1 << 20

// Type is the type of a [Packet]. The first group are Engine.IO packets, the second
// Socket.IO packets, which are the content of Engine.IO's "4" (message).
type Type uint8

// Packet types.
const (
	Open    Type = iota + 1 // "0": the server's handshake, see [Packet.Handshake]
	Close                   // "1": the transport is being closed
	Ping                    // "2": sent by the server in version 4, by the client in version 3
	Pong                    // "3": the answer to a ping
	Upgrade                 // "5": the end of a transport upgrade
	Noop                    // "6": nothing

	Connect      // "40": join a namespace, or the server's acceptance with the socket's id
	Disconnect   // "41": leave a namespace
	Message      // "42": an event with a name and arguments
	Ack          // "43": the answer to an event that carried an id
	ConnectError // "44": the server refuses the connection
)

// code is the prefix of a frame by type.
var code = map[Type]string{
	Open: "0", Close: "1", Ping: "2", Pong: "3", Upgrade: "5", Noop: "6",
	Connect: "40", Disconnect: "41", Message: "42", Ack: "43", ConnectError: "44",
}

var (
	engineType = map[byte]Type{'0': Open, '1': Close, '2': Ping, '3': Pong, '5': Upgrade, '6': Noop}
	socketType = map[byte]Type{'0': Connect, '1': Disconnect, '2': Message, '3': Ack, '4': ConnectError}
)

// String returns the name of the type in error messages.
func (t Type) String() string {
	names := [...]string{"unknown", "open", "close", "ping", "pong", "upgrade", "noop",
		"connect", "disconnect", "event", "ack", "connect error"}
	if int(t) >= len(names) {
		t = 0
	}
	return names[t]
}

// Packet is one frame, decoded.
type Packet struct {
	Type Type

	// Namespace is empty for the default namespace "/", the only one CyTube has.
	Namespace string

	// ID is the acknowledgement id of a Message that wants an Ack, and of the
	// Ack that answers it; nil when there is none.
	ID *uint64

	// Name is a Message's event name.
	Name string

	// Args are a Message's arguments after the name, or an Ack's values.
	Args []json.RawMessage

	// Data is the JSON payload of Open, Connect, Disconnect and ConnectError, and
	// the plain text of Ping and Pong (normally empty).
	Data []byte
}

// NewEvent builds a Message with its arguments marshalled to JSON. It fails when
// an argument has no JSON form.
func NewEvent(name string, args ...any) (Packet, error) {
	p := Packet{Type: Message, Name: name, Args: make([]json.RawMessage, 0, len(args))}
	for i, arg := range args {
		raw, err := marshal(arg)
		if err != nil {
			return Packet{}, fmt.Errorf("encode argument %d of event %q: %w", i+1, name, err)
		}
		p.Args = append(p.Args, raw)
	}
	return p, nil
}

// marshal is json.Marshal without escaping <, > and &, which would make chat lines
// longer.
func marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Encode returns the packet as a frame. See [Packet.Append].
func (p Packet) Encode() []byte { return p.append(nil) }

// append appends the packet, as a frame, to dst. Args and Data are copied as
// they are: they must be JSON, as [NewEvent] and [Decode] leave them. A packet
// of no known type becomes a noop.
func (p Packet) append(dst []byte) []byte {
	head, ok := code[p.Type]
	if !ok {
		return append(dst, code[Noop]...)
	}
	dst = append(dst, head...)
	if len(head) == 1 {
		return append(dst, p.Data...)
	}
	if p.Namespace != "" && p.Namespace != "/" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.Type != Message && p.Type != Ack {
		return append(dst, p.Data...)
	}
	if p.ID != nil {
		dst = strconv.AppendUint(dst, *p.ID, 10)
	}
	dst = append(dst, '[')
	if p.Type == Message {
		name, _ := marshal(p.Name) // a string always has a JSON form
		dst = append(dst, name...)
	}
	for i, arg := range p.Args {
		if i > 0 || p.Type == Message {
			dst = append(dst, ',')
		}
		if len(arg) == 0 {
			arg = json.RawMessage("null")
		}
		dst = append(dst, arg...)
	}
	return append(dst, ']')
}

// Decode decodes one text frame. The packet shares no memory with the frame. Binary
// packets (45, 46), which CyTube does not send, are errors.
func Decode(frame []byte) (Packet, error) {
	if len(frame) == 0 {
		return Packet{}, errors.New("empty frame")
	}
	if !utf8.Valid(frame) {
		return Packet{}, errors.New("frame is not valid UTF-8")
	}
	if frame[0] == '4' {
		return decodeSocket(frame[1:])
	}
	t, ok := engineType[frame[0]]
	if !ok {
		return Packet{}, fmt.Errorf("unknown Engine.IO packet type %q", frame[0])
	}
	p := Packet{Type: t}
	if rest := frame[1:]; len(rest) > 0 {
		p.Data = bytes.Clone(rest)
	}
	if t == Open && !json.Valid(p.Data) {
		return Packet{}, errors.New("open packet does not hold JSON")
	}
	return p, nil
}

// decodeSocket decodes what follows Engine.IO's "4":
// type, then optionally "/namespace,", an id and a JSON payload.
func decodeSocket(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, errors.New("message packet holds no Socket.IO packet")
	}
	t, ok := socketType[b[0]]
	if !ok {
		if b[0] == '5' || b[0] == '6' {
			return Packet{}, errors.New("binary Socket.IO packets are not supported")
		}
		return Packet{}, fmt.Errorf("unknown Socket.IO packet type %q", b[0])
	}
	p := Packet{Type: t}
	b = b[1:]
	if len(b) > 0 && b[0] == '/' {
		namespace, rest, _ := bytes.Cut(b, []byte(","))
		if p.Namespace = string(namespace); p.Namespace == "/" {
			p.Namespace = ""
		}
		b = rest
	}
	if t != Message && t != Ack {
		if len(b) > 0 {
			if !json.Valid(b) {
				return Packet{}, fmt.Errorf("%s packet does not hold JSON", t)
			}
			p.Data = bytes.Clone(b)
		}
		return p, nil
	}
	if digits := len(b) - len(bytes.TrimLeft(b, "0123456789")); digits > 0 {
		id, err := strconv.ParseUint(string(b[:digits]), 10, 64)
		if err != nil {
			return Packet{}, fmt.Errorf("%s packet with an impossible id: %w", t, err)
		}
		p.ID, b = &id, b[digits:]
	}
	if t == Ack && p.ID == nil {
		return Packet{}, errors.New("ack packet without an id")
	}
	return p, p.decodeArgs(bytes.Clone(b))
}

func (p *Packet) decodeArgs(b []byte) error {
	if b = bytes.TrimLeft(b, " \t\r\n"); len(b) == 0 || b[0] != '[' {
		return fmt.Errorf("%s packet does not hold a JSON array", p.Type)
	}
	if err := json.Unmarshal(b, &p.Args); err != nil {
		return fmt.Errorf("%s packet does not hold a JSON array: %w", p.Type, err)
	}
	if p.Type == Ack {
		return nil
	}
	if len(p.Args) == 0 {
		return errors.New("event packet without an event name")
	}
	if p.Args[0][0] != '"' {
		return fmt.Errorf("event packet whose name is not a string: %.40s", p.Args[0])
	}
	if err := json.Unmarshal(p.Args[0], &p.Name); err != nil {
		return fmt.Errorf("event packet with a bad name: %w", err)
	}
	p.Args = p.Args[1:]
	return nil
}

// Handshake holds the parameters in the server's Open packet.
type Handshake struct {
	SID          string        // the id of the transport's session
	PingInterval time.Duration // the time between pings
	PingTimeout  time.Duration // how much later than that a ping or pong may come
	MaxPayload   int           // the longest frame the server accepts, in bytes
}

// Handshake decodes an Open packet. Other packets, and ping times that are missing or
// not positive, are errors. MaxPayload is [MaxFrame] if the server is too old to send it.
func (p Packet) Handshake() (Handshake, error) {
	if p.Type != Open {
		return Handshake{}, fmt.Errorf("expected the open packet, got %s", p.Type)
	}
	var wire struct {
		SID          string `json:"sid"`
		PingInterval int64  `json:"pingInterval"`
		PingTimeout  int64  `json:"pingTimeout"`
		MaxPayload   int    `json:"maxPayload"`
	}
	if err := json.Unmarshal(p.Data, &wire); err != nil {
		return Handshake{}, fmt.Errorf("read the open packet: %w", err)
	}
	const week = int64(7 * 24 * time.Hour / time.Millisecond) // far from overflowing a Duration
	for name, ms := range map[string]int64{"pingInterval": wire.PingInterval, "pingTimeout": wire.PingTimeout} {
		if ms <= 0 || ms > week {
			return Handshake{}, fmt.Errorf("open packet with an impossible %s: %d ms", name, ms)
		}
	}
	if wire.MaxPayload <= 0 {
		wire.MaxPayload = MaxFrame
	}
	return Handshake{
		SID:          wire.SID,
		PingInterval: time.Duration(wire.PingInterval) * time.Millisecond,
		PingTimeout:  time.Duration(wire.PingTimeout) * time.Millisecond,
		MaxPayload:   wire.MaxPayload,
	}, nil
}
