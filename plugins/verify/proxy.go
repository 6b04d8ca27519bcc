package verify

import (
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/plugins/natsproxy"
)

// A proxy stands between the plugin's process and the server. It sees all that passes, and
// at which step of handling an event the process is.
type proxy struct {
	*natsproxy.Proxy
	durable string // the plugin's

	mu      sync.Mutex
	latency time.Duration // of each frame
	age     time.Duration // by which deliveries are older than they are
	attempt int           // that each delivery is said to be; 0 leaves what it is
	watched *watch
	reads   map[string]int // how often the plugin published, by subject
}

// A watch follows the handling of the first command that is delivered with a sequence of at
// least from.
type watch struct {
	from uint64
	// at is the step at which act is called: before the server gets it, or after. 0 is never.
	at    int
	after bool
	act   func()

	seq   uint64 // of the command; 0 before it is delivered
	steps int    // that were begun
	done  bool   // settled, or acted
	acted bool
}

// startProxy starts a proxy of a server.
func startProxy(server string) (*proxy, error) {
	p := &proxy{reads: map[string]int{}}
	var err error
	p.Proxy, err = natsproxy.Start(natsproxy.Config{Server: server, FromServer: p.fromServer, FromClient: p.fromPlugin, Latency: func() time.Duration {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.latency
	}})
	return p, err
}

// slow sets the latency of each frame, in both directions.
func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// makeOlder has all that is delivered from now on be older.
func (p *proxy) makeOlder(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.age = by
}

// countAs has all that is delivered from now on be a further attempt.
func (p *proxy) countAs(attempt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempt = attempt
}

// watch begins to follow a command, in place of the one before.
func (p *proxy) watch(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched = w
}

// state returns what the proxy has seen of the command.
func (p *proxy) state() watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.watched
}

// published returns how often the plugin published on a subject that begins so.
func (p *proxy) published(prefix string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for subject, times := range p.reads {
		if strings.HasPrefix(subject, prefix) {
			n += times
		}
	}
	return n
}

// fromServer notes what is delivered.
func (p *proxy) fromServer(f natsproxy.Frame) natsproxy.Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := f.Delivered()
	if !ok || d.Durable != p.durable {
		return natsproxy.Action{Frame: f}
	}
	if w := p.watched; w != nil && w.seq == 0 && d.Stream == commandStream && d.Seq >= w.from {
		w.seq = d.Seq
	}
	if p.age > 0 {
		f = f.As(d.Seq, d.At.Add(-p.age))
	}
	if p.attempt > 0 {
		f = f.Attempt(p.attempt)
	}
	return natsproxy.Action{Frame: f}
}

// fromPlugin counts the steps of the watched command, and acts at the one that is asked for.
func (p *proxy) fromPlugin(f natsproxy.Frame) natsproxy.Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	if subject := f.Subject(); subject != "" {
		p.reads[subject]++
	}
	w := p.watched
	if w == nil || w.seq == 0 || w.done || !f.IsStep() {
		return natsproxy.Action{Frame: f}
	}
	w.steps++
	w.done = f.Settles(w.seq)
	if w.steps != w.at {
		return natsproxy.Action{Frame: f}
	}
	w.done, w.acted = true, true
	return natsproxy.Action{Frame: f, Drop: !w.after, Then: w.act}
}
