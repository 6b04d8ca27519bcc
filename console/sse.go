package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

const (
	// writeTimeout is how long a browser may take to read an update. One that is
	// slower is cut off, and comes back for what it missed.
	writeTimeout = 10 * time.Second
	// keepAliveInterval is the time between two signs of life on a quiet stream.
	keepAliveInterval = 15 * time.Second
	// pollInterval is the time between two looks at what has no events of its own.
	pollInterval = 2 * time.Second
)

// updates is a stream of server-sent events to one page.
type eventStream struct {
	w             http.ResponseWriter
	rc            *http.ResponseController
	stillSignedIn func() bool // tells whether the visitor may still be told anything
	written       time.Time   // when something was sent last
	shown         string      // what update sent last
}

// openEventStream begins a stream and tells the page which process serves it and
// its token, which are others after a restart.
func (c *Console) openEventStream(w http.ResponseWriter, r *http.Request) (*eventStream, func(), error) {
	select {
	case c.open <- struct{}{}:
	default:
		return nil, nil, event.Errorf(event.Timeout, "%d pages are kept up to date already: close some", maxStreams)
	}
	end := func() { <-c.open }
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	u := &eventStream{w: w, rc: http.NewResponseController(w), stillSignedIn: func() bool { return c.auth.stillSignedIn(r) }}
	// The server's limit for reading a request would end the stream.
	if err := u.rc.SetReadDeadline(time.Time{}); err != nil {
		end()
		return nil, nil, err
	}
	if err := u.send("hello", "", c.auth.token(r)+" "+c.boot); err != nil {
		end()
		return nil, nil, err
	}
	return u, end, nil
}

// send sends an event; the browser hands the ID back when it comes again.
func (u *eventStream) send(name, id, data string) error {
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.Lines(data) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return u.write(b.String() + "\n")
}

// update renders a part of the page and sends it if it differs from the one before, and
// else now and then a sign of life, without which proxies close the connection.
func (u *eventStream) update(event, part string, data any) error {
	html, err := renderPart(part, data)
	switch {
	case err != nil:
		return err
	case html != u.shown:
		u.shown = html
		return u.send(event, "", html)
	case time.Since(u.written) > keepAliveInterval:
		return u.write(":\n\n")
	}
	return nil
}

func (u *eventStream) write(text string) error {
	u.written = time.Now()
	if err := u.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := u.w.Write([]byte(text)); err != nil {
		return err
	}
	return u.rc.Flush()
}

// lastSeen is the sequence after which a page wants to go on: that of the last
// event that reached it, or else the one it was made with.
func lastSeen(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, event.Errorf(event.InvalidInput, "say after which event to go on: after=N")
	}
	return seq, nil
}

// poll makes a stream of a page's part that has no events of its own: the template of
// that name is rendered with a new body every pollInterval, and sent when it differs.
func (c *Console) poll(name string, body func(*http.Request) (any, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		u, end, err := c.openEventStream(w, r)
		if err != nil {
			return err
		}
		defer end()
		update := handler(func(_ http.ResponseWriter, r *http.Request) error {
			b, err := body(r)
			if err != nil {
				return err
			}
			return u.update("part", name, b)
		}).within(readTimeout)
		tick := time.NewTicker(pollInterval)
		defer tick.Stop()
		for {
			// What cannot be read is shown as soon as it can. A browser that is gone
			// ends the request's context.
			_ = update(w, r)
			select {
			case <-r.Context().Done():
				return nil
			case <-tick.C:
				if !u.stillSignedIn() {
					return nil // the page comes back, and shows the sign-in form
				}
			}
		}
	}
}
