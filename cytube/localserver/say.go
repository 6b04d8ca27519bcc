package localserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Say says something in the channel and returns when the server has passed it on. It waits out the flood control. Text
// that begins with a slash may be a command, which has no echo: use [User.Send] for those, except /me.
func (u *User) Say(ctx context.Context, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("there is nothing to say: the server drops blank lines")
	}
	return u.request(ctx, "chatMsg", object{"msg": text, "meta": object{}})
}

// PM sends a private message and returns when the server has delivered it. It waits out the flood control.
func (u *User) PM(ctx context.Context, to, text string) error {
	return u.request(ctx, "pm", object{"to": to, "msg": text, "meta": object{}})
}

// Queue puts media at the end of the playlist and returns when it is there. The server does not answer users who may not
// do it: give the context a deadline.
func (u *User) Queue(ctx context.Context, kind, id string) error {
	return u.request(ctx, "queue", object{"id": id, "type": kind, "pos": "end", "temp": true})
}

// Send sends a line, most likely a command, without waiting for an answer.
func (u *User) Send(ctx context.Context, text string) error {
	return u.conn.Emit(ctx, "chatMsg", object{"msg": text, "meta": object{}})
}

// Emit sends an event as a browser does, such as clearPlaylist, without waiting for an answer.
func (u *User) Emit(ctx context.Context, name string, args ...any) error {
	return u.conn.Emit(ctx, name, args...)
}

// Unban ends the bans of a name, as a moderator, without waiting for an answer. It asks the server for their numbers first;
// users who may not ban get no answer to that: give the context a deadline.
func (u *User) Unban(ctx context.Context, name string) error {
	u.talking.Lock()
	defer u.talking.Unlock()
	if err := u.conn.Emit(ctx, "requestBanlist"); err != nil {
		return err
	}
	for {
		select {
		case a := <-u.answers:
			if a.event != "banlist" {
				continue
			}
			for _, b := range a.bans {
				if strings.EqualFold(b.Name, name) {
					if err := u.conn.Emit(ctx, "unban", b); err != nil {
						return err
					}
				}
			}
			return nil
		case <-u.done:
			return u.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// request emits an event until the server echoes it or refuses it for good.
func (u *User) request(ctx context.Context, event string, arg any) error {
	u.talking.Lock()
	defer u.talking.Unlock()
	// The pause grows: an emote counts as two lines, and once the burst is used up only a real silence makes room for two.
	for factor := time.Duration(1); ; factor = min(2*factor, 64) {
		wait, err := u.try(ctx, event, arg)
		if err != nil || wait == 0 {
			return err
		}
		select {
		case <-time.After(factor * wait):
		case <-u.done:
			return u.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try emits an event once. It returns how long the flood control asks to wait, or 0 when the event was echoed.
func (u *User) try(ctx context.Context, event string, arg any) (wait time.Duration, err error) {
	for len(u.answers) > 0 {
		<-u.answers // to a request given up before
	}
	if err := u.conn.Emit(ctx, event, arg); err != nil {
		return 0, err
	}
	for {
		select {
		case a := <-u.answers:
			switch a.event {
			case event:
				return 0, nil
			case "cooldown":
				return max(a.wait, 1), nil
			case "chatMsg", "pm", "queue": // of another request
			default:
				return 0, fmt.Errorf("the server refused it (%s): %s", a.event, a.text)
			}
		case <-u.done:
			return 0, u.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
