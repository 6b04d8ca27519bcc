package streamstest

import (
	"testing"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// Lag keeps the followers of a stream from applying what is acknowledged from now on,
// until end is called. They go on to vote for it, and to answer direct gets with what
// they have: everything from before.
func Lag(t testing.TB, servers []*server.Server, stream jetstream.Stream) (end func()) {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var held []server.RaftNode
	var before uint64
	for _, s := range servers {
		node := raftNode(s, info.Cluster.RaftGroup)
		if node == nil {
			t.Fatalf("%s does not have %s", s.Name(), info.Config.Name)
		}
		if s.Name() == info.Cluster.Leader {
			_, before, _ = node.Progress()
			continue
		}
		held = append(held, node)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(time.Minute)
	for _, node := range held {
		for _, _, applied := node.Progress(); applied < before; _, _, applied = node.Progress() {
			if <-tick.C; time.Now().After(deadline) {
				t.Fatalf("a server has applied %d of %d", applied, before)
			}
		}
		if err := node.PauseApply(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, node := range held {
			node.ResumeApply()
		}
	}
}

// Nothing that nats-server exports can make a follower lag.
//
//go:linkname raftNode github.com/nats-io/nats-server/v2/server.(*Server).lookupRaftNode
func raftNode(s *server.Server, group string) server.RaftNode
