package streams_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// maintained starts a Maintainer and returns once it knows what is there: it has set
// right a durable that somebody changed.
func maintained(t *testing.T, bus *streams.Bus, remade chan<- string) *streams.Maintainer {
	t.Helper()
	ctx, js := streamstest.Context(t), bus.JetStream()
	c, err := bus.Durable(ctx, streams.Plugin, jetstream.ConsumerConfig{Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 7})
	if err != nil {
		t.Fatal(err)
	}
	config := c.CachedInfo().Config
	config.MaxDeliver, config.MaxAckPending = 1, 1
	if _, err := js.UpdateConsumer(ctx, streams.Plugin, config); err != nil {
		t.Fatal(err)
	}
	m := streams.NewMaintainer(bus, streams.Options{}, slog.New(slog.DiscardHandler))
	m.OnRecreate(streams.Registrations, func(context.Context) error { remade <- streams.Registrations; return nil })
	running, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(running) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	eventually(t, "the consumer", func(ctx context.Context) error {
		if info, err := c.Info(ctx); err != nil || info.Config.MaxDeliver != 7 || info.Config.MaxAckPending == 1 {
			return errors.Join(err, errors.New("is as somebody set it"))
		}
		return nil
	})
	return m
}

func eventually(t *testing.T, what string, fn func(context.Context) error) {
	t.Helper()
	if err := retry.Do(streamstest.Context(t), retry.Every(20*time.Millisecond), fn); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// While the bot runs, a stream that is deleted is made again, after the sequences that it
// had, and what somebody changed of a stream or a durable is set right.
func TestMaintainerOfStreams(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	last := streamstest.Publish(t, bus, event.SubjectChat, event.Chat{User: "alice", Message: "hi", Channel: "main"}).Ref.Seq
	m := maintained(t, bus, nil)
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	small := s.CachedInfo().Config
	small.MaxMsgSize = 150
	if _, err := js.UpdateStream(ctx, small); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream", func(ctx context.Context) error {
		if info, err := s.Info(ctx); err != nil || info.Config.MaxMsgSize != -1 {
			return errors.Join(err, errors.New("has max_msg_size"))
		}
		return nil
	})
	if err := js.DeleteStream(ctx, streams.Cytube); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream", func(ctx context.Context) error {
		info, err := js.Stream(ctx, streams.Cytube)
		if err == nil && info.CachedInfo().State.LastSeq <= last {
			t.Errorf("sequences are used again from %d", info.CachedInfo().State.LastSeq)
		}
		return err
	})
	if err := m.Problem(); err != nil {
		t.Error(err)
	}
	small.MaxMsgSize, small.Sealed = -1, true
	if _, err := js.UpdateStream(ctx, small); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what cannot be set right", func(context.Context) error {
		if err := m.Problem(); err == nil || !strings.Contains(err.Error(), "sealed") {
			return errors.New("is not told")
		}
		return nil
	})
}

// A bucket that is deleted is made again with its settings, and what this process knows is
// written into it.
func TestMaintainerOfBuckets(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: streams.Registrations, History: 5})
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, jsapi.BucketStream(streams.Registrations))
	if err != nil {
		t.Fatal(err)
	}
	remade := make(chan string, 1)
	maintained(t, bus, remade)
	config := s.CachedInfo().Config
	config.MaxAge = time.Hour
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bucket", func(ctx context.Context) error {
		if info, err := s.Info(ctx); err != nil || info.Config.MaxAge != 0 {
			return errors.Join(err, errors.New("has a max_age"))
		}
		return nil
	})
	if err := js.DeleteKeyValue(ctx, streams.Registrations); err != nil {
		t.Fatal(err)
	}
	<-remade
	status, err := kv.Status(ctx)
	if err != nil || status.History() != 5 {
		t.Errorf("the bucket keeps %d revisions, %v", status.History(), err)
	}
}

// An event that a stream refuses for a limit that somebody set waits until it is removed.
func TestLimitedStream(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.MaxMsgSize = 150
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	line, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: strings.Repeat("words ", 40), Channel: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(ctx, line); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "max_msg_size") {
		t.Errorf("the reason is %v", err)
	}
	maintained(t, bus, nil)
	config.MaxMsgSize++
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Publish(ctx, line, streams.WithMsgID("1"), streams.WithRetry(time.Minute)); err != nil {
		t.Error(err)
	}
}

// A bucket that was seen before it was opened stays as it is opened: one of an earlier
// release allows rollups until then, and may have a limit.
func TestMaintainerLeavesWhatWasOpened(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	c := jetstream.KeyValueConfig{Bucket: streams.Registrations, MaxBytes: 1 << 20}
	if _, err := js.CreateKeyValue(ctx, c); err != nil {
		t.Fatal(err)
	}
	updated := make(chan *nats.Msg, 64)
	if _, err := bus.Conn().ChanSubscribe("$JS.EVENT.ADVISORY.STREAM.UPDATED."+jsapi.BucketStream(streams.Registrations), updated); err != nil {
		t.Fatal(err)
	}
	maintained(t, bus, nil)
	if _, err := jsapi.OpenBucket(ctx, js, jetstream.KeyValueConfig{Bucket: streams.Registrations, History: 3}); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, jsapi.BucketStream(streams.Registrations))
	if err != nil {
		t.Fatal(err)
	}
	changed := s.CachedInfo().Config
	changed.MaxMsgSize = 100
	if _, err := js.UpdateStream(ctx, changed); err != nil {
		t.Fatal(err)
	}
	for range 3 { // opened, changed, set right
		<-updated
	}
	info, err := s.Info(ctx)
	if have := info.Config; err != nil || have.AllowRollup || have.MaxBytes != -1 || have.MaxMsgsPerSubject != 3 || have.MaxMsgSize != -1 {
		t.Errorf("it has %+v, %v", have, err)
	}
}

// What else the account holds is not the bot's: it stays deleted, or as somebody set it.
func TestMaintainerLeavesBucketsOfOthers(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	for _, bucket := range []string{"kept", "deleted", streams.Registrations} {
		if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
	}
	remade := make(chan string, 1)
	maintained(t, bus, remade)
	if _, err := js.UpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "kept", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{"deleted", streams.Registrations} {
		if err := js.DeleteKeyValue(ctx, bucket); err != nil {
			t.Fatal(err)
		}
	}
	<-remade // after the other in the alphabet
	if _, err := js.KeyValue(ctx, "deleted"); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("the deleted bucket is there again: %v", err)
	}
	if kept, err := js.KeyValue(ctx, "kept"); err != nil {
		t.Error(err)
	} else if status, err := kept.Status(ctx); err != nil || status.TTL() != time.Hour {
		t.Errorf("the other bucket has a TTL of %s, %v", status.TTL(), err)
	}
}
