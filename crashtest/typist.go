package crashtest

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/localserver"
	"github.com/rosey-bot/rosey/internal/retry"
)

const (
	// ahead is how many commands may be in the channels that no stream holds yet. A real channel sends those who join its
	// last 15 lines, and what has scrolled out of those while the bot was away cannot be recovered; this leaves room for
	// the bot's own lines.
	ahead = 8
	// behind is how many commands may be unanswered. A moderator may say 10 lines a second, and what is older than 2 minutes
	// is not said.
	behind = 200
	// waitLimit is how long the oldest of them may be unanswered: on a slow machine far fewer than behind would expire.
	waitLimit = 30 * time.Second
)

// typist types numbered commands, as three users in turn.
type typist struct {
	*crash
	users map[string]*localserver.User
	held  time.Duration // how long it had to wait for the bot
}

// run types until ctx ends. A command counts only if the site accepted it: one that was on its way when the connection
// broke is not typed again.
func (t *typist) run(ctx context.Context) {
	t.users = map[string]*localserver.User{}
	defer func() {
		for _, u := range t.users {
			u.Close()
		}
	}()
	random := rand.New(rand.NewPCG(t.Seed, 1))
	for n := 1; retry.Sleep(ctx, time.Duration(random.IntN(150))*time.Millisecond) == nil; n++ {
		text := t.exercises().line(random, n)
		began := time.Now()
		ready := until(ctx, func() bool {
			t.streams.poll(ctx)
			heard := t.site.Heard()
			typed := len(commands(heard))
			return typed-len(t.streams.recorded) < ahead && typed-spoken(heard) < behind && oldest(heard, time.Now()) < waitLimit
		})
		t.held += time.Since(began)
		if !ready {
			return
		}
		t.say(ctx, t.channels[random.IntN(len(t.channels))], names[n%len(names)], text)
	}
}

// sayLimit is how long joining or saying something may take.
const sayLimit = 5 * time.Second

func (t *typist) say(ctx context.Context, channel, name, text string) {
	key := name + " in " + channel
	u := t.users[key]
	if u == nil {
		var err error
		u, err = retry.Value(ctx, retry.Every(50*time.Millisecond), func(ctx context.Context) (*localserver.User, error) {
			ctx, cancel := context.WithTimeout(ctx, sayLimit)
			defer cancel()
			return localserver.Join(ctx, t.site.URL(), channel, name, "", nil)
		})
		if err != nil {
			return
		}
		t.users[key] = u
	}
	ctx, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	if err := u.Say(ctx, text); err != nil {
		t.log.Printf("%s may not have said %q: %s", key, text, err)
		u.Close()
		delete(t.users, key)
	}
}

// spoken counts the bot's lines.
func spoken(heard []cytubetest.Line) (n int) {
	for _, l := range heard {
		if l.User == botName {
			n++
		}
	}
	return n
}

// oldest returns the age of the oldest command that its channel heard no answer to, but for those that expired: answers
// come about in the order of the commands.
func oldest(heard []cytubetest.Line, now time.Time) (age time.Duration) {
	typed, answers := map[string][]time.Time{}, map[string]int{}
	for _, l := range heard {
		if l.User == botName {
			answers[l.Channel]++
		} else if _, ok := numberOf(l.Text); ok {
			typed[l.Channel] = append(typed[l.Channel], l.Time)
		}
	}
	for channel, at := range typed {
		if n := answers[channel]; n < len(at) {
			if waits := now.Sub(at[n]); waits < drainLimit {
				age = max(age, waits)
			}
		}
	}
	return age
}

// commands returns the numbered commands among the lines, by number.
func commands(heard []cytubetest.Line) map[int]cytubetest.Line {
	found := map[int]cytubetest.Line{}
	for _, l := range heard {
		if n, ok := numberOf(l.Text); ok && l.User != botName {
			found[n] = l
		}
	}
	return found
}
