package kvstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A write of many records that nobody answers for half way, as while a cluster
// chooses a leader, goes on when somebody does, and writes each of them once.
func TestWritesToAnAbsentLeader(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for a leader")
	const records, answered = 20, 10
	var lines strings.Builder
	for i := 1; i <= records; i++ {
		if i == answered || i == answered+1 {
			fmt.Fprintf(&lines, "{\"id\":%d,\"n\":5}\n", i)
		}
		fmt.Fprintf(&lines, "{\"id\":%d,\"n\":7}\n", i)
	}
	for name, c := range map[string]struct {
		before, writes, n int // how many records there are, are written, and what they have in the end
		write             func(ctx context.Context, s *kvstore.Store) (int, error)
	}{
		"update": {records, records, 1, func(ctx context.Context, s *kvstore.Store) (int, error) {
			u, err := s.Update(ctx, event.Update{Collection: "c", Filter: json.RawMessage(`{}`), Ops: operators(`{"$inc":{"n":1}}`)})
			return u.Changed, err
		}},
		"import": {records, records + 2, 7, func(ctx context.Context, s *kvstore.Store) (int, error) {
			return s.Import(ctx, "c", strings.NewReader(lines.String()), nil, nil)
		}},
		"import without ids": {0, records, 3, func(ctx context.Context, s *kvstore.Store) (int, error) {
			return s.Import(ctx, "c", strings.NewReader(strings.Repeat("{\"n\":3}\n", records)), nil, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := streamstest.Context(t)
			s, js := newStore(t)
			fill(t, s, "c", c.before, func(i int) string { return fmt.Sprintf(`{"id":%d,"n":0}`, i+1) })
			if got := find(t, s, "c", "", ""); got.Count != c.before {
				t.Fatalf("%d records to begin with", got.Count)
			}
			back := goAbsent(t, js, answered)
			n, err := c.write(ctx, s)
			if err := <-back; err != nil {
				t.Fatal(err)
			}
			if err != nil || n != c.writes {
				t.Errorf("%d of %d are written: %v", n, c.writes, err)
			}
			expectRecords(t, s, records, c.n)
			if got, want := countRevisions(t, s, records), c.before+c.writes; got != want {
				t.Errorf("%d revisions of records are stored instead of %d", got, want)
			}
		})
	}
}

// goAbsent has the stream of the collection c take writes of the counter and the first
// records only, until it stored as many and was asked what became of it.
func goAbsent(t *testing.T, js jetstream.JetStream, answered int) (back <-chan error) {
	t.Helper()
	ctx := streamstest.Context(t)
	stream, err := js.Stream(ctx, "KV_db_c")
	if err != nil {
		t.Fatal(err)
	}
	last := stream.CachedInfo().State.LastSeq + uint64(answered)
	config := stream.CachedInfo().Config
	all := config.Subjects
	config.Subjects = []string{"$KV.db_c.=counter"}
	for i := range answered {
		config.Subjects = append(config.Subjects, fmt.Sprintf("$KV.db_c.%d", i+1))
	}
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			for info := stream.CachedInfo(); info.State.LastSeq < last; {
				var err error
				if info, err = stream.Info(ctx); err != nil {
					return err
				}
			}
			// Who got no answer asks what became of the stream.
			asked, err := js.Conn().SubscribeSync("$JS.API.STREAM.INFO.KV_db_c")
			if err != nil {
				return err
			}
			if _, err := asked.NextMsg(4 * time.Minute); err != nil {
				return err
			}
			config.Subjects = all
			_, err = js.UpdateStream(ctx, config)
			return err
		}()
	}()
	return ended
}

// expectRecords checks that the collection c has the records 1 to count with that n.
func expectRecords(t *testing.T, s *kvstore.Store, count, n int) {
	t.Helper()
	got := find(t, s, "c", "", "")
	if got.Count != count {
		t.Errorf("there are %d records instead of %d", got.Count, count)
	}
	for i, r := range got.Rows {
		if want := fmt.Sprintf(`{"id":%d,"n":%d}`, i+1, n); r.Data != want {
			t.Errorf("%s instead of %s", r.Data, want)
		}
	}
}

func countRevisions(t *testing.T, s *kvstore.Store, records int) (revisions int) {
	t.Helper()
	for i := range records {
		h, err := s.History(streamstest.Context(t), "c", event.IntID(int64(i+1)))
		if err != nil {
			t.Error(err)
		}
		revisions += len(h)
	}
	return revisions
}
