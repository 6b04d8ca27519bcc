package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// Kind is what a blow hits.
type Kind string

// The kinds of blows.
const (
	Bot    Kind = "bot"         // SIGKILL
	Plugin Kind = "plugin"      // SIGKILL of one of its two processes
	NATS   Kind = "nats"        // SIGKILL of the external server
	Socket Kind = "socket"      // the room breaks the bot's connection off
	Echo   Kind = "socket@echo" // the same, between a line of the bot's and its echo
	Room   Kind = "room"        // the room goes down and comes back
)

// kinds are all of them, in the order of reports.
var kinds = []Kind{Bot, Plugin, NATS, Socket, Echo, Room}

// Blow is something that was killed, and when.
type Blow struct {
	Kind Kind
	At   time.Time
}

// Aim is the moment that a blow waits for.
type aim int

const (
	anytime   aim = iota
	onReply       // the room has just heard a line of the bot's, of which the bot does not know yet
	onCommand     // the room has just heard a command
)

// planned is a blow as the seed has it.
type planned struct {
	kind  Kind
	after time.Duration // of the one before
	aim   aim
	which int           // of the processes, or channels
	down  time.Duration // how long what was hit stays down
}

// plan is the endless row of blows that belongs to a seed: decks of every kind,
// each shuffled, so that a short run sees them all.
func plan(seed uint64, servers int, soak bool) func() planned {
	deck, slower := []Kind{Bot, Bot, Plugin, Plugin, Socket, Echo, Room}, time.Duration(1)
	if soak {
		// The bot must live for long enough to show what it gathers.
		deck, slower = []Kind{Bot, Plugin, Plugin, Plugin, Plugin, Plugin, Plugin, Socket, Socket, Socket, Socket, Echo, Echo, Room, Room}, 6
	}
	switch {
	case servers > 1:
		deck = []Kind{NATS, Bot, NATS, Plugin, Bot, NATS, Socket}
	case servers > 0:
		deck = append(deck, NATS, NATS)
	}
	random := rand.New(rand.NewPCG(seed, 2))
	i := len(deck)
	return func() planned {
		if i == len(deck) {
			random.Shuffle(len(deck), func(a, b int) { deck[a], deck[b] = deck[b], deck[a] })
			i = 0
		}
		p := planned{
			kind: deck[i], after: slower * (300*time.Millisecond + time.Duration(random.IntN(2500))*time.Millisecond), aim: aim(random.IntN(3)),
			which: random.IntN(6), down: time.Duration(random.IntN(1500)) * time.Millisecond,
		}
		i++
		return p
	}
}

// aimLimit is how long a blow waits for its moment.
const aimLimit = 2 * time.Second

// attacker deals the blows.
type attacker struct {
	*crash
	pending sync.WaitGroup
	stop    context.CancelFunc
	closed  atomic.Bool // the room is down

	mu    sync.Mutex
	blows []Blow
}

// run deals blows until ctx ends.
func (a *attacker) run(ctx context.Context) {
	// What a blow sets off outlives the attack.
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	next := plan(a.Seed, len(a.nats), a.Soak)
	for {
		p := next()
		pause(ctx, p.after)
		if ctx.Err() != nil {
			return
		}
		a.await(ctx, p.aim)
		at := time.Now()
		a.strike(after, p)
		if a.Cluster != "" {
			a.recovered(ctx, at)
		}
	}
}

// finish gives the blows that hit. A connection that is still to break at the
// bot's next line does so no more: the bot has nothing left to say.
func (a *attacker) finish() []Blow {
	a.stop()
	a.pending.Wait()
	return a.blows
}

// await waits for the moment that a blow is aimed at.
func (a *attacker) await(ctx context.Context, aim aim) {
	if aim == anytime {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, aimLimit)
	defer cancel()
	_, _ = a.nextLine(ctx, aim == onReply)
}

// nextLine waits for the next line that the bot, or somebody else, says.
func (a *attacker) nextLine(ctx context.Context, bot bool) (cytubetest.Line, error) {
	last := 0
	if heard := a.room.Heard(); len(heard) > 0 {
		last = heard[len(heard)-1].Seq
	}
	return a.room.WaitHeard(ctx, func(l cytubetest.Line) bool { return l.Seq > last && (l.User == botName) == bot })
}

func (a *attacker) strike(ctx context.Context, p planned) {
	at, hit := time.Now(), true
	channel := a.channels[p.which%len(a.channels)]
	processes := map[Kind][]*process{Bot: a.bots, Plugin: a.plugins, NATS: a.nats}[p.kind]
	switch p.kind {
	case Bot, Plugin, NATS:
		hit = processes[p.which%len(processes)].kill(p.down)
	case Socket:
		hit = a.room.Drop(channel, botName) == nil
	case Room:
		if hit = a.closed.CompareAndSwap(false, true); !hit {
			break
		}
		a.room.Stop()
		a.pending.Go(func() {
			pause(ctx, p.down)
			// Another client may have got the port meanwhile, for a moment.
			_ = until(context.WithoutCancel(ctx), func() bool { return a.room.Restart() == nil })
			a.closed.Store(false)
			a.log.add("room is back")
		})
	case Echo:
		a.pending.Go(func() {
			a.room.Fail(channel, botName, 1, cytubetest.FaultDrop)
			l, err := a.nextLine(ctx, true)
			if err == nil {
				a.note(p, l.Time, fmt.Sprintf("at %q", l.Text))
			}
		})
		return
	}
	if hit {
		a.note(p, at, fmt.Sprintf("aim %d, down for %s", p.aim, p.down))
	}
}

func (a *attacker) note(p planned, at time.Time, how string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blows = append(a.blows, Blow{Kind: p.kind, At: at})
	who := string(p.kind)
	if n := len(map[Kind][]*process{Bot: a.bots, Plugin: a.plugins, NATS: a.nats}[p.kind]); n > 1 {
		who = numberedName(who, p.which%n, n)
	}
	a.log.add("%s is hit, %s (%s)", who, how, at.Format(clock))
}
