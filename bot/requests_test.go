package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A request for an ability is answered with its outcome.
func TestChannelRequests(t *testing.T) {
	t.Parallel()
	site, err := cytubetest.Start(cytubetest.Config{
		Accounts: []cytubetest.Account{{Name: "rosey", Password: "secret"}},
		Channels: []cytubetest.Channel{{Name: "lounge", Ranks: map[string]float64{"rosey": 3}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	ctx, cancel := context.WithCancel(streamstest.Context(t))
	t.Cleanup(cancel)
	bus := streamstest.Bus(t, streamstest.Server(t))
	log := slog.New(slog.DiscardHandler)
	connector := cytube.New(bus, cytube.Config{Config: sender.Config{Channel: "lounge"}, Site: site.URL(), User: "rosey", Password: "secret"})
	go func() { _ = connector.Run(ctx) }()
	go func() { _ = channelRequests{bus: bus, log: log}.run(ctx) }()
	// The stream that records requests is a responder to NATS: one before all endpoints
	// listen would time out.
	err = retry.Do(ctx, retry.Policy{Initial: 5 * time.Millisecond, Max: 50 * time.Millisecond}, func(ctx context.Context) error {
		var info micro.Info
		m, err := bus.Conn().RequestWithContext(ctx, "$SRV.INFO."+channelService, nil)
		if err == nil {
			err = json.Unmarshal(m.Data, &info)
		}
		if missing := len(ability.Subjects()) - len(info.Endpoints); err == nil && missing > 0 {
			err = fmt.Errorf("%d endpoints do not listen yet", missing)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ability string
		payload any
		status  string
	}{
		{"media.lock", event.SendMediaLock{Locked: false}, event.DeliveryDone},
		{"media.lock", event.SendMediaLock{Locked: false}, event.DeliveryAlready},
		{"moderation.kick", event.SendModeration{User: "nobody"}, event.DeliveryRefused},
	} {
		var d event.Delivery
		reply, err := bus.Request(ctx, event.RequestSubject("channel", step.ability), step.payload, streams.Within(sender.DoTimeout))
		if err == nil {
			err = json.Unmarshal(reply, &d)
		}
		if err != nil {
			t.Fatalf("%s: %v", step.ability, err)
		}
		if d.Status != step.status {
			t.Errorf("%s: %+v, want %s", step.ability, d, step.status)
		}
	}
	if _, err := bus.Request(ctx, event.RequestSubject("channel", "media", "move"), map[string]any{"uid": "x"}); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("a request that breaks the contract: %v", err)
	}
}
