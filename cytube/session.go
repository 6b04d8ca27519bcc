package cytube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
)

// reasonStopped is the reason in cytube.connection of a bot that stops.
const reasonStopped = "the bot stops"

// reasonLost is that of one that lost the channel's lease, and its session with it.
const reasonLost = "the lease of the channel was lost"

// session connects to the channel's sockets at url and hands its frames to the recorder until
// the connection ends. err is why; joined reports whether the bot got in.
func (c *Connector) session(ctx context.Context, url string) (joined bool, err error) {
	limit := c.messageLimit(ctx)
	conn, err := socketio.Dial(ctx, url)
	if err != nil {
		return false, connectError(err)
	}
	defer conn.Close()
	if err := c.push(ctx, item{begin: true, limit: limit}); err != nil {
		return false, err
	}
	defer func() {
		reason := reasonStopped
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
	if err := c.push(ctx, item{joined: name, writer: conn}); err != nil {
		return false, err
	}
	// The server answers only who may edit the filters. They tell what was typed.
	send(ctx, conn, "requestChatFilters")
	var idle *afk
	if c.cfg.AFK {
		idle = newAFK(ctx, conn)
		defer idle.stop()
	}
	for {
		frame, err := c.receive(ctx, conn)
		if err != nil {
			return true, err
		}
		idle.take(frame, name)
		if frame.Name == "kick" { // the server leaves the connection open
			return true, kickError(noticeText(frame))
		}
	}
}

// pageTimeout limits how long the channel's page may delay a join.
const pageTimeout = 5 * time.Second

// messageLimit returns to how many UTF-16 units the server cuts lines, 0 if its page does
// not tell.
func (c *Connector) messageLimit(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	limit, err := socketio.MessageLimit(ctx, c.cfg.HTTPClient, c.cfg.Site, c.cfg.Channel)
	if err != nil {
		c.log.DebugContext(ctx, "length limit of lines not known", "channel", c.cfg.Channel, "error", err)
	}
	return limit
}

// receive returns the next frame and hands it to the recorder.
func (c *Connector) receive(ctx context.Context, conn *socketio.Conn) (channel.Frame, error) {
	for {
		ev, err := conn.Receive(ctx)
		if _, ok := errors.AsType[*socketio.FrameError](err); ok {
			c.stats.count(func(s *Stats) { s.Malformed++ })
			c.log.WarnContext(ctx, "malformed frame skipped", "error", event.Loggable(err))
			continue
		}
		frame := channel.Frame(ev)
		if err != nil {
			return frame, err
		}
		return frame, c.push(ctx, item{frame: frame})
	}
}

// enter joins the channel and then logs in, and returns the bot's name as the server
// spells it. The order matters: only in the channel does the server check whether a
// guest's name is taken; elsewhere it disconnects the older of two connections.
func (c *Connector) enter(ctx context.Context, conn *socketio.Conn) (string, error) {
	join := map[string]string{"name": c.cfg.Channel}
	if c.cfg.ChannelPassword != "" {
		join["pw"] = c.cfg.ChannelPassword
	}
	send(ctx, conn, "joinChannel", join)
	var e entry
	step, timeout := "joining", c.cfg.JoinTimeout
	for deadline := time.Now().Add(timeout); ; {
		frame, err := c.receiveBefore(ctx, conn, deadline)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			if e.name != "" && e.locked {
				return "", c.passwordError()
			}
			return "", fmt.Errorf("the server did not answer within %s while %s %s", timeout, step, c.cfg.Channel)
		}
		if err != nil {
			return "", err
		}
		nameless := e.name == ""
		if err := e.take(frame); err != nil {
			return "", err
		}
		switch {
		case e.accepted && e.name != "":
			return e.name, nil
		case e.locked && c.cfg.Password == "":
			return "", c.passwordError()
		case !e.asked && (e.accepted || e.locked || e.anonymousBlocked):
			e.asked, step, deadline = true, "logging in on", time.Now().Add(timeout)
			send(ctx, conn, "login", map[string]string{"name": c.cfg.User, "pw": c.cfg.Password})
		case e.name != "" && nameless:
			if step, deadline = "joining", time.Now().Add(timeout); e.locked {
				deadline = time.Now().Add(timeout / 4) // a moderator is let in at once
			}
		}
	}
}

// send sends an event of the session. It does not fail: where the connection has ended, the frames
// that came before tell why, such as a ban, and receive returns the error after them.
func send(ctx context.Context, conn *socketio.Conn, name string, args ...any) {
	_ = conn.Emit(ctx, name, args...)
}

func (c *Connector) receiveBefore(ctx context.Context, conn *socketio.Conn, deadline time.Time) (channel.Frame, error) {
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

// entry is how far the bot has got in joining the channel.
type entry struct {
	accepted         bool   // into the channel
	locked           bool   // the channel wants a password
	anonymousBlocked bool   // the channel admits nobody without a name
	asked            bool   // the bot sent its login
	name             string // "" before the login
	frames, bytes    int    // so far, which the recorder holds until the bot has joined
}

// How much a server may send before the bot has joined. A large playlist has some
// megabytes, and comes as one frame.
const (
	maxEntryFrames = 4096
	maxEntryBytes  = 64 << 20
)

func (e *entry) take(frame channel.Frame) error {
	e.frames++
	for _, arg := range frame.Args {
		e.bytes += len(arg)
	}
	if e.frames > maxEntryFrames || e.bytes > maxEntryBytes {
		return &slowError{error: fmt.Errorf("the server sent %d frames of %d bytes before the bot had joined", e.frames, e.bytes)}
	}
	switch frame.Name {
	case "userlist":
		e.accepted = true
	case "needPassword":
		e.locked = true
	case "cancelNeedPassword":
		e.locked = false
	case "errorMsg":
		text := noticeText(frame)
		e.anonymousBlocked = e.anonymousBlocked || strings.Contains(text, "blocked anonymous users")
		if strings.HasPrefix(text, "Invalid channel name") {
			return &PermanentError{Problem: "the site refused the channel's name", Advice: channelAdvice}
		}
	case "kick":
		return kickError(noticeText(frame))
	case "login":
		name, refusal, err := channel.ReadLogin(frame)
		switch {
		case err != nil:
			return fmt.Errorf("malformed answer to the login: %w", err)
		case refusal != "":
			return loginError(refusal)
		}
		e.name = name
	}
	return nil
}

func noticeText(frame channel.Frame) string {
	n, _ := channel.ReadNotice(frame) // a malformed one has its JSON as text
	return n.Text
}
