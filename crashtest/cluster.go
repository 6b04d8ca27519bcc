package crashtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// servers is how many make a cluster: one may be down.
const servers = 3

// prepareCluster describes the servers of a cluster and returns their URLs.
func (c *crash) prepareCluster() (urls string, err error) {
	var clients, routes, monitors []string
	for range servers {
		for _, list := range []*[]string{&clients, &routes, &monitors} {
			address, err := freeAddress()
			if err != nil {
				return "", err
			}
			*list = append(*list, address)
		}
	}
	for i := range servers {
		name := numberedName("nats", i, servers)
		config := filepath.Join(c.Dir, name+".conf")
		text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream { store_dir: %q }\n"+
			"cluster { name: crash, listen: %q, routes: [\"nats://%s\"] }\n",
			name, clients[i], monitors[i], filepath.Join(c.Dir, name), routes[i], strings.Join(routes, `", "nats://`))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write the settings of a server: %w", err)
		}
		c.nats = append(c.nats, &process{name: name, args: []string{c.Cluster, "-c", config}})
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
	typed, served := map[string]string{}, map[string]bool{} // a reply's beginning to its channel
	for _, l := range c.site.Heard() {
		if n, ok := numberOf(l.Text); ok && l.User != botName && l.Time.After(at) && strings.HasPrefix(l.Text, "!roll") {
			typed[fmt.Sprintf("d6+%d:", n)] = l.Channel
		}
		if _, rest, ok := strings.Cut(l.Text, "Rolled "); ok && l.User == botName {
			what, _, _ := strings.Cut(rest, ":")
			if channel, ok := typed[what+":"]; ok && channel == l.Channel {
				served[channel] = true
			}
		}
	}
	return len(served) == len(c.channels)
}
