package crashtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// prepareServers describes the NATS servers, of which several make a cluster, and returns their URLs.
func (c *crash) prepareServers() (urls string, err error) {
	var clients, routes, monitors []string
	for range c.Servers {
		for _, list := range []*[]string{&clients, &routes, &monitors} {
			// A server keeps its port across restarts, as its clients were told it once.
			address, err := freeAddress()
			if err != nil {
				return "", err
			}
			*list = append(*list, address)
		}
	}
	for i := range c.Servers {
		name := numberedName("nats", i, c.Servers)
		config := filepath.Join(c.Dir, name+".conf")
		text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream { store_dir: %q }\n", name, clients[i], monitors[i], filepath.Join(c.Dir, name))
		if c.cluster() {
			text += fmt.Sprintf("cluster { name: crash, listen: %q, routes: [\"nats://%s\"] }\n", routes[i], strings.Join(routes, `", "nats://`))
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write the settings of a server: %w", err)
		}
		c.nats = append(c.nats, &process{name: name, args: join(c.NATS, config)})
		c.health = append(c.health, "http://"+monitors[i]+"/healthz")
	}
	return "nats://" + strings.Join(clients, ",nats://"), nil
}

// awaitRecovery waits, up to a minute, until every server of the cluster is healthy and a command that was typed after at
// is answered in every channel: a cluster of three bears one failure at a time.
func (c *crash) awaitRecovery(ctx context.Context, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	until(ctx, func() bool { return c.healthy(ctx) && c.serves(at) })
}

func (c *crash) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, url := range c.health {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		_ = reply.Body.Close()
		if reply.StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}

// serves reports whether a roll that was typed after at is answered in every channel.
func (c *crash) serves(at time.Time) bool {
	heard := c.site.Heard()
	typed, served := commands(heard), map[string]bool{}
	for _, l := range heard {
		if m := rolled.FindStringSubmatch(l.Text); m != nil && l.User == botName {
			n, _ := strconv.Atoi(m[1])
			if asked := typed[n]; asked.Channel == l.Channel && asked.Time.After(at) {
				served[l.Channel] = true
			}
		}
	}
	return len(served) == len(c.channels)
}

var rolled = regexp.MustCompile(`Rolled d6\+(\d+):`)
