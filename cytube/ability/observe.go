package ability

import (
	"encoding/json"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// Verdict is what a frame says of a call.
type Verdict struct {
	Events  bool          // one of the frame's events shows that it was done
	Partly  bool          // or a part of it
	Event   int           // which one
	Shown   bool          // the frame itself shows it
	Ended   *Outcome      // the server's refusal, or what no event shows
	Refused *Outcome      // of a part; events may show that the rest was done
	Dropped time.Duration // the server dropped it; how long to wait before the next write
}

// Observe takes a frame of the server and the events that it means, and returns what they
// say of the call.
func (c *Call) Observe(f channel.Frame, events []channel.Event) Verdict {
	v, shown := Verdict{}, c.row.shown(c, f)
	for i, e := range events {
		if c.row.seen(c, e) {
			c.some = true
			if c.left--; c.left <= 0 {
				return Verdict{Events: true, Event: i}
			}
			v = Verdict{Partly: true, Event: i}
		}
	}
	if v.Partly {
		return v
	}
	if o, wait := c.refusal(f); o != nil && c.row.inPart {
		return Verdict{Refused: o}
	} else if o != nil || wait > 0 {
		return Verdict{Ended: o, Dropped: wait}
	}
	if shown && c.row.mute {
		return Verdict{Ended: &Outcome{Status: event.DeliveryDone}}
	}
	return Verdict{Shown: shown}
}

// tooQuick is how long to wait after the server said that items come too quickly.
const tooQuick = 1200 * time.Millisecond

// refusal returns what a frame refuses, or how long to wait if it was dropped.
func (c *Call) refusal(f channel.Frame) (*Outcome, time.Duration) {
	switch f.Name {
	case "cooldown":
		if c.row.chat {
			return nil, channel.ReadCooldown(f)
		}
		return nil, 0
	case "noflood", "spamFiltered":
		if !c.row.chat {
			return nil, 0
		}
		n, _ := channel.ReadNotice(f)
		return refuse(event.PermissionDenied, "%s", n.Text), 0
	case "kick":
		if n, _ := channel.ReadNotice(f); strings.HasPrefix(n.Text, "Attempted ") {
			return refuse(event.PermissionDenied, "the server kicked the bot: %s", n.Text), 0
		}
		return nil, 0
	case "errorMsg", "queueFail", "channelRankFail", "validationError":
		return c.failure(f)
	}
	return nil, 0
}

// failure returns what one of the server's errors means for the call, if it is about it.
func (c *Call) failure(f channel.Frame) (*Outcome, time.Duration) {
	var w struct{ Msg, Message, ID string }
	if len(f.Args) == 0 || json.Unmarshal(f.Args[0], &w) != nil {
		return nil, 0
	}
	text := html.UnescapeString(w.Msg + w.Message)
	area := strings.TrimPrefix(c.row.subject, "cytube.send.")
	switch f.Name {
	case "queueFail":
		if !c.row.queues || c.asking() || c.asked != nil && !slices.Contains(c.asked, w.ID) {
			return nil, 0
		}
		if code := classify(f.Name, text); code != event.RateLimited {
			return c.failedItem(said(code, text)), 0
		}
	case "channelRankFail":
		if area != "moderation.rank" || strings.Contains(text, "temporary") { // it was done
			return nil, 0
		}
	case "validationError":
		if area != "channel.options" {
			return nil, 0
		}
	default:
		if !c.row.chat && (strings.Contains(text, "PM ") || strings.Contains(text, "message pm:") || strings.Contains(text, "message chatMsg:")) {
			return nil, 0
		}
	}
	code := classify(f.Name, text)
	if code == event.RateLimited {
		return nil, tooQuick
	}
	return said(code, text), 0
}

// said returns the outcome of what the server says.
func said(code event.Code, text string) *Outcome {
	for _, so := range []string{"already on the playlist", "is not muted", "already banned"} {
		if strings.Contains(text, so) {
			return &Outcome{Status: event.DeliveryAlready, Reason: text}
		}
	}
	return refuse(code, "%s", text)
}

// failedItem takes what the server says of one item of those that are asked for. It returns
// nil while others may still come.
func (c *Call) failedItem(o *Outcome) *Outcome {
	c.failed = append(c.failed, o)
	switch c.left--; {
	case c.left > 0:
		return nil
	case c.some:
		return &Outcome{Status: event.DeliveryDone}
	}
	return c.worst()
}

// asking reports whether the question is not answered yet.
func (c *Call) asking() bool { return c.row.question != nil && c.answer == nil }

// codes map what the server's errors say to the contract's codes.
var codes = []struct {
	text string
	code event.Code
}{
	{"too quickly", event.RateLimited},
	{"permission", event.PermissionDenied}, {"not allowed", event.PermissionDenied}, {"equal or higher", event.PermissionDenied},
	{"promote or demote yourself", event.PermissionDenied}, {"ban yourself", event.PermissionDenied},
	{"api quota", event.LimitExceeded}, // of the site at YouTube, for all its channels
	{"limit exceeded", event.LimitExceeded}, {"exceeds the maximum", event.LimitExceeded}, {"no more than", event.LimitExceeded}, {"limit reached", event.LimitExceeded},
	{"limited to a maximum", event.LimitExceeded}, {"too long to queue", event.LimitExceeded},
	{"does not exist", event.RecordNotFound}, {"not found", event.RecordNotFound}, {"could not find", event.RecordNotFound},
	{"not present", event.RecordNotFound}, {"private", event.RecordNotFound}, {"been deleted", event.RecordNotFound},
	{"video is unavailable", event.RecordNotFound}, {"video unavailable", event.RecordNotFound}, {"taken down", event.RecordNotFound},
	{"age restricted", event.InvalidInput}, {"unknown media", event.InvalidInput}, {"invalid", event.InvalidInput}, {"expected", event.InvalidInput}, {"must be", event.InvalidInput},
	{"embed", event.InvalidInput}, {"supported", event.InvalidInput}, {"codec", event.InvalidInput},
}

func classify(frame, text string) event.Code {
	if frame == "validationError" {
		return event.InvalidInput
	}
	text = strings.ToLower(text)
	for _, c := range codes {
		if strings.Contains(text, c.text) {
			return c.code
		}
	}
	return event.PluginError
}
