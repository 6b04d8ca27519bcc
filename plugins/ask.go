package plugins

import (
	"encoding/json"
	"maps"

	"github.com/rosey-bot/rosey/event"
)

// Ask is something that a handler asks of the channel, beside speaking, to be returned
// with a handler's other events:
//
//	return c.Queue(url).Next().For(user).Events(), nil
//
// It is done by the bot in the channel, with its rank. What came of it is a
// cytube.delivery, which the plugin's Outcomes handler gets.
type Ask struct {
	c       *Context
	subject string
	payload any
	fields  map[string]any // added to the payload
}

// Ask asks something of the event's channel by the subject of an ability and its payload,
// such as event.SubjectSendChannelEmote and an event.SendDefinition. The other methods do
// the same for the usual ones.
func (c *Context) Ask(subject string, payload any) Ask {
	return Ask{c: c, subject: subject, payload: payload}
}

func (a Ask) with(name string, value any) Ask {
	a.fields = maps.Clone(a.fields)
	if a.fields == nil {
		a.fields = map[string]any{}
	}
	a.fields[name] = value
	return a
}

// For returns the ask with the user on whose wish it is, which is recorded.
func (a Ask) For(user string) Ask { return a.with("for", user) }

// Because returns the ask with a reason, which is recorded.
func (a Ask) Because(reason string) Ask { return a.with("reason", reason) }

// In returns the ask for another channel than the event's.
func (a Ask) In(channel string) Ask { return a.with("channel", channel) }

// Next returns the ask to queue after what plays, not at the end.
func (a Ask) Next() Ask { return a.with("position", event.PositionNext) }

// Temporarily returns the ask to queue what leaves the playlist when it was played.
func (a Ask) Temporarily() Ask { return a.with("temp", true) }

// Events returns the event for the handler to return. A payload that breaks the contract
// fails the handler permanently.
func (a Ask) Events() []event.Envelope {
	raw, err := event.Encode(a.payload)
	if err != nil {
		return a.c.output(event.Envelope{}, err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return a.c.output(event.Envelope{}, err)
	}
	if _, named := fields["channel"]; !named {
		if channel := a.c.Channel(); channel != "" {
			fields["channel"] = channel
		}
	}
	maps.Copy(fields, a.fields)
	return a.c.output(event.New(a.subject, fields))
}

// Queue asks for media on the playlist, by a link in any usual form.
func (c *Context) Queue(url string) Ask {
	return c.Ask(event.SubjectSendMediaQueue, event.SendMediaQueue{URL: url})
}

// Delete asks to take an item off the playlist.
func (c *Context) Delete(uid int) Ask {
	return c.Ask(event.SubjectSendMediaDelete, event.SendItem{UID: uid})
}

// Jump asks to play an item of the playlist now.
func (c *Context) Jump(uid int) Ask {
	return c.Ask(event.SubjectSendMediaJump, event.SendItem{UID: uid})
}

// Move asks to move an item after another: its uid as event.IntID, event.PlaceFirst or
// event.PlaceLast.
func (c *Context) Move(uid int, after event.ID) Ask {
	return c.Ask(event.SubjectSendMediaMove, event.SendMediaMove{UID: uid, After: after})
}

// Skip asks to play the next item.
func (c *Context) Skip() Ask { return c.Ask(event.SubjectSendMediaSkip, event.SendBare{}) }

// Shuffle asks to shuffle the playlist.
func (c *Context) Shuffle() Ask { return c.Ask(event.SubjectSendMediaShuffle, event.SendBare{}) }

// Lock asks to lock the playlist, or to open it.
func (c *Context) Lock(locked bool) Ask {
	return c.Ask(event.SubjectSendMediaLock, event.SendMediaLock{Locked: locked})
}

// OpenPoll asks for a poll.
func (c *Context) OpenPoll(title string, options ...string) Ask {
	return c.Ask(event.SubjectSendPollOpen, event.SendPollOpen{Title: title, Options: options})
}

// ClosePoll asks to close the poll.
func (c *Context) ClosePoll() Ask { return c.Ask(event.SubjectSendPollClose, event.SendBare{}) }

// Kick asks to kick a user, who is shown the reason.
func (c *Context) Kick(user, reason string) Ask {
	return c.Ask(event.SubjectSendKick, event.SendModeration{User: user, Reason: reason})
}

// Ban asks to ban a user.
func (c *Context) Ban(user, reason string) Ask {
	return c.Ask(event.SubjectSendBan, event.SendModeration{User: user, Reason: reason})
}

// Unban asks to lift the bans of a user.
func (c *Context) Unban(user string) Ask {
	return c.Ask(event.SubjectSendUnban, event.SendModeration{User: user})
}

// Mute asks to mute a user.
func (c *Context) Mute(user string) Ask {
	return c.Ask(event.SubjectSendMute, event.SendModeration{User: user})
}

// Unmute asks to lift the mute of a user.
func (c *Context) Unmute(user string) Ask {
	return c.Ask(event.SubjectSendUnmute, event.SendModeration{User: user})
}

// SetMOTD asks for another message of the day, which is HTML.
func (c *Context) SetMOTD(html string) Ask {
	return c.Ask(event.SubjectSendMOTD, event.SendText{Value: html})
}
