package cytube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// reasonStops is why the session of a bot that stops ends, in cytube.connection.
const reasonStops = "the bot stops"

// session is one connection to the channel, from the dialling to its end. Err is
// why it ended; joined tells whether the bot got in.
func (c *Connector) session(ctx context.Context) (joined bool, err error) {
	url, err := socketio.Discover(ctx, c.http, c.cfg.Site, c.cfg.Channel)
	if err != nil {
		return false, connectError(err)
	}
	conn, err := socketio.Dial(ctx, url, c.dialOptions...)
	if err != nil {
		return false, connectError(err)
	}
	defer conn.Close()
	if err := c.push(ctx, item{begin: true}); err != nil {
		return false, err
	}
	defer func() {
		reason := reasonStops
		var permanent *PermanentError
		switch {
		case ctx.Err() != nil:
		case errors.As(err, &permanent):
			reason = permanent.Problem
		default:
			reason = err.Error()
		}
		_ = c.push(ctx, item{ended: reason}) // fails while stopping with a full queue
	}()

	name, err := c.enter(ctx, conn)
	if err != nil {
		return false, err
	}
	if err := c.push(ctx, item{joined: name, conn: conn}); err != nil {
		return false, err
	}
	for {
		ev, err := c.receive(ctx, conn)
		if err != nil {
			return true, err
		}
		if ev.Name == "kick" {
			// The server leaves the transport open: leaving is up to us.
			return true, kickError(notice(ev))
		}
	}
}

// receive takes the next event and hands it to the recorder.
func (c *Connector) receive(ctx context.Context, conn *socketio.Conn) (socketio.Event, error) {
	for {
		ev, err := conn.Receive(ctx)
		var malformed *socketio.FrameError
		if errors.As(err, &malformed) {
			c.stats.malformed.Add(1)
			c.log.WarnContext(ctx, "the server sent a frame that makes no sense; it is skipped", "error", err)
			continue
		}
		if err != nil {
			return ev, err
		}
		return ev, c.push(ctx, item{event: ev})
	}
}

// enter joins the channel and logs in, in this order: only in the channel does
// the server look whether a guest's name is taken, and it sends the older of two
// connections away otherwise. It gives the bot's name as the server spells it.
func (c *Connector) enter(ctx context.Context, conn *socketio.Conn) (string, error) {
	join := map[string]string{"name": c.cfg.Channel}
	if c.cfg.ChannelPassword != "" {
		join["pw"] = c.cfg.ChannelPassword
	}
	if err := conn.Emit(ctx, "joinChannel", join); err != nil {
		return "", err
	}
	var e entry
	step, patience := "joining", c.cfg.JoinTimeout
	for deadline := time.Now().Add(patience); ; {
		ev, err := c.receiveBefore(ctx, conn, deadline)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			if e.name != "" && e.locked {
				return "", c.passwordError()
			}
			return "", fmt.Errorf("the server did not answer within %s while %s %s", patience, step, c.cfg.Channel)
		}
		if err != nil {
			return "", err
		}
		nameless := e.name == ""
		if err := e.take(ev); err != nil {
			return "", err
		}
		switch {
		case e.accepted && e.name != "":
			return e.name, nil
		case e.locked && c.cfg.Password == "":
			return "", c.passwordError()
		case !e.asked && (e.accepted || e.locked || e.anonymousBlocked):
			e.asked, step, deadline = true, "logging in on", time.Now().Add(patience)
			if err := conn.Emit(ctx, "login", map[string]string{"name": c.cfg.User, "pw": c.cfg.Password}); err != nil {
				return "", err
			}
		case e.name != "" && nameless:
			if step, deadline = "joining", time.Now().Add(patience); e.locked {
				deadline = time.Now().Add(patience / 4) // a moderator is let in at once
			}
		}
	}
}

func (c *Connector) receiveBefore(ctx context.Context, conn *socketio.Conn, deadline time.Time) (socketio.Event, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return c.receive(ctx, conn)
}

func (c *Connector) passwordError() error {
	if c.cfg.ChannelPassword == "" {
		return &PermanentError{Problem: fmt.Sprintf("channel %s wants a password", c.cfg.Channel),
			Advice: "give the channel's password, or the account of one of its moderators"}
	}
	return &PermanentError{Problem: fmt.Sprintf("channel %s does not take this channel password", c.cfg.Channel),
		Advice: "correct the channel's password"}
}

// entry is how far the bot got in.
type entry struct {
	accepted         bool // into the channel
	locked           bool // the channel wants a password and did not get it
	anonymousBlocked bool // it lets users in only once they have a name
	asked            bool // for the login
	name             string
}

func (e *entry) take(ev socketio.Event) error {
	switch ev.Name {
	case "userlist":
		e.accepted = true
	case "needPassword":
		e.locked = true
	case "cancelNeedPassword":
		e.locked = false
	case "errorMsg":
		text := notice(ev)
		e.anonymousBlocked = e.anonymousBlocked || strings.Contains(text, "blocked anonymous users")
		if strings.HasPrefix(text, "Invalid channel name") {
			return &PermanentError{Problem: "the site refused the channel's name", Advice: channelAdvice}
		}
	case "kick":
		return kickError(notice(ev))
	case "login":
		answer, err := read[wireLogin](ev.Args)
		if err == nil {
			err = missing(field{"success", answer.Success == nil})
		}
		if err != nil {
			return fmt.Errorf("the answer to the login makes no sense: %w", err)
		}
		if !*answer.Success {
			return loginError(string(answer.Error))
		}
		if e.name = answer.Name; e.name == "" {
			return errors.New("the answer to the login makes no sense: it names nobody")
		}
	}
	return nil
}

// notice is the text of a kick, errorMsg, noflood or spamFiltered.
func notice(ev socketio.Event) string {
	var n wireNotice
	if len(ev.Args) > 0 && json.Unmarshal(ev.Args[0], &n) != nil {
		return string(ev.Args[0])
	}
	if n.Reason != nil {
		return string(*n.Reason)
	}
	return string(n.Msg)
}
