package autoplay

import (
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

var subjects = map[string]string{queueStep: event.SubjectSendMediaQueue, moveStep: event.SubjectSendMediaMove, jumpStep: event.SubjectSendMediaJump}

// outcome handles what came of what was asked, and goes on.
func outcome(c *plugins.Context, o event.Delivery) ([]event.Envelope, error) {
	s := settings(c)
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
	return c.SayText(s.Failed, plugins.Values{"what": show.What, "item": item.URL, "reason": c.Reason(ch.Settled.Reason)})
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
	return ch.saysStuck(c, s, c.Reason(ch.Settled.Reason))
}

// saysStuck says once that there is no filler.
func (ch *Channel) saysStuck(c *plugins.Context, s Settings, reason string) []event.Envelope {
	if ch.Stuck {
		return nil
	}
	ch.Stuck = true
	return c.SayText(s.Stuck, plugins.Values{"reason": reason})
}
