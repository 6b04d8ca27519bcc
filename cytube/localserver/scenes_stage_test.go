package localserver

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// nameOf is who is behind a client of the recording; others have no name until they log in.
var nameOf = map[string]string{
	"owner": "boss", "admin": "ada", "mod": "mona", "user": "alice", "guest": "greta", "bot": "rosey",
	"user2": "bob", "user3": "carol", "dup": "bob",
}

// stage is a server with the clients of the recording.
type stage struct {
	*Server
	t       *testing.T
	ctx     context.Context
	channel string
	conns   map[string]*actor
	told    map[string][]string // in the scene, by client
}

// actor is one client.
type actor struct {
	ws  *websocket.Conn
	in  chan string // frames; closed when the connection ended
	off bool
}

// dial connects a client from an address of its own.
func (s *stage) dial(conn string) *actor {
	s.t.Helper()
	from := slices.Index([]string{"owner", "admin", "mod", "user", "guest", "bot", "user2", "user3", "late", "late2", "site", "gilda", "gerd"}, conn)
	if conn == "anon" && s.channel == "cinema" && s.banned() {
		from = 7 // from where carol was
	}
	d := websocket.Dialer{NetDialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(31+from))}}).DialContext}
	ws, _, err := d.DialContext(s.ctx, "ws"+strings.TrimPrefix(s.URL(), "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	a := &actor{ws: ws, in: make(chan string, 10_000)}
	go func() {
		defer close(a.in)
		for {
			_, frame, err := ws.ReadMessage()
			if err != nil {
				return
			}
			a.in <- string(frame)
		}
	}()
	s.conns[conn] = a
	s.write(conn, "40")
	return a
}

func (s *stage) banned() (yes bool) {
	s.Do("cinema", func(ch *Channel) { yes = slices.ContainsFunc(ch.bans, func(b ban) bool { return b.ip != "*" }) })
	return yes
}

func (s *stage) write(conn, frame string) {
	s.t.Helper()
	if err := s.conns[conn].ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		s.t.Fatalf("%s: %v", conn, err)
	}
	s.settle(conn)
}

// settle collects what each client receives until nothing is under way: the client that wrote gets the answer to a ping
// first, then lookups are waited for, then everybody else gets one.
func (s *stage) settle(first string) {
	s.t.Helper()
	s.ping(first)
	err := s.wait(s.ctx, "lookups", func() bool {
		for _, ch := range s.channels {
			if ch.list.busy {
				return false
			}
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for conn := range s.conns {
		s.ping(conn)
	}
}

func (s *stage) ping(conn string) {
	s.t.Helper()
	a := s.conns[conn]
	if a == nil || a.off {
		return
	}
	if err := a.ws.WriteMessage(websocket.TextMessage, []byte("2")); err != nil {
		a.off = true
	}
	for {
		select {
		case frame, ok := <-a.in:
			if !ok {
				a.off = true
				return
			}
			if strings.HasPrefix(frame, "3") {
				return
			}
			s.told[conn] = append(s.told[conn], frame)
		case <-s.ctx.Done():
			s.t.Fatalf("%s: %v", conn, s.ctx.Err())
		}
	}
}

// emit sends an event as a client; an argument may be JSON or a value.
func (s *stage) emit(conn, event string, args ...any) {
	s.t.Helper()
	frame := []any{event}
	s.write(conn, "42"+string(mustJSON(append(frame, args...))))
}

// enter lets somebody in who is not told of in the scene.
func (s *stage) enter(conn string) {
	s.t.Helper()
	s.exit(conn)
	s.dial(conn)
	s.emit(conn, "joinChannel", object{"name": s.channel})
	if name := nameOf[conn]; name != "" {
		pw := "secret"
		if conn == "guest" {
			pw = ""
		}
		s.emit(conn, "login", object{"name": name, "pw": pw})
	} else if conn == "gilda" || conn == "gerd" {
		s.emit(conn, "login", object{"name": conn})
	}
	delete(s.told, conn)
}

func (s *stage) exit(conn string) {
	a := s.conns[conn]
	if a == nil {
		return
	}
	var name string
	s.mu.Lock()
	for c := range s.sessions {
		if c.addr == a.ws.LocalAddr().(*net.TCPAddr).IP.String() {
			name = c.name
		}
	}
	s.mu.Unlock()
	_ = a.ws.Close()
	delete(s.conns, conn)
	err := s.wait(s.ctx, name+" gone", func() bool {
		for c := range s.sessions {
			if c.ws.RemoteAddr().String() == a.ws.LocalAddr().String() {
				return false
			}
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.settle("")
}
