// Package natsproxy stands between a NATS client and its server: it reads the frames of the client
// protocol, and a Proxy lets its user see, change, delay and drop them.
package natsproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxPayload is the most that a frame may hold; the server's limit is 1 MB.
const maxPayload = 64 << 20

// A Frame is one message of NATS's client protocol: a line, and the payload that follows
// some. See https://docs.nats.io/reference/reference-protocols/nats-protocol.
type Frame struct {
	fields  []string // of the line
	payload []byte   // with headers, and the line end
	raw     []byte   // the line, with its end
}

// readFrame reads the next frame of a connection.
func readFrame(r *bufio.Reader) (Frame, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return Frame{}, err
	}
	f := Frame{fields: strings.Fields(string(bytes.TrimRight(line, "\r\n"))), raw: line}
	switch f.verb() {
	case "PUB", "HPUB", "MSG", "HMSG":
		size, err := strconv.Atoi(f.fields[len(f.fields)-1])
		if err != nil || size < 0 || size > maxPayload {
			return f, fmt.Errorf("the size in %q is none", line)
		}
		f.payload = make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(r, f.payload)
		return f, err
	case "INFO", "CONNECT":
		f.fields = f.fields[:1] // what follows is JSON
	}
	return f, nil
}

func (f Frame) verb() string {
	if len(f.fields) == 0 {
		return ""
	}
	return strings.ToUpper(f.fields[0])
}

// write writes the frame as it was read.
func (f Frame) write(w io.Writer) error {
	_, err := w.Write(append(f.raw, f.payload...))
	return err
}

// Subject returns what a client publishes on, or "".
func (f Frame) Subject() string {
	if v := f.verb(); v != "PUB" && v != "HPUB" || len(f.fields) < 2 {
		return ""
	}
	return f.fields[1]
}

// body returns the payload without headers and line end.
func (f Frame) body() []byte {
	body := bytes.TrimSuffix(f.payload, []byte("\r\n"))
	if v := f.verb(); v == "HPUB" || v == "HMSG" {
		if n, err := strconv.Atoi(f.fields[len(f.fields)-2]); err == nil && n <= len(body) {
			return body[n:]
		}
	}
	return body
}

// A Delivery is the reply subject of what a consumer delivers, by which it is acknowledged:
// $JS.ACK.<stream>.<consumer>.<attempt>.<sequence>.<of the consumer>.<stored at>.<pending>,
// perhaps with two tokens more before the stream.
type Delivery struct {
	Stream, Durable string
	Seq             uint64
	At              time.Time // when it was stored
}

// Positions of a reply subject's tokens, in the form of nine tokens.
const (
	tokenStream  = 2
	tokenDurable = 3
	tokenAttempt = 4
	tokenSeq     = 5
	tokenStored  = 7
)

// splitReply splits a reply subject; offset is how many tokens stand before the stream
// beyond the form of nine. It is false for another subject.
func splitReply(reply string) (tokens []string, offset int, ok bool) {
	tokens = strings.Split(reply, ".")
	if len(tokens) > 9 {
		offset = 2
	}
	return tokens, offset, len(tokens) >= 9+offset && tokens[0] == "$JS" && tokens[1] == "ACK"
}

// ParseDelivery parses a reply subject; false if it is another one.
func ParseDelivery(reply string) (Delivery, bool) {
	tokens, o, ok := splitReply(reply)
	if !ok {
		return Delivery{}, false
	}
	seq, err := strconv.ParseUint(tokens[o+tokenSeq], 10, 64)
	at, err2 := strconv.ParseInt(tokens[o+tokenStored], 10, 64)
	return Delivery{tokens[o+tokenStream], tokens[o+tokenDurable], seq, time.Unix(0, at)}, err == nil && err2 == nil
}

// Delivered returns what the server delivers with the frame.
func (f Frame) Delivered() (Delivery, bool) {
	i := 3 // MSG subject sid reply size
	switch {
	case f.verb() == "MSG" && len(f.fields) == 5, f.verb() == "HMSG" && len(f.fields) == 6:
		return ParseDelivery(f.fields[i])
	}
	return Delivery{}, false
}

// As returns the frame of a delivery, or of its acknowledgement, as if the event had another
// sequence and time.
func (f Frame) As(seq uint64, at time.Time) Frame {
	return f.replied(map[int]string{tokenSeq: strconv.FormatUint(seq, 10), tokenStored: strconv.FormatInt(at.UnixNano(), 10)})
}

// Attempt returns the frame of a delivery as if the event had been delivered n times.
func (f Frame) Attempt(n int) Frame {
	return f.replied(map[int]string{tokenAttempt: strconv.Itoa(n)})
}

// replied returns the frame with other tokens in its reply subject.
func (f Frame) replied(with map[int]string) Frame {
	i := 3
	if f.Subject() != "" {
		i = 1
	}
	tokens, o, ok := splitReply(f.fields[i])
	if !ok {
		return f
	}
	for token, text := range with {
		tokens[o+token] = text
	}
	fields := append([]string(nil), f.fields...)
	fields[i] = strings.Join(tokens, ".")
	return Frame{fields, f.payload, []byte(strings.Join(fields, " ") + "\r\n")}
}

// IsStep reports whether a client's frame is something that a plugin does, and not what
// its connection or the reading of its consumer needs.
func (f Frame) IsStep() bool {
	subject := f.Subject()
	switch {
	case subject == "", strings.HasPrefix(subject, "$JS.API.CONSUMER."), strings.HasPrefix(subject, "_INBOX."), strings.HasPrefix(subject, "_R_."):
		return false
	}
	_, acks := ParseDelivery(subject)
	return !acks || !strings.HasPrefix(string(f.body()), "+WPI")
}

// Settles reports whether the frame acknowledges, naks or terminates the delivery of a
// sequence.
func (f Frame) Settles(seq uint64) bool {
	d, ok := ParseDelivery(f.Subject())
	return ok && d.Seq == seq && f.IsStep()
}
