package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/synadia-io/orbit.go/natsext"

	"github.com/rosey-bot/rosey/kvstore/service"
)

// requestCounts are the requests that each instance of the database has answered, by the instance's ID. An instance that
// is killed takes those since the last poll with it.
type requestCounts map[string]int

// poll asks every instance; while NATS is down it does nothing.
func (c requestCounts) poll(ctx context.Context, nc *nats.Conn) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	subject, err := micro.ControlSubject(micro.StatsVerb, service.Name, "")
	if err != nil {
		return
	}
	answers, err := natsext.RequestMany(ctx, nc, subject, nil, natsext.RequestManyStall(readTimeout/5))
	if err != nil {
		return
	}
	for msg, err := range answers {
		var stats micro.Stats
		if err != nil || json.Unmarshal(msg.Data, &stats) != nil {
			return
		}
		n := 0
		for _, e := range stats.Endpoints {
			n += e.NumRequests
		}
		c[stats.ID] = max(c[stats.ID], n)
	}
}

// list returns the counts, the greatest first.
func (c requestCounts) list() []int {
	return slices.SortedFunc(maps.Values(c), func(a, b int) int { return b - a })
}

func describeRequests(counts []int) (total int, note string) {
	for _, n := range counts {
		total += n
	}
	return total, fmt.Sprintf("by %d instances of the database, each start of a bot being one: %d", len(counts), counts)
}
