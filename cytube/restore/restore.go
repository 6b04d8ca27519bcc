package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Restorer brings a channel back to what it was at a time.
type Restorer struct {
	Bus     *streams.Bus
	Channel string
	Bot     string // the bot's name in the channel
	At      time.Time
	Parts   []string
	For     string // on whose wish it happens, which is recorded; "" for nobody's

	// Done, if set, is called with the outcome of each step, the n-th of those that a round
	// can do.
	Done func(s Step, d event.Delivery, n, total int)
}

// Plan returns what is to be done now, in order. What others asked of the channel before is
// done first.
func (r Restorer) Plan(ctx context.Context) ([]Step, error) {
	then, err := past.At(ctx, r.Bus.JetStream(), r.Channel, r.At)
	if err != nil {
		return nil, err
	}
	if then.Empty() {
		return nil, event.Errorf(event.RecordNotFound, "nothing is known of channel %s at %s: no event says it", r.Channel, r.At.Local().Format(time.DateTime))
	}
	now, err := past.At(ctx, r.Bus.JetStream(), r.Channel, time.Time{})
	if err != nil {
		return nil, err
	}
	return withPosition(Plan(now.View, then.View, r.Bot, r.Parts), then.View, r.At), nil
}

// maxRounds bounds how often the plan is made anew, so that a Restorer does not fight with
// others who change the channel.
const maxRounds = 5

// Run does what can be done, and returns what is left then: what cannot be done, and what
// was refused. It keeps nothing: each round begins with what the channel is now, so that
// Run goes on where another was broken off. Steps that need what one before them made, such
// as the place of an item that was queued, are done in the next round.
func (r Restorer) Run(ctx context.Context) (left []Step, err error) {
	f, err := sender.Follow(ctx, r.Bus)
	if err != nil {
		return nil, err
	}
	defer f.Stop()
	tried, done := map[string]bool{}, map[string]bool{}
	for range maxRounds {
		if err := sender.Settle(ctx, r.Bus, r.Channel); err != nil {
			return nil, err
		}
		if left, err = r.Plan(ctx); err != nil {
			return nil, err
		}
		steps := untried(left, tried)
		if len(steps) == 0 {
			return untold(left, done), nil
		}
		for n, s := range steps {
			d, err := r.do(ctx, f, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Part, err)
			}
			done[s.key()] = d.Status == event.DeliveryDone || d.Status == event.DeliveryAlready
			if r.Done != nil {
				r.Done(s, d, n+1, len(steps))
			}
		}
	}
	left, err = r.Plan(ctx)
	return untold(left, done), err
}

// key tells steps apart that ask for different things.
func (s Step) key() string { return s.subject + string(marshal(s.payload)) }

// untold leaves out what was done of the lists that the server tells only when it is asked,
// which the bot does a moment later.
func untold(left []Step, done map[string]bool) []Step {
	return slices.DeleteFunc(left, func(s Step) bool {
		return done[s.key()] && (s.Part == view.PartRanks || s.Part == view.PartBans)
	})
}

// untried returns the steps that can be done and were not tried in a round before, and notes
// them.
func untried(steps []Step, tried map[string]bool) (list []Step) {
	fresh := map[string]bool{}
	for _, s := range steps {
		if s.Cannot != "" || s.subject == "" {
			continue
		}
		if key := s.key(); !tried[key] {
			fresh[key] = true
			list = append(list, s)
		}
	}
	for key := range fresh {
		tried[key] = true
	}
	return list
}

// do asks for a step and returns its outcome.
func (r Restorer) do(ctx context.Context, f *sender.Follower, s Step) (event.Delivery, error) {
	send, err := sender.NewSend(ctx, s.subject, s.payload, map[string]string{"channel": r.Channel, "for": r.For})
	if err != nil {
		return event.Delivery{}, err
	}
	d, _, err := f.Do(ctx, send)
	return d, err
}
