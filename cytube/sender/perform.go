package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// abilities is the user under which all that is asked of the channel waits for its turn.
const abilities = " abilities"

// lookups is how many times EchoTimeout the server may look something up elsewhere.
const lookups = 3

// grace is how long an event may follow a frame that shows that something was done. Events
// that the state holds back come with the next frame, of which there is one each five seconds
// while something plays.
const grace = 6 * time.Second

// handleCall does what a send asks of the channel, in the order of such sends, and returns
// its cytube.delivery.
func (s *Sender) handleCall(ctx context.Context, send streams.Stored) ([]event.Envelope, error) {
	if mine, err := s.takes(ctx, send, ability.ChannelOf(send.Envelope)); err != nil || !mine {
		return nil, err
	}
	c, err := s.newCall(ctx, send)
	if err != nil {
		return nil, consumers.Permanent(err)
	}
	repeated, again, release, err := s.begin(ctx, send)
	if err != nil {
		return nil, err
	}
	defer release()
	place, _ := s.calls.enter("", math.MaxInt)
	defer s.calls.leave(place)
	consumers.ReadNext(ctx) // the next may take its place behind this one
	if err := s.await(ctx, place.ready); err != nil {
		return nil, err
	}
	if c.ability.Chat() { // the server counts it among the lines
		line, _ := s.turns.enter(abilities, math.MaxInt)
		defer s.turns.leave(line)
		if err := s.await(ctx, line.ready); err != nil {
			return nil, err
		}
	}
	outcome, err := s.perform(ctx, c, send, repeated, again)
	if err != nil || outcome == nil {
		return nil, err
	}
	return s.outcome(ctx, send, *outcome)
}

// await waits until a channel is closed or the Sender stops.
func (s *Sender) await(ctx context.Context, come <-chan struct{}) error {
	select {
	case <-come:
		return nil
	case <-s.stop:
		return consumers.ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outcome returns the cytube.delivery of a call.
func (s *Sender) outcome(ctx context.Context, send streams.Stored, o ability.Outcome) ([]event.Envelope, error) {
	d := s.about(send, event.Delivery{
		Channel: s.cfg.Channel, Status: o.Status, Code: o.Code, Reason: o.Reason, ConfirmedBy: o.ConfirmedBy.String(),
	})
	s.cfg.Count(func(n *Stats) { n.delivered(d.Status) })
	s.cfg.Logger.InfoContext(ctx, "ability ended", "subject", send.Subject, "send", d.Send, "channel", d.Channel, "status", d.Status,
		"code", d.Code, "reason", event.Personal(d.Reason))
	e, err := event.New(event.SubjectDelivery, d)
	return []event.Envelope{e}, consumers.Permanent(err)
}

// perform writes what a call asks for until its outcome is known. It returns nil if that is
// recorded already. Where a write may have reached the server, what is recorded and the
// channel's state decide whether there is another.
func (s *Sender) perform(ctx context.Context, c *Call, send streams.Stored, repeated, again bool) (*ability.Outcome, error) {
	defer s.Calls.end(c)
	deadline := s.deadline(ctx, send)
	for drops, losses := 0, 0; ; {
		if s.stopping() {
			return nil, consumers.ErrStopping
		}
		if repeated {
			if over, o, err := s.recall(ctx, c, send, again, deadline); over || err != nil {
				return o, err
			}
		}
		if err := s.awaitSlot(ctx, c, deadline); errors.Is(err, errExpired) {
			return &ability.Outcome{Status: event.DeliveryExpired, Reason: fmt.Sprintf("older than %s when it could be done", s.cfg.MaxAge)}, nil
		} else if err != nil {
			return nil, err
		}
		r, err := s.attempt(ctx, c)
		switch {
		case errors.Is(err, ErrNoSession):
			continue
		case err != nil:
			return nil, err
		case r.outcome != nil:
			if o := r.outcome; o.Status == event.DeliveryDone {
				o.ConfirmedBy = cmp.Or(o.ConfirmedBy, s.Calls.seenBy(c))
				o.Reason = cmp.Or(o.Reason, c.ability.Missing())
			}
			return r.outcome, nil
		case r.dropped > 0:
			if drops++; drops == maxDrops {
				return &ability.Outcome{Status: event.DeliveryRefused, Code: event.RateLimited, Reason: "the server takes no more so quickly"}, nil
			}
			if err := retry.Sleep(ctx, r.dropped); err != nil {
				return nil, err
			}
		case r.lost:
			if losses++; losses == maxLosses {
				return &ability.Outcome{Status: event.DeliveryUnconfirmed, Reason: fmt.Sprintf("the connection broke off each of %d times", losses)}, nil
			}
			repeated, again = true, true
			c.ability.Reset()
		}
	}
}

// recall looks for what is recorded of a call that may have been written before. over says
// that nothing is left to do; without an outcome, its delivery is recorded.
func (s *Sender) recall(ctx context.Context, c *Call, send streams.Stored, again bool, deadline time.Time) (over bool, o *ability.Outcome, err error) {
	if time.Now().Before(deadline) { // what the bot finds at a join is recorded then
		if err := s.awaitSession(ctx); err != nil {
			return false, nil, err
		}
	}
	outcomes, err := s.outcomes(ctx, send, again)
	if err != nil || outcomes.Delivered[send.Ref] {
		return true, nil, err
	}
	past := &ability.Past{}
	found, err := s.history.Since(ctx, send.Ref.Seq, 2*s.cfg.MaxAge)
	if err != nil {
		return true, nil, err
	}
	for _, e := range found {
		if cause, ok := e.Causation(); ok && cause == send.Ref {
			return true, &ability.Outcome{Status: event.DeliveryDone, ConfirmedBy: e.Ref}, nil
		}
		past.Events = append(past.Events, ability.Record{Envelope: e.Envelope, Ref: e.Ref})
	}
	past.LastUID, err = s.history.LastUID(ctx, send.Ref.Seq)
	c.ability.Past = past
	return err != nil, nil, err
}

// awaitSlot waits until the server takes the next frame of a call. The error is errExpired
// once the deadline is over.
func (s *Sender) awaitSlot(ctx context.Context, c *Call, deadline time.Time) error {
	for {
		at, up, changed := s.Echoes.turn(&Message{})
		if !c.ability.Chat() {
			at = time.Time{}
		}
		if c.ability.RateLimited() {
			at = s.queued.next(s.queueLimit(ctx), 1)
		}
		now := time.Now()
		switch {
		case now.After(deadline):
			return errExpired
		case up && !now.Before(at):
			return nil
		case !up || at.After(deadline):
			at = deadline
		}
		select {
		case <-time.After(at.Sub(now) + time.Millisecond):
		case <-changed:
		case <-s.stop:
			return consumers.ErrStopping
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// queueLimit is how fast the server lets the bot queue.
func (s *Sender) queueLimit(ctx context.Context) channel.FloodLimit {
	limit := channel.FloodLimit{Burst: 3, PerSecond: 1, Cooldown: 3 * time.Second}
	_ = s.cfg.Inspect(ctx, func(st *channel.State) {
		if st.Rank() >= 2 {
			limit = channel.FloodLimit{Burst: 10, PerSecond: 1.8, Cooldown: 5 * time.Second}
		}
	})
	return limit
}

// attempt asks the call's question, if it has one, writes its frames and waits for the
// result. What the bot's rank forbids right after a login, it may be allowed to by its rank
// in the channel, which comes a moment later.
func (s *Sender) attempt(ctx context.Context, c *Call) (r result, err error) {
	if !s.cfg.MaySpeak() {
		return r, errLeaseLost
	}
	for deadline := time.Now().Add(s.cfg.EchoTimeout); ; {
		var frames []ability.Frame
		var w Writer
		asking, ranked, frame := false, true, s.Calls.next()
		err := s.cfg.Inspect(ctx, func(st *channel.State) {
			c.ability.State = st
			if q, ok := c.ability.Question(); ok {
				frames, asking = []ability.Frame{q}, true
			} else {
				frames, r.outcome = c.ability.Plan()
			}
			if r.outcome == nil {
				w, err = s.Calls.begin(c, asking)
			} else {
				ranked = st.Ranked() || r.outcome.Code != event.PermissionDenied
			}
		})
		if err == nil && !ranked && time.Now().Before(deadline) {
			s.cfg.Logger.DebugContext(ctx, "ability waits for the bot's rank", "send", c.Send.String())
			r = result{}
			select {
			case <-frame:
			case <-time.After(time.Until(deadline)):
			case <-ctx.Done():
				return r, ctx.Err()
			}
			continue
		}
		if err != nil || r.outcome != nil {
			return r, err
		}
		if w == nil {
			return r, ErrNoSession
		}
		s.emit(ctx, c, w, frames)
		if r, err = s.awaitResult(ctx, c); err != nil || !r.answered {
			return r, err
		}
	}
}

// emit writes frames. An error of the connection is not returned: they may have arrived, and
// the end of the session says that they may not.
func (s *Sender) emit(ctx context.Context, c *Call, w Writer, frames []ability.Frame) {
	for _, f := range frames {
		if f.Name == "chatMsg" {
			s.Echoes.countLine()
		}
		if f.Name == "queue" {
			s.queued.sent(s.queueLimit(ctx), 1, time.Now())
		}
		if err := w.Emit(ctx, f.Name, f.Args...); err != nil {
			s.cfg.Logger.DebugContext(ctx, "write to the server failed", "send", c.Send.String(), "error", err)
			return
		}
	}
}

// awaitResult waits for what becomes of what was written. If nothing shows that, the outcome
// is unconfirmed. What the server refused of something that it did in part is the reason of
// the outcome.
func (s *Sender) awaitResult(ctx context.Context, c *Call) (result, error) {
	timeout := s.cfg.EchoTimeout
	if c.ability.Slow() {
		timeout *= lookups
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var last *ability.Outcome // that is known until now
	refused := ""
	for extensions := echoExtensions; ; {
		select {
		case r := <-c.results:
			if r.outcome != nil && r.outcome.Status == event.DeliveryDone {
				r.outcome.Reason = refused
			}
			if !r.open {
				return r, nil
			}
			if refused = r.outcome.Reason; last == nil || last.Status != event.DeliveryDone {
				last = r.outcome
			}
			timer.Reset(min(grace, timeout))
		case <-timer.C:
			if s.cfg.FramesPending() && extensions > 0 {
				extensions--
				timer.Reset(timeout)
				continue
			}
			if last != nil {
				return result{outcome: last}, nil
			}
			return result{outcome: &ability.Outcome{
				Status: event.DeliveryUnconfirmed, Reason: fmt.Sprintf("nothing in the channel showed within %s what became of it", timeout),
			}}, nil
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
	}
}
