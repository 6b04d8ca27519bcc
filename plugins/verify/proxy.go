package verify

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// A proxy stands between the plugin's process and the server. It sees all that passes, and
// at which step of handling an event the process is.
type proxy struct {
	listener net.Listener
	server   string // its address
	durable  string // the plugin's

	running sync.WaitGroup
	mu      sync.Mutex
	conns   map[net.Conn]bool
	latency time.Duration // of each frame
	age     time.Duration // by which deliveries are older than they are
	watched *watch
	reads   map[string]int // how often the plugin published on a subject, by the beginnings of which it asks
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, server: strings.TrimPrefix(server, "nats://"), conns: map[net.Conn]bool{}, reads: map[string]int{}}
	p.running.Go(p.accept)
	return p, nil
}

// url is where the plugin finds the proxy.
func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) stop() error {
	err := p.listener.Close()
	p.cut()
	p.running.Wait()
	return err
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
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

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.running.Go(func() { p.pass(client, server, p.fromPlugin) })
		p.running.Go(func() { p.pass(server, client, p.fromServer) })
	}
}

// pass moves frames from one connection to the other until one is closed. What decides may
// change them, and returns what to do after they were written.
func (p *proxy) pass(from, to net.Conn, decide func(frame) (out frame, drop bool, then func())) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	r := bufio.NewReader(from)
	for {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		latency := p.latency
		p.mu.Unlock()
		if latency > 0 {
			time.Sleep(latency)
		}
		f, drop, then := decide(f)
		if !drop && f.write(to) != nil {
			return
		}
		if then != nil {
			then()
		}
		if drop {
			return
		}
	}
}

// fromServer notes what is delivered.
func (p *proxy) fromServer(f frame) (frame, bool, func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := f.delivered()
	if !ok || d.durable != p.durable {
		return f, false, nil
	}
	if w := p.watched; w != nil && w.seq == 0 && d.stream == commandStream && d.seq >= w.from {
		w.seq = d.seq
	}
	if p.age > 0 {
		f = f.aged(p.age)
	}
	return f, false, nil
}

// fromPlugin counts the steps of the watched command, and acts at the one that is asked for.
func (p *proxy) fromPlugin(f frame) (frame, bool, func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if subject := f.subject(); subject != "" {
		p.reads[subject]++
	}
	w := p.watched
	if w == nil || w.seq == 0 || w.done || !f.isStep() {
		return f, false, nil
	}
	w.steps++
	w.done = f.settles(w.seq)
	if w.steps != w.at {
		return f, false, nil
	}
	w.done, w.acted = true, true
	return f, !w.after, w.act
}
