package autoplay

import (
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	// unanswered is how long the outcome of what was asked is waited for: long after a send expires.
	unanswered = 10 * time.Minute
	// timerEarly is how much too early a timer may fire.
	timerEarly = time.Second

	leastPause   = 5 * time.Second // after a failure
	longestPause = 10 * time.Minute
	sayAfter     = 5 // failures in a row
)

// drive asks the event's channel for what is to be done next, if the outcome of what was asked
// before is known: first all of a programme, then filler.
func drive(c *plugins.Context) ([]event.Envelope, error) {
	s := settings(c)
	var ch Channel
	switch err := c.DB(Channels).Get(event.ID(c.Channel()), &ch); {
	case event.CodeOf(err) == event.RecordNotFound && !s.Filler:
		return nil, nil // nothing was ever done here
	case err != nil && event.CodeOf(err) != event.RecordNotFound:
		return nil, err
	}
	state, err := c.State(plugins.Playlist, plugins.Playing)
	if err != nil {
		return nil, err
	}
	var pick Media
	why := ""
	wanted := ch.wantsFiller(c.Now()) && short(s, state)
	if wanted {
		if pick, why, err = chooseFiller(c, s, state); err != nil {
			return nil, err
		}
	}
	out, err := changeChannel(c, &ch, func() []event.Envelope {
		return slices.Concat(ch.nextOfShow(c, s, state), ch.nextFiller(c, s, wanted, pick, why, state.Current() < 0))
	})
	if err != nil {
		return nil, err
	}
	return out, ch.wake(c, why != "")
}

// connected handles cytube.connection: what was asked of the channel may be done now.
func connected(c *plugins.Context) ([]event.Envelope, error) {
	if on, err := event.As[event.Connection](c.Event.Envelope); err != nil || on.State != event.StateUp {
		return nil, err
	}
	return drive(c)
}

// configured handles platform.settings: another setting counts at once.
func configured(c *plugins.Context) ([]event.Envelope, error) {
	change, err := event.As[event.SettingChange](c.Event.Envelope)
	switch {
	case err != nil || change.Plugin != Name:
		return nil, err
	case change.Channel != "":
		return drive(c)
	}
	return nil, wakeAll(c)
}

// wakeAll has all channels driven.
func wakeAll(c *plugins.Context) error {
	var all []Channel
	if _, err := c.DB(Channels).Find(plugins.Query{Limit: 1000}, &all); err != nil {
		return err
	}
	for _, ch := range all {
		if err := c.After(timerEarly, "wake "+ch.Channel, kindWake, map[string]any{"channel": ch.Channel}); err != nil {
			return err
		}
	}
	return nil
}

// wake sets the timer of the next attempt: after a pause, after an unanswered request, or to look
// for filler again.
func (ch *Channel) wake(c *plugins.Context, stuck bool) error {
	at := time.Unix(ch.Pause, 0)
	switch {
	case ch.Asked != nil:
		at = time.Unix(ch.Asked.At, 0).Add(unanswered)
	case stuck:
		at = c.Now().Add(longestPause)
	}
	if !at.After(c.Now()) {
		return nil
	}
	return c.At(at, "wake "+ch.Channel, kindWake, map[string]any{"channel": ch.Channel})
}

// waits reports whether nothing is to be asked now.
func (ch *Channel) waits(now time.Time) bool {
	asked := ch.Asked != nil && now.Before(time.Unix(ch.Asked.At, 0).Add(unanswered-timerEarly))
	return asked || now.Add(timerEarly).Before(time.Unix(ch.Pause, 0))
}

func (ch *Channel) wantsFiller(now time.Time) bool {
	return !ch.waits(now) && ch.Show == nil && len(ch.Waiting) == 0
}

// asks notes what is asked, so that nothing else is before its outcome is known.
func (ch *Channel) asks(c *plugins.Context, a Asked, ask plugins.Ask) []event.Envelope {
	a.At = c.Now().Unix()
	ch.Asked = &a
	return ask.Events()
}

// nextOfShow returns what is to be asked for the programme that loads, or the next that waits.
func (ch *Channel) nextOfShow(c *plugins.Context, s Settings, state *plugins.State) (out []event.Envelope) {
	for {
		if ch.Show == nil && len(ch.Waiting) > 0 {
			ch.Show, ch.Waiting, ch.Pause = &ch.Waiting[0], ch.Waiting[1:], 0
			out = append(out, c.Emit(kindStarted, ch.Show.payload(ch.Channel))...)
		}
		if ch.Show == nil || ch.waits(c.Now()) {
			return out
		}
		show := ch.Show
		because := "programme " + show.What
		switch next := show.next(state.Playlist, state.Current(), s.Start == "now"); next.What {
		case queueStep:
			item := &show.Items[next.Item]
			item.Tries++
			ask := c.Queue(item.URL).For(show.By).Because(because)
			if s.Temporary {
				ask = ask.Temporarily()
			}
			return append(out, ch.asks(c, Asked{What: queueStep, URL: item.URL, Show: true}, ask)...)
		case moveStep:
			return append(out, ch.asks(c, Asked{What: moveStep, Show: true}, c.Move(next.UID, event.IntID(int64(next.After))).For(show.By).Because(because))...)
		case jumpStep:
			return append(out, ch.asks(c, Asked{What: jumpStep, Show: true}, c.Jump(next.UID).For(show.By).Because(because))...)
		}
		ch.Show = nil
		out = append(out, c.Emit(kindLoaded, show.payload(ch.Channel))...)
		if n := show.loaded(); n > 0 {
			out = append(out, c.SayText(s.Ready, plugins.Values{"what": show.What, "items": n})...)
		}
	}
}

func (s *Show) payload(channel string) map[string]any {
	return map[string]any{"what": s.What, "channel": channel, "by": s.By, "items": s.loaded()}
}
