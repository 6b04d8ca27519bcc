package crashtest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/streams/connect"
)

func (c *crash) mode() string {
	mode := "embedded NATS"
	switch {
	case c.cluster():
		mode = fmt.Sprintf("cluster of %d, 2 bots", c.Servers)
	case c.Servers > 0:
		mode = "external NATS"
	}
	if n := len(c.channels); n > 1 {
		mode += fmt.Sprintf(", %d channels", n)
	}
	return mode
}

// prepare describes the processes and returns where the streams will be.
func (c *crash) prepare() (remote connect.Remote, err error) {
	remote.Name = "crash"
	remote.Store = filepath.Join(c.Dir, "store")
	where, bots := []string{"--store", remote.Store}, 1
	if c.Servers > 0 {
		if remote.URL, err = c.prepareServers(); err != nil {
			return remote, err
		}
		remote.Store, where = "", []string{"--nats", remote.URL}
	}
	if c.cluster() {
		bots = 2
	}
	if c.Soak {
		address, err := freeAddress()
		if err != nil {
			return remote, err
		}
		c.soak = &soak{crash: c, metrics: address, written: map[int]bool{}}
	}
	settings := filepath.Join(c.Dir, "rosey.yaml")
	if err := os.WriteFile(settings, []byte(c.settings()), 0o600); err != nil {
		return remote, fmt.Errorf("write the settings: %w", err)
	}
	where = append(where, "--config", settings, "--log-level", "debug")
	add := func(list *[]*process, name string, n int, args ...string) {
		for i := range n {
			*list = append(*list, &process{name: numberedName(name, i, n), args: join(c.Rosey, join(where, args...)...)})
		}
	}
	run := []string{"run"}
	if !c.Plugins {
		run = append(run, "--plugins", quoteDB)
	}
	add(&c.bots, "bot", bots, run...)
	add(&c.plugins, "plugin", 2, "plugin", "run", "dice-roller")
	for _, p := range c.all() {
		p.dir, p.log = c.Dir, c.log
		p.env = join(os.Environ(), "HOME="+c.Dir, "XDG_STATE_HOME="+c.Dir, "XDG_CONFIG_HOME="+c.Dir, "ROSEY_PASSWORD="+botPass)
		p.env = append(p.env, c.Env...)
	}
	return remote, nil
}

func (c *crash) settings() string {
	var text strings.Builder
	fmt.Fprintf(&text, "site: %s\nuser: %s\n", c.site.URL(), botName)
	if c.soak != nil {
		fmt.Fprintf(&text, "metrics: %s\n", c.soak.metrics)
	}
	switch {
	case c.cluster():
		text.WriteString("replicas: 3\n")
	case c.Servers > 0:
		// One server has no leader to elect, and a bot that was killed comes back as another that must wait for the term.
		text.WriteString("lease_term: 2s\n")
	}
	if c.Plugins { // dice-roller has processes of its own
		text.WriteString("plugins:\n  dice-roller: false\n  playlist: {max_items: 0, per_hour: 0}\n")
		text.WriteString("  moderation: {warnings.min_rank: 0}\n  commands: {cmd.min_rank: 0}\n  autoplay: {programme.min_rank: 0}\n")
	}
	text.WriteString("channels:\n")
	for _, name := range c.channels {
		fmt.Fprintf(&text, "  - channel: %s\n", name)
	}
	return text.String()
}

func numberedName(name string, i, of int) string {
	if of == 1 {
		return name
	}
	return name + "-" + strconv.Itoa(i+1)
}

func (c *crash) all() []*process { return slices.Concat(c.nats, c.bots, c.plugins) }

// freeAddress returns an address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// cluster reports whether the servers are several, which two bots share.
func (c *crash) cluster() bool { return c.Servers > 1 }

func join(list []string, more ...string) []string { return slices.Concat(list, more) }
