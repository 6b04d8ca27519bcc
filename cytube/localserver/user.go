package localserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/internal/markup"
)

// KickError is returned when the server sent the user away.
type KickError struct{ Reason string }

func (e *KickError) Error() string { return "kicked: " + e.Reason }

// Message is chat or a private message that a [User] received.
type Message struct {
	From    string
	Text    string // plain text
	HTML    string // as the server sent it
	Action  bool
	Private bool
	Time    time.Time
}

// User is a person in a channel of a CyTube site, as far as chat goes.
type User struct {
	conn    *socketio.Conn
	name    string
	receive func(Message) // nil drops messages

	talking sync.Mutex    // held during one request, which the next answer is for
	answers chan answer   // to requests
	done    chan struct{} // closed when the connection has ended, after err is set
	err     error
}

// answer is what the server sent upon a request.
type answer struct {
	event string
	text  string
	wait  time.Duration
	bans  []unban // a banlist
}

// Join finds the channel's socket through the site, joins the channel and logs in: as a guest when the password is empty,
// and not at all when the name is empty, too. It returns when the server has confirmed it. From then on receive is called
// with each message of somebody else, in order, from one goroutine; nothing more is read until it returns. Messages are
// dropped if it is nil, and never kept.
func Join(ctx context.Context, site, channel, name, password string, receive func(Message)) (*User, error) {
	u := &User{name: name, receive: receive, answers: make(chan answer, 16), done: make(chan struct{})}
	url, err := socketio.Discover(ctx, nil, site, channel)
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", channel, err)
	}
	if u.conn, err = socketio.Dial(ctx, url); err != nil {
		return nil, fmt.Errorf("join %s: %w", channel, err)
	}
	if err := u.enter(ctx, channel, password); err != nil {
		_ = u.conn.Close()
		return nil, fmt.Errorf("join %s as %q: %w", channel, name, err)
	}
	go u.read()
	return u, nil
}

func (u *User) enter(ctx context.Context, channel, password string) error {
	if err := u.conn.Emit(ctx, "joinChannel", object{"name": channel}); err != nil {
		return err
	}
	for joined := false; ; {
		ev, err := u.conn.Receive(ctx)
		if err != nil {
			return err
		}
		var data struct {
			Success                  bool
			Name, Error, Msg, Reason string
		}
		if len(ev.Args) > 0 {
			_ = json.Unmarshal(ev.Args[0], &data)
		}
		switch ev.Name {
		case "needPassword":
			return errors.New("the channel wants a password")
		case "kick":
			return &KickError{Reason: data.Reason}
		case "errorMsg":
			return errors.New(data.Msg)
		case "userlist":
			if joined {
				continue // a moderator gets it again
			}
			joined = true
			if u.name == "" {
				return nil
			}
			if err := u.conn.Emit(ctx, "login", object{"name": u.name, "pw": password}); err != nil {
				return err
			}
		case "login":
			if !data.Success {
				return errors.New(data.Error)
			}
			u.name = data.Name
		case "addUser":
			if u.name != "" && strings.EqualFold(data.Name, u.name) {
				return nil
			}
		}
	}
}

// Name returns the user's name as the server spells it.
func (u *User) Name() string { return u.name }

// Done is closed when the connection has ended.
func (u *User) Done() <-chan struct{} { return u.done }

// Err returns why the connection has ended, once Done is closed.
func (u *User) Err() error {
	<-u.done
	return u.err
}

// Close leaves the channel.
func (u *User) Close() {
	_ = u.conn.Close()
	<-u.done
}

func (u *User) read() {
	defer close(u.done)
	for {
		ev, err := u.conn.Receive(context.Background())
		var malformed *socketio.FrameError
		switch {
		case errors.As(err, &malformed):
		case err == nil:
			u.handle(ev)
		default:
			if u.err == nil {
				u.err = err
			}
			return
		}
	}
}

// handle sorts an event: a message, or an answer to a request.
func (u *User) handle(ev socketio.Event) {
	var data struct {
		Username, Msg, Reason string
		Time                  int64
		Meta                  struct{ Action bool }
		Item                  struct{ QueueBy string }
	}
	var ms float64
	if len(ev.Args) > 0 {
		_ = json.Unmarshal(ev.Args[0], &data)
		_ = json.Unmarshal(ev.Args[0], &ms)
	}
	switch ev.Name {
	case "chatMsg", "pm":
		if data.Username == "[server]" {
			return
		}
		if !strings.EqualFold(data.Username, u.name) {
			if u.receive != nil {
				u.receive(Message{
					From: data.Username, Text: typed.Typed(data.Msg), HTML: data.Msg, Action: data.Meta.Action,
					Private: ev.Name == "pm", Time: time.UnixMilli(data.Time),
				})
			}
			return
		}
	case "queue":
		if !strings.EqualFold(data.Item.QueueBy, u.name) {
			return
		}
	case "kick":
		u.err = &KickError{Reason: data.Reason}
		return
	case "banlist", "cooldown", "spamFiltered", "noflood", "errorMsg", "queueFail":
	default:
		return
	}
	a := answer{event: ev.Name, text: data.Msg + data.Reason, wait: time.Duration(ms * float64(time.Millisecond))}
	if ev.Name == "banlist" && len(ev.Args) > 0 {
		_ = json.Unmarshal(ev.Args[0], &a.bans)
	}
	select {
	case u.answers <- a:
	default: // no request was made for a long time
	}
}

// typed restores lines of the server, whose channels have the default filters.
var typed = markup.NewReader(markup.Default())
