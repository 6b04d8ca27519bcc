package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/synadia-io/orbit.go/natsext"

	"github.com/rosey-bot/rosey/kvstore"
)

// share watches how many requests each instance of the database has answered. An
// instance that is killed takes along what it did since the last look.
type share struct {
	nc *nats.Conn

	mu       sync.Mutex
	answered map[string]int // by the instance's ID
}

const (
	shareLook = time.Second
	shareGap  = 200 * time.Millisecond // between the answers of two instances
)

// run looks until ctx ends.
func (s *share) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.look(ctx)
		pause(ctx, shareLook)
	}
}

// look asks every instance that there is; while NATS is down it learns nothing.
func (s *share) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	subject, err := micro.ControlSubject(micro.StatsVerb, kvstore.ServiceName, "")
	if err != nil {
		return
	}
	answers, err := natsext.RequestMany(ctx, s.nc, subject, nil, natsext.RequestManyStall(shareGap))
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
		s.note(stats.ID, n)
	}
}

func (s *share) note(instance string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered == nil {
		s.answered = map[string]int{}
	}
	s.answered[instance] = max(s.answered[instance], n)
}

// counts are the instances' requests, the most first.
func (s *share) counts() (list []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.answered {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b int) int { return b - a })
	return list
}

// describeShare is a line of the report.
func describeShare(counts []int) (total int, note string) {
	for _, n := range counts {
		total += n
	}
	return total, fmt.Sprintf("by %d instances of the database, each start of a bot being one: %d", len(counts), counts)
}
