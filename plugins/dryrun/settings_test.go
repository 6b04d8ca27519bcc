package dryrun_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A handler that asked nothing and said nothing saw the setting that was made while its event
// waited.
func TestSettingMadeWhileAnEventWaits(t *testing.T) {
	t.Parallel()
	began, set := newGate(), newGate()
	p := concurrent("hush", map[string]plugins.Handler{
		"wait": func(*plugins.Context) ([]event.Envelope, error) { began.pass(); set.await(); return nil, nil },
		"hush": func(c *plugins.Context) ([]event.Envelope, error) {
			if plugins.SettingsOf[volume](c).Volume == 9 {
				return nil, nil
			}
			return c.Say("hush"), nil
		},
	})
	p.Settings = volume{}
	channel := plugintest.Run(t, p)
	channel.Type("alice", 1, "!wait")
	began.await()
	channel.Type("alice", 1, "!hush")
	channel.Emitted(event.CommandSubject(p.Name))
	channel.Emitted(event.CommandSubject(p.Name))
	channel.Set(p.Name, "volume", "9")
	set.pass()
	channel.Settle(p.Name)
	if said := channel.Said(); len(said) > 0 {
		t.Fatalf("the handler did not see the setting: %q", said)
	}
	allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 0)
}

// Which settings an answer was made with is known where nothing could be kept of its handler.
func TestSettingsWithoutExchanges(t *testing.T) {
	t.Parallel()
	for name, may := range map[string][]string{"unlimited": nil, "limited": {event.CapabilityChat}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := loud()
			p.Capabilities = may
			channel := plugintest.Run(t, p)
			for _, volume := range []string{"1", "2"} {
				channel.Set(p.Name, "volume", volume)
				channel.Say("alice", "!loud")
			}
			err := channel.Bus.JetStream().DeleteStream(streamstest.Context(t), "KV_exchanges")
			if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Fatal(err)
			}
			allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 2)
		})
	}
}

// A handler may not have seen a setting that was made just before, the first of its plugin.
// Its outputs say so; of those of earlier releases nothing was kept then.
func TestFirstSettingBesideAHandler(t *testing.T) {
	t.Parallel()
	p := loud()
	channel := plugintest.Run(t, p)
	channel.Say("alice", "!loud")
	channel.Set(p.Name, "volume", "9")
	kase := record(t, channel, p, replay.Filter{})
	allSame(t, run(t, kase, p), 1)
	handled := kase.Events[0].At.Add(kase.Events[0].Waited)
	var saved, moved, earlier bytes.Buffer
	if err := kase.Save(&saved); err != nil {
		t.Fatal(err)
	}
	changes := 0
	for text := range bytes.Lines(saved.Bytes()) {
		var line map[string]map[string]any
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		if change := line["change"]; change != nil {
			change["at"] = handled
			changes++
		}
		if err := json.NewEncoder(&moved).Encode(line); err != nil {
			t.Fatal(err)
		}
		delete(line["event"], "settings")
		if err := json.NewEncoder(&earlier).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	if changes != 1 {
		t.Fatalf("the case has %d changes:\n%s", changes, saved.String())
	}
	for _, file := range []*bytes.Buffer{&moved, &earlier} {
		loaded, err := dryrun.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		allSame(t, run(t, loaded, p), 1)
	}
}
