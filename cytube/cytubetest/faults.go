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
)

type faults struct {
	mu      sync.Mutex
	planned []fault
	refusal string
}

type fault struct {
	channel, user string
	kind          Fault
}

// Fail lets something go wrong with the next n lines or private messages of a user, after what was asked for before. The
// user may be absent.
func (s *Server) Fail(channel, user string, n int, kind Fault) {
	f := fault{strings.ToLower(channel), strings.ToLower(user), kind}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.planned = append(s.faults.planned, slices.Repeat([]fault{f}, n)...)
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

// take returns what goes wrong with a user's next line.
func (f *faults) take(channel, user string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.planned, func(p fault) bool { return p.channel == channel && p.user == strings.ToLower(user) })
	if at < 0 {
		return faultNone
	}
	kind := f.planned[at].kind
	f.planned = slices.Delete(f.planned, at, at+1)
	return kind
}

// handle is the server's Event hook.
func (f *faults) handle(c *localserver.Session, name string, next func()) {
	if name != "chatMsg" && name != "pm" {
		next()
		return
	}
	switch kind := f.take(c.Channel().Name(), c.Name()); kind {
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
