package cytube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A site that restarts is not met by all channels at once, and all come back.
func TestConnectorsArriveOneByOne(t *testing.T) {
	streamstest.Slow(t, "waits for the join limit")
	t.Parallel()
	const channels, perSecond = 15, 10
	w := newWorld(t)
	limiter := cytube.NewJoinLimiter(perSecond)
	for i := range channels {
		cfg := w.cfg
		in(fmt.Sprint("lounge-", i))(&cfg)
		cfg.JoinLimiter = limiter
		w.run(cytube.New(w.bus, cfg))
	}
	joins := func() (n int) {
		for _, f := range w.site.Received() {
			if strings.Contains(f.Data, `"joinChannel"`) {
				n++
			}
		}
		return n
	}
	in := func() bool {
		for i := range channels {
			if len(w.site.Users(fmt.Sprint("lounge-", i))) != 1 {
				return false
			}
		}
		return true
	}
	w.ok(until(w.ctx, in))
	before, began := joins(), time.Now()
	w.site.DropAll()
	w.ok(until(w.ctx, func() bool { return joins() >= before+channels }))
	// Ten may come at once, and after that ten a second.
	if took, least := time.Since(began), (channels-perSecond)*time.Second/perSecond; took < least {
		t.Errorf("%d channels were back within %s, less than %s", channels, took, least)
	}
	w.ok(until(w.ctx, in))
}
