package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"
)

// catchUp is the time that a copy which is behind gets before it is checked again.
const catchUp = time.Second

// copies are a cluster's copies of streams and buckets: those of servers that are away,
// and by how many operations others are behind, by server and stream.
type copies struct {
	streams      int
	servers      map[string]bool
	away, behind map[string]map[string]uint64
}

// checkReplicas looks for copies that a cluster would have to do without if another
// server went.
func (c *checkup) checkReplicas(ctx context.Context) {
	if !c.settings.External() {
		return
	}
	found, err := findCopies(ctx, c.client.JS)
	if err == nil && len(found.behind) > 0 {
		select { // a moment behind is what every copy is now and then
		case <-ctx.Done():
			return
		case <-time.After(catchUp):
		}
		before := found.behind
		if found, err = findCopies(ctx, c.client.JS); err == nil {
			for server, lags := range found.behind {
				maps.DeleteFunc(lags, func(stream string, lag uint64) bool {
					was, known := before[server][stream]
					return !known || lag < was
				})
			}
			maps.DeleteFunc(found.behind, func(_ string, lags map[string]uint64) bool { return len(lags) == 0 })
		}
	}
	switch {
	case err != nil:
		c.fail("see the servers' logs", "%v", err)
		return
	case found.streams == 0:
		return // each is on one server
	}
	for _, server := range slices.Sorted(maps.Keys(found.away)) {
		c.warn("start it again: when another goes, nothing is stored any more", "%s is away, and has copies of %d of %d streams and buckets",
			server, len(found.away[server]), found.streams)
	}
	for _, server := range slices.Sorted(maps.Keys(found.behind)) {
		lags := found.behind[server]
		worst := slices.MaxFunc(slices.Sorted(maps.Keys(lags)), func(a, b string) int { return cmp.Compare(lags[a], lags[b]) })
		c.warn("look at its log: its disk may be full, or jetstream's max_file", "%s does not catch up with %d of %d streams and buckets: with %s it is %s behind",
			server, len(lags), found.streams, worst, humanize.Comma(int64(lags[worst])))
	}
	if len(found.away)+len(found.behind) == 0 {
		c.ok("%d streams and buckets on %d servers, every copy up to date", found.streams, len(found.servers))
	}
}

// findCopies lists the copies of every stream and bucket.
func findCopies(ctx context.Context, js jetstream.JetStream) (copies, error) {
	c := copies{servers: map[string]bool{}, away: map[string]map[string]uint64{}, behind: map[string]map[string]uint64{}}
	note := func(in map[string]map[string]uint64, server, stream string, lag uint64) {
		if in[server] == nil {
			in[server] = map[string]uint64{}
		}
		in[server][stream] = lag
	}
	list := js.ListStreams(ctx)
	for info := range list.Info() {
		if info.Cluster == nil || len(info.Cluster.Replicas) == 0 || info.Cluster.Leader == "" {
			continue // a server that leads no more knows nothing of the others
		}
		c.streams++
		c.servers[info.Cluster.Leader] = true
		for _, r := range info.Cluster.Replicas {
			c.servers[r.Name] = true
			switch {
			case r.Offline:
				note(c.away, r.Name, info.Config.Name, r.Lag)
			case !r.Current:
				note(c.behind, r.Name, info.Config.Name, r.Lag)
			}
		}
	}
	if err := list.Err(); err != nil {
		return copies{}, fmt.Errorf("list the streams: %w", err)
	}
	return c, nil
}
