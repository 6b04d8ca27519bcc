package streamstest

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Cluster starts three servers that are one cluster, with file storage, and
// connects to each. They are stopped when the test ends. Change is called with the
// options of each.
func Cluster(t testing.TB, change ...func(*server.Options)) ([]*nats.Conn, []*server.Server) {
	t.Helper()
	var routes []*url.URL // the servers must know each other's addresses before they start
	var ports []int
	for range 3 {
		ports = append(ports, freePort(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", ports[len(ports)-1])})
	}
	var conns []*nats.Conn
	var servers []*server.Server
	for i, port := range ports {
		o := &server.Options{
			ServerName: fmt.Sprint("n", i), JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		}
		for _, c := range change {
			c(o)
		}
		nc, s := connected(t, o)
		conns, servers = append(conns, nc), append(servers, s)
	}
	js, err := jetstream.New(conns[0])
	if err != nil {
		t.Fatal(err)
	}
	// A stream can be made once the three have found each other and a leader.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "READY", Subjects: []string{"ready"}, Replicas: 3})
		cancel()
		if err == nil {
			return conns, servers
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster did not form: %v", err)
		}
	}
}
