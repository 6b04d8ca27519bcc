package streams_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A lower limit deletes events only if that was accepted up to the last of them, and the
// error says what it would delete.
func TestLowerLimitsNeedConsent(t *testing.T) {
	t.Parallel()
	js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
	ctx := streamstest.Context(t)
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	const size, events = 10_000, 40
	for range events {
		if _, err := js.Publish(ctx, event.SubjectChat, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	open := func(accept time.Time) (told []streams.RetentionLoss, held uint64) {
		t.Helper()
		limits := streams.Limits{MaxBytes: size * events / 2, AcceptLoss: accept}
		o := streams.Options{Limits: map[string]streams.Limits{streams.Cytube: limits}, OnLoss: func(c streams.RetentionLoss, _ bool) { told = append(told, c) }}
		if err := streams.Open(ctx, js, o); err != nil {
			t.Fatal(err)
		}
		info, err := s.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return told, info.State.Msgs
	}
	for _, accept := range []time.Time{{}, time.Now().AddDate(0, 0, -1)} {
		told, held := open(accept)
		if held != events || len(told) != 1 || told[0].Events < events/2-1 || told[0].Events > events/2+5 {
			t.Errorf("accepted to %s: %d events are left, told %v", accept, held, told)
		}
	}
	if told, held := open(time.Now().AddDate(0, 0, 1)); held > events/2 || len(told) != 1 {
		t.Errorf("accepted: %d events are left, told %v", held, told)
	}
	if told, _ := open(time.Time{}); len(told) != 0 {
		t.Errorf("of limits that are as low already: %v", told)
	}
}

// Whatever setting of a stream somebody changed, Open names it and puts it right, or says
// that it cannot.
func TestChangedSettings(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "changes each setting")
	ctx := streamstest.Context(t)
	for name, tc := range map[string]struct {
		change func(c *jetstream.StreamConfig)
		lasts  bool
	}{
		"max_msg_size":         {func(c *jetstream.StreamConfig) { c.MaxMsgSize = 150 }, false},
		"max_msgs":             {func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 }, false},
		"max_msgs_per_subject": {func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, false},
		"discard":              {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew }, false},
		"duplicate_window":     {func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }, false},
		"allow_rollup_hdrs":    {func(c *jetstream.StreamConfig) { c.AllowRollup = true }, false},
		"allow_direct":         {func(c *jetstream.StreamConfig) { c.AllowDirect = false }, false},
		"subjects":             {func(c *jetstream.StreamConfig) { c.Subjects = []string{"cytube.event.>"} }, false},
		"max_age":              {func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, false},
		"compression":          {func(c *jetstream.StreamConfig) { c.Compression = jetstream.NoCompression }, false},
		"max_bytes":            {func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, false},
		"sealed":               {func(c *jetstream.StreamConfig) { c.Sealed = true }, true},
		"deny_delete":          {func(c *jetstream.StreamConfig) { c.DenyDelete = true }, true},
		"deny_purge":           {func(c *jetstream.StreamConfig) { c.DenyPurge = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := streamstest.Bus(t, streamstest.Server(t)).JetStream()
			s, err := js.Stream(ctx, streams.Cytube)
			if err != nil {
				t.Fatal(err)
			}
			config := s.CachedInfo().Config
			tc.change(&config)
			if s, err = js.UpdateStream(ctx, config); err != nil {
				t.Fatal(err)
			}
			found, err := streams.Specs()[0].Differences(s.CachedInfo().Config, streams.Options{})
			if tc.lasts != (err != nil) || !tc.lasts && len(found) != 1 {
				t.Errorf("differences %v, %v", found, err)
			}
			if err := streams.Open(ctx, js, streams.Options{}); tc.lasts != (err != nil) {
				t.Errorf("open: %v", err)
			}
			if tc.lasts {
				return
			}
			info, err := s.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := streams.Specs()[0].Differences(info.Config, streams.Options{}); err != nil || len(found) != 0 {
				t.Errorf("after Open %v, %v", found, err)
			}
		})
	}
}
