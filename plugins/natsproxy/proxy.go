package natsproxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// An Action is what a Proxy does with a frame.
type Action struct {
	Frame Frame  // what is passed on
	Drop  bool   // it is not passed on, and its connection is closed
	Then  func() // called after that, if set
}

// Config says what a Proxy does with what passes. A nil function changes nothing. They are
// called by several goroutines.
type Config struct {
	Server     string                      // its address, or URL
	FromServer func(Frame) Action          // of each frame of the server
	FromClient func(Frame) Action          // of each frame of the client
	Latency    func() (each time.Duration) // of each frame
}

// A Proxy passes frames between clients and a server.
type Proxy struct {
	config   Config
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

// Start starts a proxy on a free port of 127.0.0.1.
func Start(c Config) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	c.Server = strings.TrimPrefix(c.Server, "nats://")
	p := &Proxy{config: c, listener: l, conns: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

// URL returns where clients find the proxy.
func (p *Proxy) URL() string { return "nats://" + p.listener.Addr().String() }

// Stop closes all connections and returns when nothing passes any more.
func (p *Proxy) Stop() error {
	err := p.listener.Close()
	p.Cut()
	p.running.Wait()
	return err
}

// Cut breaks all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", p.config.Server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.running.Go(func() { p.pass(client, server, p.config.FromClient) })
		p.running.Go(func() { p.pass(server, client, p.config.FromServer) })
	}
}

// pass moves frames from one connection to the other until one is closed.
func (p *Proxy) pass(from, to net.Conn, decide func(Frame) Action) {
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
		if p.config.Latency != nil {
			time.Sleep(p.config.Latency())
		}
		a := Action{Frame: f}
		if decide != nil {
			a = decide(f)
		}
		if !a.Drop && a.Frame.write(to) != nil {
			return
		}
		if a.Then != nil {
			a.Then()
		}
		if a.Drop {
			return
		}
	}
}
