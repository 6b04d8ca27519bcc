package jsapi_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Processes that change a document at the same time lose no change, also where somebody has
// deleted its key.
func TestChangeJSON(t *testing.T) {
	t.Parallel()
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	kv, err := jsapi.OpenBucket(t.Context(), js, jetstream.KeyValueConfig{Bucket: "documents"})
	if err != nil {
		t.Fatal(err)
	}
	const processes, changes = 8, 10
	for _, step := range []string{"a key that is not there", "a key that was deleted"} {
		var running sync.WaitGroup
		for range processes {
			running.Go(func() {
				for range changes {
					if err := jsapi.ChangeJSON(t.Context(), kv, "count", func(n *int) bool { *n++; return true }); err != nil {
						t.Errorf("%s: %v", step, err)
					}
				}
			})
		}
		running.Wait()
		n, revision, err := jsapi.ReadJSON[int](t.Context(), kv, "count")
		if err != nil || n != processes*changes || revision == 0 {
			t.Errorf("%s: %d at revision %d (%v), want %d", step, n, revision, err, processes*changes)
		}
		if err := kv.Delete(t.Context(), "count"); err != nil {
			t.Fatal(err)
		}
	}
}

// A document that is not changed is not written.
func TestChangeJSONOfNothing(t *testing.T) {
	t.Parallel()
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	kv, err := jsapi.OpenBucket(t.Context(), js, jetstream.KeyValueConfig{Bucket: "documents"})
	if err != nil {
		t.Fatal(err)
	}
	if err := jsapi.ChangeJSON(t.Context(), kv, "count", func(*int) bool { return false }); err != nil {
		t.Error(err)
	}
	if _, revision, err := jsapi.ReadJSON[int](t.Context(), kv, "count"); err != nil || revision != 0 {
		t.Errorf("revision %d (%v), want none", revision, err)
	}
}
