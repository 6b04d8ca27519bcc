package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// ahead is how many commands may be in the room that no stream holds yet. A real
// room shows those who join its last 15 lines, and what has scrolled out of
// those while the bot was away nobody can bring back; this leaves room for the
// bot's own lines.
const ahead = 8

// behind is how many commands may wait for their answer to be heard. A moderator
// may say 10 lines a second, and what is older than 2 minutes is not said.
const behind = 200

// typist says numbered commands in the room, as three users in turn.
type typist struct {
	*crash
	users map[string]*cytubetest.User
	held  time.Duration // how long it had to wait for the bot
}

var names = [...]string{"alice", "bob", "carol"}

// run types until ctx ends. A command counts only if the room took it, which is
// for the room to say: one that was on its way when the connection broke is not
// typed again.
func (t *typist) run(ctx context.Context) {
	t.users = map[string]*cytubetest.User{}
	defer func() {
		for _, u := range t.users {
			u.Close()
		}
	}()
	random := rand.New(rand.NewPCG(t.Seed, 1))
	for n := 1; ctx.Err() == nil; n++ {
		pause(ctx, time.Duration(random.IntN(150))*time.Millisecond)
		text := fmt.Sprintf("!roll d6+%d", n)
		if random.IntN(4) == 0 {
			text = fmt.Sprintf("!quote add crash %d", n)
		}
		asked := time.Now()
		err := until(ctx, func() bool {
			t.streams.poll(ctx)
			heard := t.room.Heard()
			typed := len(commands(heard))
			return typed-t.streams.recorded() < ahead && typed-spoken(heard) < behind
		})
		t.held += time.Since(asked)
		if err != nil {
			return
		}
		t.say(ctx, t.channels[random.IntN(len(t.channels))], names[n%len(names)], text)
	}
}

func (t *typist) say(ctx context.Context, channel, name, text string) {
	key := name + " in " + channel
	u := t.users[key]
	if u == nil {
		err := until(ctx, func() (ok bool) {
			var err error
			within, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			u, err = cytubetest.Join(within, t.room.URL(), channel, name, "")
			return err == nil
		})
		if err != nil {
			return
		}
		t.users[key] = u
	}
	within, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := u.Say(within, text); err != nil {
		t.log.add("%s may not have said %q: %s", key, text, err)
		u.Close()
		delete(t.users, key)
	}
}

var numbered = regexp.MustCompile(`^!(?:roll d6\+|quote add crash )(\d+)$`)

// numberOf is the number of a command.
func numberOf(text string) (n int, ok bool) {
	m := numbered.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// spoken counts the lines that the bot said.
func spoken(heard []cytubetest.Line) (n int) {
	for _, l := range heard {
		if l.User == botName {
			n++
		}
	}
	return n
}

// commands finds the numbered commands among what the room heard.
func commands(heard []cytubetest.Line) map[int]cytubetest.Line {
	found := map[int]cytubetest.Line{}
	for _, l := range heard {
		if n, ok := numberOf(l.Text); ok && l.User != botName {
			found[n] = l
		}
	}
	return found
}
