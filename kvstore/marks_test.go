package kvstore_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A collection whose bucket was deleted before its process died is named and made again by
// the next one, and gives no number again.
func TestCollectionDeletedBeforeAKill(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	first, js := newStore(t)
	for range 3 {
		set(t, first, "quotes", "", `{}`)
	}
	set(t, first, "scores", "alice", `{}`)
	set(t, first, "kept", "", `{}`)
	for _, collection := range []string{"quotes", "scores"} {
		if err := js.DeleteKeyValue(ctx, kvstore.BucketPrefix+collection); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	next := openStore(t, js, kvstore.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err := next.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	for _, collection := range []string{"quotes", "scores"} {
		if !strings.Contains(log.String(), "collection="+collection) {
			t.Errorf("the log does not name %s: %s", collection, &log)
		}
		if _, err := js.KeyValue(ctx, kvstore.BucketPrefix+collection); err != nil {
			t.Errorf("bucket of %s: %v", collection, err)
		}
	}
	if strings.Contains(log.String(), "kept") {
		t.Errorf("it names what is there: %s", &log)
	}
	if w := set(t, next, "quotes", "", `{}`); w.ID == event.IntID(1) || w.ID == event.IntID(2) || w.ID == event.IntID(3) {
		t.Errorf("the number %s is given again", w.ID)
	}
	if w := set(t, next, "kept", "", `{}`); w.ID != event.IntID(2) {
		t.Errorf("after 1 comes %s", w.ID)
	}
}
