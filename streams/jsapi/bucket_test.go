package jsapi_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A bucket that is opened first is made in one step: who looks at its settings never sees
// others. One that allows rollups, as nats.go makes it, denies them once it is opened.
func TestOpenBucketMakesItInOneStep(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	updated, err := bus.Conn().SubscribeSync("$JS.EVENT.ADVISORY.STREAM.UPDATED.*")
	if err != nil {
		t.Fatal(err)
	}
	c := jetstream.KeyValueConfig{Bucket: "new", Description: "notes", History: 5, TTL: time.Hour, Replicas: 1}
	open := func(bucket string) jetstream.StreamConfig {
		t.Helper()
		c.Bucket = bucket
		kv, err := jsapi.OpenBucket(ctx, js, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.PutString(ctx, "key", "value"); err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(ctx, jsapi.BucketStream(bucket))
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config
	}
	made := open("new")
	if err := bus.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := updated.Pending(); n > 0 || err != nil {
		t.Errorf("it was changed %d times after it was made, %v", n, err)
	}
	c.Bucket = "old"
	if _, err := js.CreateKeyValue(ctx, c); err != nil {
		t.Fatal(err)
	}
	raised := open("old")
	raised.Name, raised.Subjects = made.Name, made.Subjects
	if diff := cmp.Diff(made, raised); diff != "" || made.AllowRollup || !made.DenyDelete || made.MaxMsgsPerSubject != 5 {
		t.Errorf("a new bucket, and one that nats.go made (-new +old):\n%s", diff)
	}
}
