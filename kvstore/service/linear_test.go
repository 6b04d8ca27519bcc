package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// thirdOf runs a third of rapid's checks: these take long. More come with
// -rapid.checks.
func thirdOf(check func(*rapid.T)) func(*rapid.T) {
	var n atomic.Int64
	return func(t *rapid.T) {
		if n.Add(1)%3 == 1 {
			check(t)
		}
	}
}

type fatal interface{ Fatalf(string, ...any) }

// call makes a request with a message id, if it has one.
func call(t fatal, nc *nats.Conn, op, body, id string) string {
	msg := nats.NewMsg("database." + op)
	msg.Data = []byte(body)
	if id != "" {
		msg.Header.Set(jetstream.MsgIDHeader, id)
	}
	reply, err := nc.RequestMsg(msg, 4*time.Minute)
	if err != nil {
		t.Fatalf("%s %s: %v", op, body, err)
	}
	return string(reply.Data)
}

type answer struct {
	Success  bool
	ID       *event.ID
	Data     json.RawMessage
	Revision uint64
	Changed  int
	Code     event.Code `json:"error_code"`
	Count    int
}

// cluster is several instances of the service on one server, one of which keeps
// no collection in memory, and several clients.
func cluster(t *testing.T) (clients []*nats.Conn) {
	t.Helper()
	server := streamstest.Server(t)
	for _, limit := range []int64{1 << 30, 1 << 30, 1} {
		nc := streamstest.Connect(t, server)
		serve(t, nc, kvstore.WithMemoryLimit(limit))
		clients = append(clients, streamstest.Connect(t, server))
	}
	return clients
}

var recordModel = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		before, i, o := s.(state), in.(input), out.(output)
		exists := before.revision != 0
		switch i.op {
		case "get":
			return o.ok == exists && (!exists || o.value == before.value && o.revision == before.revision), before
		case "set":
			return o.ok && o.revision > before.revision, state{i.value, o.revision}
		case "setIf":
			if !o.ok {
				return o.code == event.DatabaseError && before.revision != i.when, before
			}
			return before.revision == i.when && o.revision > before.revision, state{i.value, o.revision}
		case "delete":
			if !o.ok {
				return o.code == event.RecordNotFound && !exists, before
			}
			return exists, state{}
		case "inc":
			if !o.ok {
				return o.code == event.RecordNotFound && !exists, before
			}
			return exists && o.revision > before.revision, state{before.value + i.value, o.revision}
		}
		return false, before
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// The operations on one record are linearizable: there is an order of them, in
// keeping with when they began and ended, in which each has its outcome.
func TestRecordsAreLinearizable(t *testing.T) {
	t.Parallel()
	clients := cluster(t)
	var operations, records atomic.Int64
	rapid.Check(t, thirdOf(func(t *rapid.T) {
		record := fmt.Sprint("r", records.Add(1))
		type step struct {
			input
			again bool // send it twice, with a message id
		}
		plans := make([][]step, rapid.IntRange(2, 6).Draw(t, "clients"))
		for c := range plans {
			for range rapid.IntRange(4, 12).Draw(t, "operations") {
				plans[c] = append(plans[c], step{input{
					op:    rapid.SampledFrom([]string{"get", "get", "set", "setIf", "delete", "inc", "inc"}).Draw(t, "op"),
					value: int64(rapid.IntRange(1, 1000).Draw(t, "value")),
				}, rapid.IntRange(0, 3).Draw(t, "again") == 0})
			}
		}
		var mu sync.Mutex
		var history []porcupine.Operation
		var failure error
		var wait sync.WaitGroup
		start := time.Now()
		for c, plan := range plans {
			wait.Go(func() {
				var seen uint64
				for i, s := range plan {
					if s.op == "setIf" {
						s.when = seen
					}
					begun := time.Since(start)
					out, err := perform(clients[c%len(clients)], record, s.input, fmt.Sprintf("%s/%d/%d", record, c, i), s.again)
					ended := time.Since(start)
					if out.revision > 0 {
						seen = out.revision
					}
					mu.Lock()
					if err != nil {
						failure = err
					}
					history = append(history, porcupine.Operation{ClientId: c, Input: s.input, Output: out, Call: begun.Nanoseconds(), Return: ended.Nanoseconds()})
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		operations.Add(int64(len(history)))
		if failure != nil {
			t.Fatal(failure)
		}
		if result := porcupine.CheckOperationsTimeout(recordModel, history, 4*time.Minute); result != porcupine.Ok {
			for _, o := range history {
				t.Logf("%d %d-%d %+v -> %+v", o.ClientId, o.Call, o.Return, o.Input, o.Output)
			}
			t.Fatalf("not linearizable: %s", result)
		}
	}))
	t.Logf("%d operations", operations.Load())
}

type failures struct{ err error }

func perform(nc *nats.Conn, record string, in input, msgID string, again bool) (output, error) {
	var op, body string
	switch in.op {
	case "get":
		op, body = "get", fmt.Sprintf(`{"collection":"linear","id":%q}`, record)
	case "set":
		op, body = "set", fmt.Sprintf(`{"collection":"linear","id":%q,"data":{"v":%d}}`, record, in.value)
	case "setIf":
		op, body = "set", fmt.Sprintf(`{"collection":"linear","id":%q,"data":{"v":%d},"if_revision":%d}`, record, in.value, in.when)
	case "delete":
		op, body = "delete", fmt.Sprintf(`{"collection":"linear","id":%q}`, record)
	case "inc":
		op, body = "update", fmt.Sprintf(`{"collection":"linear","id":%q,"ops":{"$inc":{"v":%d}}}`, record, in.value)
	}
	var f failures
	got := call(&f, nc, op, body, msgID)
	if again && in.op != "get" && f.err == nil && strings.Contains(got, `"success":true`) {
		if repeated := call(&f, nc, op, body, msgID); f.err == nil && repeated != got {
			return output{}, fmt.Errorf("%s %s\nfirst  %s\nagain %s", op, body, got, repeated)
		}
	}
	if f.err != nil {
		return output{}, f.err
	}
	var a struct {
		answer
		Data struct{ V int64 }
	}
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		return output{}, fmt.Errorf("%s: %w", got, err)
	}
	return output{a.Success, a.Code, a.Data.V, a.Revision}, nil
}

// What one record's operations do, for the linearizability checker.
type (
	input struct {
		op    string // get, set, setIf, delete, inc
		value int64
		when  uint64 // setIf: the revision
	}
	output struct {
		ok       bool
		code     event.Code
		value    int64
		revision uint64
	}
	state struct {
		value    int64
		revision uint64 // 0: there is no record
	}
)

func (f *failures) Fatalf(format string, args ...any) { f.err = fmt.Errorf(format, args...) }
