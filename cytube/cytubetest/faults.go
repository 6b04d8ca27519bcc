package cytubetest

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

// Fault is what can go wrong with a line of chat or a private message.
type Fault int

// The faults.
const (
	faultNone     Fault = iota
	FaultLost           // it is dropped without a word
	FaultNoEcho         // everybody gets it but its sender
	FaultDrop           // as FaultNoEcho, and then the sender's connection breaks
	FaultCooldown       // it is refused for flooding
	FaultSpam           // it is refused because the user is new
	FaultSpamLink       // it is refused because the user is new and it has a link
	faultCut            // the connection breaks before the server does it
	faultCutDone        // the connection breaks after the server did it
)

type faults struct {
	mu      sync.Mutex
	planned []fault
	refusal string
}

type fault struct {
	channel, user string
	event         string // "" is any line
	kind          Fault
}

// Fail lets something go wrong with the next n lines or private messages of a user, after what was asked for before. The
// user may be absent.
func (s *Server) Fail(channel, user string, n int, kind Fault) {
	f := fault{channel: strings.ToLower(channel), user: strings.ToLower(user), kind: kind}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.planned = append(s.faults.planned, slices.Repeat([]fault{f}, n)...)
}

// Cut breaks a user's connection at the user's next event of a name: after the server did what it asks for, or before. The
// user learns nothing of it.
func (s *Server) Cut(channel, user, event string, done bool) {
	kind := faultCut
	if done {
		kind = faultCutDone
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.planned = append(s.faults.planned, fault{strings.ToLower(channel), strings.ToLower(user), event, kind})
}

// Refuse makes the server answer every new connection with a connect error of that text, such as "Rate limit exceeded".
// An empty text ends it.
func (s *Server) Refuse(message string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.refusal = message
}

func (f *faults) connect() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

// take returns what goes wrong with a user's event.
func (f *faults) take(channel, user, event string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.planned, func(p fault) bool {
		isLine := event == "chatMsg" || event == "pm"
		return p.channel == channel && p.user == strings.ToLower(user) && (p.event == event || p.event == "" && isLine)
	})
	if at < 0 {
		return faultNone
	}
	kind := f.planned[at].kind
	f.planned = slices.Delete(f.planned, at, at+1)
	return kind
}

// handle is the server's Event hook.
func (f *faults) handle(c *localserver.Session, name string, next func()) {
	switch kind := f.take(c.Channel().Name(), c.Name(), name); kind {
	case faultCutDone:
		c.Discard(func([]byte) bool { return true })
		next()
		c.Drop()
	case faultCut:
		c.Drop()
	case FaultLost:
	case FaultCooldown:
		c.Emit("cooldown", c.Flood().Wait())
	case FaultSpam:
		c.Emit("spamFiltered", map[string]any{"reason": "NEW_USER_CHAT"})
	case FaultSpamLink:
		c.Emit("spamFiltered", map[string]any{"reason": "NEW_USER_CHAT_LINK"})
	case FaultNoEcho, FaultDrop:
		echoed := false
		c.Discard(func(frame []byte) bool {
			echo := bytes.HasPrefix(frame, []byte(`42["`+name+`"`)) && bytes.Contains(frame, []byte(`"username":"`+c.Name()+`"`))
			echoed = echoed || echo
			return echo
		})
		next()
		c.Discard(nil)
		if kind == FaultDrop && echoed {
			c.Drop()
		}
	default:
		next()
	}
}
