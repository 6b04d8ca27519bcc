package autoplay

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

const (
	// unanswered is how long the outcome of what was asked is waited for: long after a send expires.
	unanswered = 10 * time.Minute
	// timerEarly is how much too early a timer may fire.
	timerEarly = time.Second

	leastPause   = 5 * time.Second // behind a failure
	longestPause = 10 * time.Minute
	sayAfter     = 5 // failures in a row
)

// drive asks the event's channel for what is to be done next, if the outcome of what was asked
// before is known: first all of a programme, then filler.
func drive(c *plugins.Context) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
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

// wake sets the timer of what waits for a pause to end, of what was not answered, or of filler
// that there is not now.
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

// subjects are those of the steps.
var subjects = map[string]string{queueStep: event.SubjectSendMediaQueue, moveStep: event.SubjectSendMediaMove, jumpStep: event.SubjectSendMediaJump}

// outcome handles what came of what was asked, and goes on.
func outcome(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
	s := plugins.SettingsOf[Settings](c)
	state, err := c.State(plugins.Playlist, plugins.Playing)
	if err != nil {
		return nil, err
	}
	var ch Channel
	out, err := changeChannel(c, &ch, func() []event.Envelope {
		a := ch.Asked
		if a == nil || subjects[a.What] != o.Subject {
			return nil
		}
		ch.Asked = nil
		ch.Settled = Settled{Ref: c.Event.Ref.String(), URL: a.URL, Verdict: judge(o), Reason: o.Reason}
		if a.Show {
			return ch.settleShow(c, s, state, a)
		}
		return ch.settleFiller(c, s)
	})
	if err == nil && ch.Settled.Ref == c.Event.Ref.String() && ch.Settled.URL != "" {
		var more []event.Envelope
		more, err = noteOutcome(c, ch.Settled)
		out = append(out, more...)
	}
	if err != nil {
		return nil, err
	}
	more, err := drive(c)
	return append(out, more...), err
}

// The verdicts about an outcome.
const (
	isDone    = "done"
	isTwice   = "twice"   // it was on the playlist already
	isLost    = "gone"    // it can never be played
	isUnfit   = "unfit"   // a limit of the channel is against it
	isDenied  = "denied"  // the bot may not
	isPassing = "passing" // a failure that passes
)

// lost are parts of what the server says of media that are gone for good.
var lost = []string{"non-embeddable", "embedding", "been deleted", "video is unavailable", "age restricted", "age-restricted", "rejected", "copyright"}

// judge returns the verdict about an outcome. What is not known to be for good passes.
func judge(o event.Delivery) string {
	reason := strings.ToLower(o.Reason)
	switch {
	case o.Status == event.DeliveryAlready && o.Subject == event.SubjectSendMediaQueue:
		return isTwice
	case o.Status == event.DeliveryDone || o.Status == event.DeliveryAlready:
		return isDone
	case o.Status != event.DeliveryRefused:
		return isPassing
	case o.Code == event.PermissionDenied:
		return isDenied
	case o.Code == event.LimitExceeded:
		return isUnfit
	case o.Code == event.RecordNotFound, o.Code == event.InvalidInput:
		return isLost
	case slices.ContainsFunc(lost, func(part string) bool { return strings.Contains(reason, part) }):
		return isLost
	}
	return isPassing
}

// settleShow notes what came of a step of the programme that loads.
func (ch *Channel) settleShow(c *plugins.Context, s Settings, state *plugins.State, a *Asked) []event.Envelope {
	show := ch.Show
	if show == nil {
		return nil
	}
	if a.What != queueStep {
		show.Loose = show.Loose || ch.Settled.Verdict != isDone
		return nil
	}
	n := slices.IndexFunc(show.Items, func(i Item) bool { return !i.Queued && !i.Settled })
	if n < 0 {
		return nil
	}
	item, verdict := &show.Items[n], ch.Settled.Verdict
	there := ch.itemOf(state, a.URL, verdict == isTwice)
	switch {
	case there >= 0:
		item.Queued, item.UID = true, there
		return nil
	case verdict == isDone: // it was played or removed since
		item.Queued, item.UID = true, -1
		return nil
	case verdict == isPassing && item.Tries < s.Tries:
		ch.Pause = c.Now().Add(backoff(item.Tries, leastPause, longestPause)).Unix()
		return nil
	}
	item.Settled = true
	if verdict == isDenied { // so it would be of the others
		for i := range show.Items[n:] {
			show.Items[n+i].Settled = true
		}
	}
	return c.SayText(s.Failed, plugins.Values{"what": show.What, "item": item.URL, "reason": ch.Settled.Reason})
}

// itemOf returns the uid of the item of the playlist that was queued for the show last, or
// whoever queued it; -1 if there is none.
func (ch *Channel) itemOf(state *plugins.State, url string, whoever bool) int {
	uid := -1
	for _, i := range state.Playlist {
		own := whoever || strings.EqualFold(i.QueuedBy, state.BotName)
		if own && i.URL == url && !ch.Show.has(i.UID) && (i.UID > uid || whoever) {
			uid = i.UID
		}
	}
	return uid
}

// settleFiller notes what came of filler.
func (ch *Channel) settleFiller(c *plugins.Context, s Settings) []event.Envelope {
	pause := leastPause
	switch ch.Settled.Verdict {
	case isDone:
		ch.Fails, ch.Pause, ch.Stuck = 0, 0, false
		return nil
	case isPassing:
		ch.Fails++
		pause = backoff(ch.Fails, leastPause, longestPause)
	case isDenied:
		ch.Fails += sayAfter
		pause = longestPause
	}
	ch.Pause = c.Now().Add(pause).Unix()
	if ch.Fails < sayAfter {
		return nil
	}
	return ch.saysStuck(c, s, ch.Settled.Reason)
}

// saysStuck says once that there is no filler.
func (ch *Channel) saysStuck(c *plugins.Context, s Settings, reason string) []event.Envelope {
	if ch.Stuck {
		return nil
	}
	ch.Stuck = true
	return c.SayText(s.Stuck, plugins.Values{"reason": reason})
}
