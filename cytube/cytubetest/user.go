package cytubetest

import (
	"context"
	"sync"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

// User is a user who keeps what it receives until it is read.
type User struct {
	*localserver.User

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, with each message
	inbox   []Message
}

// Join joins as [localserver.Join] does.
func Join(ctx context.Context, site, channel, name, password string) (_ *User, err error) {
	u := &User{changed: make(chan struct{})}
	u.User, err = localserver.Join(ctx, site, channel, name, password, func(m Message) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.inbox = append(u.inbox, m)
		close(u.changed)
		u.changed = make(chan struct{})
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Next returns the next message of somebody else, and waits for it. Messages received come before the error that ended
// the connection.
func (u *User) Next(ctx context.Context) (Message, error) {
	for {
		ended := false
		select {
		case <-u.Done():
			ended = true
		default:
		}
		u.mu.Lock()
		changed := u.changed
		if len(u.inbox) > 0 {
			m := u.inbox[0]
			u.inbox = u.inbox[1:]
			u.mu.Unlock()
			return m, nil
		}
		u.mu.Unlock()
		if ended {
			return Message{}, u.Err()
		}
		select {
		case <-changed:
		case <-u.Done():
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Expect reads messages until one matches, and returns that.
func (u *User) Expect(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		if m, err := u.Next(ctx); err != nil || match(m) {
			return m, err
		}
	}
}
