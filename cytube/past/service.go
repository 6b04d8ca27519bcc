package past

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// subject is where Serve answers requests for the state of a channel.
var subject = event.RequestSubject("channel", "state")

type request struct {
	Channel string   `json:"channel"` // may be left out where the bot is in one only
	At      int64    `json:"at"`      // ms; 0 for now
	Parts   []string `json:"parts"`   // none: all
}

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
	a := answers{js: bus.JetStream(), channels: channels, now: map[string]*Moment{}}
	if err := service.AddEndpoint("state", bus.Service(ctx, a.answer), micro.WithEndpointSubject(subject)); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

// answers answers requests. It keeps the channels as they are, so that a request reads only
// what was stored since the one before.
type answers struct {
	js       jetstream.JetStream
	channels []string
	mu       sync.Mutex
	now      map[string]*Moment
}

func (a *answers) answer(ctx context.Context, e event.Envelope) (any, error) {
	var r request
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return nil, event.Errorf(event.InvalidInput, "the request must be {channel, at, parts}: %w", err)
	}
	if r.Channel == "" && len(a.channels) == 1 {
		r.Channel = a.channels[0]
	}
	if r.Channel == "" {
		return nil, event.Errorf(event.InvalidInput, "name one of the channels that the bot is in: %s", strings.Join(a.channels, ", "))
	}
	if len(r.Parts) == 0 {
		r.Parts = slices.Concat(view.Parts(), Extra, []string{partBot})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m, err := a.moment(ctx, r)
	if err != nil {
		return nil, event.AsError(err, event.NATSError)
	}
	data := map[string]json.RawMessage{}
	for _, part := range r.Parts {
		if part == partBot {
			data[part], err = a.bot(ctx, m.Channel)
		} else {
			data[part], err = m.Show(part)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.At == 0 {
		r.At = time.Now().UnixMilli()
	}
	return reply{Success: true, Channel: m.Channel, At: r.At, Data: data}, nil
}

// moment returns the channel that a request is about, at its time.
func (a *answers) moment(ctx context.Context, r request) (Moment, error) {
	if r.At != 0 {
		return At(ctx, a.js, r.Channel, time.UnixMilli(r.At))
	}
	key := strings.ToLower(r.Channel)
	m := a.now[key]
	if m == nil {
		first, err := At(ctx, a.js, r.Channel, time.Time{})
		if err == nil && slices.ContainsFunc(a.channels, func(name string) bool { return strings.EqualFold(name, key) }) {
			a.now[key] = &first
		}
		return first, err
	}
	if err := m.Advance(ctx, a.js); err != nil {
		delete(a.now, key) // some events may be folded and others not
		return Moment{}, err
	}
	return *m, nil
}

// partBot is the name of the bot, which is no part of a channel.
const partBot = "bot"

func (a *answers) bot(ctx context.Context, channel string) (json.RawMessage, error) {
	c, _, err := history.New(a.js, channel).Checkpoint(ctx)
	if err != nil {
		return nil, event.AsError(err, event.NATSError)
	}
	return json.Marshal(c.Bot)
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
