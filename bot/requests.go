package bot

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go/micro"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/streams"
)

// channelService is the name under which requests for abilities are answered, as
// plugin.channel.request.{area}.{ability}.
const channelService = "channel"

// channelRequests answers requests that ask something of a channel: it publishes each as
// the send of its payload, and replies with the outcome.
type channelRequests struct {
	bus *streams.Bus
	log *slog.Logger
}

func (r channelRequests) run(ctx context.Context) error {
	service, err := micro.AddService(r.bus.Conn(), micro.Config{
		Name: channelService, Version: version.Semantic(), Description: "Does in a channel what it is asked for",
	})
	if err != nil {
		return fmt.Errorf("add service %s: %w", channelService, err)
	}
	defer func() { _ = service.Stop() }()
	answer := r.bus.Service(ctx, r.answer)
	// Several may wait for their outcomes at a time.
	handler := micro.HandlerFunc(func(req micro.Request) { go answer.Handle(req) })
	for _, subject := range ability.Subjects() {
		area := strings.TrimPrefix(subject, sendPrefix)
		request := event.RequestSubject(channelService, strings.Split(area, ".")...)
		if err := service.AddEndpoint(strings.ReplaceAll(area, ".", "-"), handler, micro.WithEndpointSubject(request)); err != nil {
			return fmt.Errorf("add endpoint %s: %w", request, err)
		}
	}
	<-ctx.Done()
	return nil
}

const sendPrefix = "cytube.send."

func (r channelRequests) answer(ctx context.Context, request event.Envelope) (any, error) {
	send := request
	send.Subject = sendPrefix + strings.TrimPrefix(request.Subject, event.RequestSubject(channelService)+".")
	d, _, err := sender.Do(ctx, r.bus, send)
	if err != nil {
		return nil, err
	}
	r.log.DebugContext(ctx, "request for an ability answered", "subject", send.Subject, "status", d.Status)
	return d, nil
}
