package past

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Subject is where Serve answers requests for the state of a channel.
var Subject = event.RequestSubject("channel", "state")

// request is a request for the state of a channel.
type request struct {
	Channel string   `json:"channel"` // may be left out where the bot is in one only
	At      int64    `json:"at"`      // ms; 0 for now
	Parts   []string `json:"parts"`   // none: all
}

// reply is the answer.
type reply struct {
	Success bool                       `json:"success"`
	Channel string                     `json:"channel"`
	At      int64                      `json:"at"`
	Data    map[string]json.RawMessage `json:"data"` // by part; null: not known
	Error   *string                    `json:"error"`
}

// Serve answers requests for the state of channels, as they are or were, until ctx ends. It
// calls ready once it does. A request that names no channel is about that of the bot, if
// it has one only.
func Serve(ctx context.Context, bus *streams.Bus, channels []string, ready func()) error {
	service, err := micro.AddService(bus.Conn(), micro.Config{Name: "channel-state", Version: "1.0.0", Description: "Channels as they are or were"})
	if err != nil {
		return err
	}
	defer func() { _ = service.Stop() }()
	answer := func(ctx context.Context, e event.Envelope) (any, error) {
		return answer(ctx, bus.JetStream(), channels, e)
	}
	if err := service.AddEndpoint("state", bus.Service(ctx, answer), micro.WithEndpointSubject(Subject)); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

func answer(ctx context.Context, js jetstream.JetStream, channels []string, e event.Envelope) (any, error) {
	var r request
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return nil, event.Errorf(event.InvalidInput, "the request must be {channel, at, parts}: %w", err)
	}
	if r.Channel == "" && len(channels) == 1 {
		r.Channel = channels[0]
	}
	if r.Channel == "" {
		return nil, event.Errorf(event.InvalidInput, "name one of the channels that the bot is in: %s", strings.Join(channels, ", "))
	}
	at := time.Time{}
	if r.At != 0 {
		at = time.UnixMilli(r.At)
	}
	if len(r.Parts) == 0 {
		r.Parts = append(view.Parts(), Extra...)
	}
	data := map[string]json.RawMessage{}
	m, err := At(ctx, js, r.Channel, at)
	if err != nil {
		return nil, event.AsError(err, event.NATSError)
	}
	for _, part := range r.Parts {
		if data[part], err = m.Show(part); err != nil {
			return nil, err
		}
	}
	if r.At == 0 {
		r.At = time.Now().UnixMilli()
	}
	return reply{Success: true, Channel: m.Channel, At: r.At, Data: data}, nil
}

// Extra are what a channel shows beside its parts: what plays, the votes to skip it, and how
// many are there.
var Extra = []string{"playing", "count", "votes"}

// Show returns a part, or one of Extra, as JSON.
func (m Moment) Show(part string) (json.RawMessage, error) {
	if slices.Contains(Extra, part) {
		all, err := json.Marshal(m.View)
		if err != nil {
			return nil, err
		}
		var fields map[string]json.RawMessage
		err = json.Unmarshal(all, &fields)
		return fields[part], err
	}
	if _, err := view.ChangesOf(part); err != nil {
		return nil, err
	}
	return m.Part(part), nil
}
