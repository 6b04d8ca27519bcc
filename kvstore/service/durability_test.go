package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// storeVariable tells this test program to be a server on that store.
const storeVariable = "KVSTORE_TEST_STORE"

// beServer runs a server and its database service until it is killed.
func beServer(store string) error {
	server, err := embedded.Start(embedded.Config{Store: store, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer server.Stop() // never runs, but keeps the server's lock from being collected
	nc, err := server.Connect()
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	records, err := kvstore.NewStore(js)
	if err != nil {
		return err
	}
	if err := service.New(nc, records, service.Options{}).Start(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(store, "ready"), nil, 0o600); err != nil {
		return err
	}
	select {}
}

// startProcess starts a server process on the store and connects to it.
func startProcess(t *testing.T, store string) (*exec.Cmd, *nats.Conn) {
	t.Helper()
	ready := filepath.Join(store, "ready")
	if err := os.RemoveAll(ready); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), storeVariable+"="+store)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		_ = cmd.Wait()
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(4 * time.Minute); ; <-tick.C {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server process did not start")
		}
	}
	info, err := connect.Find(store)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(info.URL, nats.UserInfo(info.User, info.Password), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	return cmd, nc
}

// kill -9 of the server and its service while it writes loses no write that was
// acknowledged, and gives no number twice afterwards.
func TestKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "kills processes")
	store := t.TempDir()
	log := writeLog{inserted: map[event.ID]string{}, increments: map[event.ID]int{}, attempts: map[event.ID]int{}}
	const rounds, writers, perRound = 3, 4, 150
	for round := range rounds {
		cmd, nc := startProcess(t, store)
		acknowledged := make(chan struct{}, writers*perRound*10)
		var wait sync.WaitGroup
		for w := range writers {
			if round == 0 {
				ask(t, nc, "database.set", fmt.Sprintf(`{"collection":"c","id":"w%d","data":{"n":0}}`, w))
			}
			wait.Go(func() { log.write(t, nc, round, w, acknowledged) })
		}
		for range perRound {
			select {
			case <-acknowledged:
			case <-streamstest.Context(t).Done():
				t.Fatal("too few writes were acknowledged")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the server process ended by itself")
		}
		wait.Wait()
		nc.Close()
	}
	_, nc := startProcess(t, store)
	defer nc.Close()
	log.check(t, newStore(t, nc), rounds*writers)
	t.Logf("%d inserts acknowledged over %d kills", len(log.inserted), rounds)
}

// A writeLog has what was acknowledged to writers.
type writeLog struct {
	mu         sync.Mutex
	inserted   map[event.ID]string
	increments map[event.ID]int // acknowledged
	attempts   map[event.ID]int
}

// write inserts records and increments the writer's counter until the server is killed.
func (l *writeLog) write(t *testing.T, nc *nats.Conn, round, writer int, acknowledged chan<- struct{}) {
	counter := event.ID(fmt.Sprintf("w%d", writer))
	for i := 0; ; i++ {
		data := fmt.Sprintf(`{"round":%d,"w":%d,"i":%d}`, round, writer, i)
		reply, err := nc.Request("database.set", []byte(`{"collection":"c","data":`+data+`}`), time.Minute)
		if err != nil {
			return // killed
		}
		var a struct {
			Success bool
			ID      event.ID
		}
		if err := json.Unmarshal(reply.Data, &a); err != nil || !a.Success {
			t.Errorf("insert: %s", reply.Data)
			return
		}
		l.mu.Lock()
		if _, twice := l.inserted[a.ID]; twice {
			t.Errorf("%s was given twice", a.ID)
		}
		l.inserted[a.ID] = data
		l.attempts[counter]++
		l.mu.Unlock()
		if _, err := nc.Request("database.update", fmt.Appendf(nil, `{"collection":"c","id":%q,"ops":{"$inc":{"n":1}}}`, counter), time.Minute); err != nil {
			return
		}
		l.mu.Lock()
		l.increments[counter]++
		l.mu.Unlock()
		select {
		case acknowledged <- struct{}{}:
		default:
		}
	}
}

// check looks for everything that was acknowledged, beside which there may be so many
// inserts that were not.
func (l *writeLog) check(t *testing.T, s *kvstore.Store, unacknowledged int) {
	t.Helper()
	for id, data := range l.inserted {
		want := fmt.Sprintf(`{"id":%s,%s`, id, data[1:])
		if got, err := s.Get(streamstest.Context(t), event.Get{Collection: "c", ID: id}); err != nil || string(got.Data) != want {
			t.Errorf("%s was acknowledged, and is %q, %v", want, got.Data, err)
		}
	}
	for id, n := range l.increments {
		r, err := s.Get(streamstest.Context(t), event.Get{Collection: "c", ID: id})
		var data struct{ N int }
		if err = errors.Join(err, json.Unmarshal(r.Data, &data)); err != nil || data.N < n || data.N > l.attempts[id] {
			t.Errorf("%s counts %d, of %d tried and %d acknowledged: %v", id, data.N, l.attempts[id], n, err)
		}
	}
	r, err := s.Query(streamstest.Context(t), event.Query{Collection: "c", Filter: json.RawMessage(`{"id":{"$gt":0}}`)})
	if err != nil || r.Count < len(l.inserted) || r.Count > len(l.inserted)+unacknowledged {
		t.Errorf("%d records for %d inserts, %v", r.Count, len(l.inserted), err)
	}
}
