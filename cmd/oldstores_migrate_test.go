package cmd

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

var errBrokenOff = errors.New("the process ends here")

// breaking is a JetStream whose process ends at a change to a stream.
type breaking struct {
	jetstream.JetStream
	changes int // that are made before
}

func (b *breaking) next() error {
	if b.changes--; b.changes < 0 {
		return errBrokenOff
	}
	return nil
}

func (b *breaking) UpdateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := b.next(); err != nil {
		return nil, err
	}
	return b.JetStream.UpdateStream(ctx, c)
}

func (b *breaking) CreateOrUpdateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := b.next(); err != nil {
		return nil, err
	}
	return b.JetStream.CreateOrUpdateStream(ctx, c)
}

// A migration that was broken off, at any change that it makes, is done at the next start,
// and the snapshot holds what was before the first.
func TestBrokenOffMigrationIsResumed(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "migrates a store many times")
	changes := 0
	for done := false; !done; changes++ {
		store := unpackStore(t, beforeTimer)
		kept := snapshot.OfFormat(store, 0)
		err := migrateStore(t, store, changes)
		if done = err == nil; !done && !errors.Is(err, errBrokenOff) {
			t.Fatal(err)
		}
		made, err := snapshot.Verify(t.Context(), kept, nil)
		if err != nil {
			t.Fatal(err)
		}
		js := openStore(t, store)
		if err := openStreams(t, js, store); err != nil {
			t.Fatal(err)
		}
		for _, spec := range streams.Specs() {
			s, err := js.Stream(t.Context(), spec.Name)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := spec.Differences(s.CachedInfo().Config, streams.Options{}); len(found) > 0 || err != nil {
				t.Errorf("after %d changes: %s: %q, %v", changes, spec.Name, found, err)
			}
		}
		if _, old, err := streams.OldFormat(t.Context(), js); old || err != nil {
			t.Errorf("after %d changes: old %t, %v", changes, old, err)
		}
		if again, err := snapshot.Open(kept); err != nil || again.Began != made.Began {
			t.Errorf("after %d changes: %v; a snapshot of %s instead of %s", changes, err, again.Began, made.Began)
		}
	}
	if changes < 6 {
		t.Errorf("the migration made %d changes", changes)
	}
}

// migrateStore opens a store and its streams, and ends after a number of changes.
func migrateStore(t *testing.T, store string, changes int) error {
	t.Helper()
	s, err := embedded.Start(embedded.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	nc := streamstest.Connect(t, s)
	defer func() { nc.Close(); err = errors.Join(err, s.Stop()) }()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return openStreams(t, &breaking{js, changes}, store)
}

// openStreams opens a store's streams as the bot does.
func openStreams(t *testing.T, js jetstream.JetStream, store string) error {
	t.Helper()
	return streams.Open(t.Context(), js, streams.Options{
		BeforeMigration: func(ctx context.Context, format int) error {
			_, err := snapshot.Ensure(ctx, js, snapshot.OfFormat(store, format))
			return err
		},
	})
}

// openStore opens a store for looking at it.
func openStore(t *testing.T, store string) jetstream.JetStream {
	t.Helper()
	s := streamstest.Start(t, embedded.Config{Store: store})
	js, err := jetstream.New(streamstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// The streams of an external server are backed up before they are migrated, too, into the
// directory of the bot.
func TestMigrationOfAnExternalServer(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	_, address := streamstest.External(t, unpackStore(t, beforeTimer), 1<<30)
	r, state := openChannels(t, "one"), t.TempDir()
	config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nstore: %s\nchannels:\n  - channel: one\n", r.site.URL(), address, state)
	bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config)
	r.awaitUser("one", bot)
	kept := snapshot.OfFormat(state, 0) + "-external"
	if m, err := snapshot.Verify(t.Context(), kept, nil); err != nil || len(m.Streams) == 0 {
		t.Errorf("the backup has %d streams: %v\n%s", len(m.Streams), err, bot.stderr.String())
	}
}
