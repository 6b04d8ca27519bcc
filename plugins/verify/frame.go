package verify

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

// A frame is one message of NATS's client protocol: a line, and the payload that follows
// some. See https://docs.nats.io/reference/reference-protocols/nats-protocol.
type frame struct {
	fields  []string // of the line
	payload []byte   // with headers, and the line end
	raw     []byte   // the line, with its end
}

// readFrame reads the next frame of a connection.
func readFrame(r *bufio.Reader) (frame, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return frame{}, err
	}
	f := frame{fields: strings.Fields(string(bytes.TrimRight(line, "\r\n"))), raw: line}
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

func (f frame) verb() string {
	if len(f.fields) == 0 {
		return ""
	}
	return strings.ToUpper(f.fields[0])
}

// write writes the frame as it was read.
func (f frame) write(w io.Writer) error {
	_, err := w.Write(append(f.raw, f.payload...))
	return err
}

// subject returns what a client publishes on, or "".
func (f frame) subject() string {
	if v := f.verb(); v != "PUB" && v != "HPUB" || len(f.fields) < 2 {
		return ""
	}
	return f.fields[1]
}

// body returns the payload without headers and line end.
func (f frame) body() []byte {
	body := bytes.TrimSuffix(f.payload, []byte("\r\n"))
	if v := f.verb(); v == "HPUB" || v == "HMSG" {
		if n, err := strconv.Atoi(f.fields[len(f.fields)-2]); err == nil && n <= len(body) {
			return body[n:]
		}
	}
	return body
}

// A delivery is the reply subject of what a consumer delivers, by which it is acknowledged:
// $JS.ACK.<stream>.<consumer>.<attempt>.<sequence>.<of the consumer>.<stored at>.<pending>,
// perhaps with two tokens more before the stream.
type delivery struct {
	stream, durable string
	seq             uint64
}

// parseDelivery parses a reply subject; false if it is another one.
func parseDelivery(reply string) (delivery, bool) {
	tokens := strings.Split(reply, ".")
	skip := 0
	if len(tokens) > 9 {
		skip = 2
	}
	if len(tokens) < 9 || tokens[0] != "$JS" || tokens[1] != "ACK" {
		return delivery{}, false
	}
	seq, err := strconv.ParseUint(tokens[5+skip], 10, 64)
	return delivery{tokens[2+skip], tokens[3+skip], seq}, err == nil
}

// delivered returns what the server delivers with the frame.
func (f frame) delivered() (delivery, bool) {
	i := 3 // MSG subject sid reply size
	switch {
	case f.verb() == "MSG" && len(f.fields) == 5, f.verb() == "HMSG" && len(f.fields) == 6:
		return parseDelivery(f.fields[i])
	}
	return delivery{}, false
}

// aged returns the frame of a delivery as if its event had been stored earlier.
func (f frame) aged(by time.Duration) frame {
	tokens := strings.Split(f.fields[3], ".")
	i := len(tokens) - 2
	if len(tokens) > 11 {
		i = 9 // a token that may follow is of no meaning to clients
	}
	at, err := strconv.ParseInt(tokens[i], 10, 64)
	if err != nil {
		return f
	}
	tokens[i] = strconv.FormatInt(at-int64(by), 10)
	fields := append([]string(nil), f.fields...)
	fields[3] = strings.Join(tokens, ".")
	return frame{fields, f.payload, []byte(strings.Join(fields, " ") + "\r\n")}
}

// isStep reports whether a client's frame is something that a plugin does, and not what
// its connection or the reading of its consumer needs.
func (f frame) isStep() bool {
	subject := f.subject()
	switch {
	case subject == "", strings.HasPrefix(subject, "$JS.API.CONSUMER."), strings.HasPrefix(subject, "_INBOX."), strings.HasPrefix(subject, "_R_."):
		return false
	}
	_, acks := parseDelivery(subject)
	return !acks || !strings.HasPrefix(string(f.body()), "+WPI")
}

// settles reports whether the frame acknowledges, naks or terminates the delivery of a
// sequence.
func (f frame) settles(seq uint64) bool {
	d, ok := parseDelivery(f.subject())
	return ok && d.seq == seq && f.isStep()
}
