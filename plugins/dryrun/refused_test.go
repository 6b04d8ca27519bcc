package dryrun_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/eightball"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const head, good = caseHead, caseEvent
	if _, err := dryrun.Load(strings.NewReader(head + "\n" + good)); err != nil {
		t.Errorf("a good case: %v", err)
	}
	for text, says := range map[string]string{
		"":            "has no events",
		head:          "has no events",
		"{":           "line 1",
		good:          "begins with a line that names its plugin",
		head + "{}":   "line 2 of the case: it holds none of",
		head + "null": "line 2 of the case: it holds none of",
		`{"case":{"layout":3,"plugin":"tester"}}`:                            "layout 3",
		head + `{"record":{"table":"x","id":1,"data":{}}}`:                   `no table "x"`,
		head + strings.Replace(good, "PLUGIN:1", "PLUGIN", 1):                "line 2 of the case: \"PLUGIN\" is not a stored event",
		head + strings.Replace(good, `"user":"a"`, `"user":1`, 1):            "user must be a string",
		head + strings.Replace(good, "2026-11-24T14:05:00Z", "yesterday", 1): "line 2",
	} {
		if _, err := dryrun.Load(strings.NewReader(text)); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want INVALID_INPUT that says %q", text, err, says)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	kase, err := dryrun.Load(strings.NewReader(caseHead + caseEvent))
	if err != nil {
		t.Fatal(err)
	}
	unready := tester(nil)
	unready.Start = func(*plugins.Context) error { return errors.New("no questions") }
	invalid := tester(nil)
	invalid.Version = ""
	cancelled, cancel := context.WithCancel(streamstest.Context(t))
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		p    plugins.Plugin
		says string
	}{
		{streamstest.Context(t), eightball.New(), "of plugin tester, not of 8ball"},
		{streamstest.Context(t), unready, "no questions"},
		{streamstest.Context(t), invalid, "has no version"},
		{cancelled, tester(nil), "canceled"},
	} {
		n := 0
		for _, err := range dryrun.Run(c.ctx, kase, c.p, dryrun.Options{}) {
			if n++; err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		}
		if n != 1 {
			t.Errorf("%d results, want an error", n)
		}
	}
	for range dryrun.Run(streamstest.Context(t), kase, tester(nil), dryrun.Options{}) {
		break // leaves nothing behind
	}
}

func TestRecordOfNothing(t *testing.T) {
	t.Parallel()
	server := streamstest.Server(t)
	_, err := dryrun.Record(streamstest.Context(t), streamstest.Bus(t, server).JetStream(), tester(nil), replay.Filter{}, nil)
	if !errors.Is(err, replay.ErrNoMatch) || !strings.Contains(err.Error(), "tester handles") {
		t.Errorf("of nothing: %v", err)
	}
}
