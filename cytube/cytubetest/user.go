package cytubetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// KickError tells that the server sent the user away.
type KickError struct{ Reason string }

func (e *KickError) Error() string { return "kicked: " + e.Reason }

// Message is something a [User] reads: chat, or a private message to it.
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
	conn *socketio.Conn
	name string
	wg   sync.WaitGroup

	talking sync.Mutex // one thing is said at a time: the answer tells which it was

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something came in
	inbox   []Message
	answers chan answer   // what came of what the user did
	done    chan struct{} // closed when the connection has ended, after err is set
	err     error
}

// answer is what the server says about what the user did.
type answer struct {
	event string
	text  string
	wait  time.Duration
}

// Join finds the channel's socket through the site, joins the channel and logs
// in: as a guest when the password is empty, and not at all when the name is
// empty, too. It returns when the server has said that the user is in.
func Join(ctx context.Context, site, channel, name, password string) (*User, error) {
	u := &User{name: name, changed: make(chan struct{}), answers: make(chan answer, 16), done: make(chan struct{})}
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
	u.wg.Go(u.read)
	return u, nil
}

func (u *User) enter(ctx context.Context, channel, password string) error {
	if err := u.conn.Emit(ctx, "joinChannel", map[string]any{"name": channel}); err != nil {
		return err
	}
	for joined := false; ; {
		ev, err := u.conn.Receive(ctx)
		if err != nil {
			return err
		}
		var data struct {
			Success          bool
			Name, Error, Msg string
			Reason           string
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
			if err := u.conn.Emit(ctx, "login", map[string]any{"name": u.name, "pw": password}); err != nil {
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

// Name is the user's name as the server spells it.
func (u *User) Name() string { return u.name }

// Next waits for the next message of somebody else. Messages received are handed
// out before the error that ended the connection.
func (u *User) Next(ctx context.Context) (Message, error) {
	for {
		u.mu.Lock()
		changed, err := u.changed, u.err
		if len(u.inbox) > 0 {
			m := u.inbox[0]
			u.inbox = u.inbox[1:]
			u.mu.Unlock()
			return m, nil
		}
		u.mu.Unlock()
		if err != nil {
			return Message{}, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Expect reads messages until one matches, and gives that.
func (u *User) Expect(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		if m, err := u.Next(ctx); err != nil || match(m) {
			return m, err
		}
	}
}

// Say says something in the channel and waits until the server has passed it on.
// It waits out the flood control. Text that begins with a slash may be a command,
// of which there is no echo: use [User.Send] for those, except /me.
func (u *User) Say(ctx context.Context, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("there is nothing to say: the server drops blank lines")
	}
	return u.do(ctx, "chatMsg", "chatMsg", map[string]any{"msg": text, "meta": map[string]any{}})
}

// PM sends a private message and waits until the server has delivered it. It
// waits out the flood control.
func (u *User) PM(ctx context.Context, to, text string) error {
	return u.do(ctx, "pm", "pm", map[string]any{"to": to, "msg": text, "meta": map[string]any{}})
}

// Queue puts media at the end of the playlist and waits until it is there. The
// server says nothing to users who may not do it: give the context a deadline.
func (u *User) Queue(ctx context.Context, kind, id string) error {
	return u.do(ctx, "queue", "queue", map[string]any{"id": id, "type": kind, "pos": "end", "temp": true})
}

// Send says something, most likely a command, without waiting for what comes of
// it.
func (u *User) Send(ctx context.Context, text string) error {
	return u.conn.Emit(ctx, "chatMsg", map[string]any{"msg": text, "meta": map[string]any{}})
}

// Unban takes a ban back, as a moderator, without waiting for what comes of it.
func (u *User) Unban(ctx context.Context, name string) error {
	return u.conn.Emit(ctx, "unban", map[string]any{"id": 1, "name": name})
}

// Close leaves the channel.
func (u *User) Close() {
	_ = u.conn.Close()
	u.wg.Wait()
}

// do emits an event and waits for the server's echo of it or its refusal.
func (u *User) do(ctx context.Context, event, echo string, arg any) error {
	u.talking.Lock()
	defer u.talking.Unlock()
	for patience := time.Duration(1); ; patience = min(2*patience, 64) {
		for len(u.answers) > 0 {
			<-u.answers // to something given up before
		}
		if err := u.conn.Emit(ctx, event, arg); err != nil {
			return err
		}
		var pause <-chan time.Time
		for refused := false; !refused; {
			select {
			case a := <-u.answers:
				switch a.event {
				case echo:
					return nil
				case "cooldown":
					// Longer each time: an emote counts as two lines, and once the
					// burst is used up only a real silence makes room for two.
					pause, refused = time.After(patience*a.wait), true
				case "chatMsg", "pm", "queue": // of something else
				default:
					return fmt.Errorf("the server refused it (%s): %s", a.event, a.text)
				}
			case <-u.done:
				return u.ended()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case <-pause:
		case <-u.done:
			return u.ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (u *User) ended() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// read takes in what the server says until the connection ends.
func (u *User) read() {
	defer close(u.done)
	for {
		ev, err := u.conn.Receive(context.Background())
		var malformed *socketio.FrameError
		if errors.As(err, &malformed) {
			continue
		}
		u.mu.Lock()
		if err != nil && u.err == nil {
			u.err = err
		}
		if err == nil {
			u.take(ev)
		}
		close(u.changed)
		u.changed = make(chan struct{})
		u.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take sorts an event: a message for the inbox, or an answer to what the user
// did.
func (u *User) take(ev socketio.Event) {
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
	said := answer{event: ev.Name, text: data.Msg + data.Reason, wait: time.Duration(ms * float64(time.Millisecond))}
	switch ev.Name {
	case "chatMsg", "pm":
		if data.Username == "[server]" {
			return
		}
		if !strings.EqualFold(data.Username, u.name) {
			u.inbox = append(u.inbox, Message{
				From: data.Username, Text: plainText(data.Msg), HTML: data.Msg, Action: data.Meta.Action,
				Private: ev.Name == "pm", Time: time.UnixMilli(data.Time),
			})
			return
		}
	case "queue":
		if !strings.EqualFold(data.Item.QueueBy, u.name) {
			return
		}
	case "kick":
		u.err = &KickError{Reason: data.Reason}
		return
	case "cooldown", "spamFiltered", "noflood", "errorMsg", "queueFail":
	default:
		return
	}
	select {
	case u.answers <- said:
	default: // nobody has asked for a long time
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

func plainText(markup string) string { return html.UnescapeString(tag.ReplaceAllString(markup, "")) }
