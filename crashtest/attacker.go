package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/internal/retry"
)

// Kind is what an attack hits.
type Kind string

// The kinds of attacks.
const (
	Bot    Kind = "bot"         // SIGKILL
	Plugin Kind = "plugin"      // SIGKILL of one of its two processes
	NATS   Kind = "nats"        // SIGKILL of the external server
	Socket Kind = "socket"      // the site breaks the bot's connection
	Echo   Kind = "socket@echo" // the same, between a line of the bot's and its echo
	Site   Kind = "site"        // the site goes down and comes back

	// Pieces of what the server holds; see Config.Pieces.
	Durable Kind = "durable" // a consumer is deleted
	Bucket  Kind = "bucket"  // a KV bucket is deleted
	File    Kind = "file"    // the server is killed and one of its files damaged
)

// kinds are all of them, in the order of reports.
var kinds = []Kind{Bot, Plugin, NATS, Socket, Echo, Site, Durable, Bucket, File}

// Attack is something that was killed, and when.
type Attack struct {
	Kind Kind
	At   time.Time
}

// trigger is the moment that an attack waits for.
type trigger int

const (
	anytime   trigger = iota
	onReply           // a channel has just heard a line of the bot's, which the bot does not know yet
	onCommand         // a channel has just heard a command
)

// planned is an attack of the plan.
type planned struct {
	kind    Kind
	after   time.Duration // the attack before
	trigger trigger
	which   int           // of the processes, or channels
	down    time.Duration // how long what was hit stays down
}

// plan returns the endless sequence of attacks of a seed: shuffled decks of every kind, so that a short run sees them all.
func plan(seed uint64, servers int, soak, pieces bool) func() planned {
	deck, slower := []Kind{Bot, Bot, Plugin, Plugin, Socket, Echo, Site}, time.Duration(1)
	if soak {
		// The bot must live long enough to show leaks.
		deck, slower = []Kind{Bot, Plugin, Plugin, Plugin, Plugin, Plugin, Plugin, Socket, Socket, Socket, Socket, Echo, Echo, Site, Site}, 6
	}
	switch {
	case pieces:
		deck, slower = []Kind{Durable, Durable, Durable, Bucket, Bucket, File, File, Bot, Plugin, Socket}, 2
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
			kind: deck[i], after: slower * (300*time.Millisecond + time.Duration(random.IntN(2500))*time.Millisecond), trigger: trigger(random.IntN(3)),
			which: random.IntN(1 << 20), down: time.Duration(random.IntN(1500)) * time.Millisecond,
		}
		i++
		return p
	}
}

type attacker struct {
	*crash
	pending sync.WaitGroup
	stop    context.CancelFunc
	down    atomic.Bool // the site is down

	mu      sync.Mutex
	attacks []Attack
}

func (a *attacker) run(ctx context.Context) {
	// The aftermath of an attack outlives ctx.
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	for next := plan(a.Seed, len(a.nats), a.Soak, a.Pieces); ; {
		p := next()
		if retry.Sleep(ctx, p.after) != nil {
			return
		}
		a.await(ctx, p.trigger)
		at := time.Now()
		a.execute(after, p)
		if a.cluster() {
			a.awaitRecovery(ctx, at)
		}
	}
}

// finish returns the attacks that hit. It cancels an Echo that still waits for the bot's next line: there is none.
func (a *attacker) finish() []Attack {
	a.stop()
	a.pending.Wait()
	return a.attacks
}

// await waits for the moment of an attack, for a short while.
func (a *attacker) await(ctx context.Context, t trigger) {
	if t == anytime {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, _ = a.nextLine(ctx, t == onReply)
}

// nextLine waits for the next line of the bot's, or of somebody else.
func (a *attacker) nextLine(ctx context.Context, bot bool) (cytubetest.Line, error) {
	last := 0
	if heard := a.site.Heard(); len(heard) > 0 {
		last = heard[len(heard)-1].Seq
	}
	return a.site.WaitHeard(ctx, func(l cytubetest.Line) bool { return l.Seq > last && (l.User == botName) == bot })
}

func (a *attacker) execute(ctx context.Context, p planned) {
	at := time.Now()
	channel := a.channels[p.which%len(a.channels)]
	who := string(p.kind)
	hit := true
	switch p.kind {
	case Durable, Bucket, File:
		a.hitPiece(ctx, p)
		return
	case Bot, Plugin, NATS:
		processes := map[Kind][]*process{Bot: a.bots, Plugin: a.plugins, NATS: a.nats}[p.kind]
		i := p.which % len(processes)
		who = numberedName(who, i, len(processes))
		hit = processes[i].kill(p.down, nil)
	case Socket:
		hit = a.site.Drop(channel, botName) == nil
	case Site:
		if hit = a.down.CompareAndSwap(false, true); hit {
			a.site.Stop()
			a.pending.Go(func() { a.restartSite(ctx, p.down) })
		}
	case Echo:
		a.pending.Go(func() {
			a.site.Fail(channel, botName, 1, cytubetest.FaultDrop)
			if l, err := a.nextLine(ctx, true); err == nil {
				a.record(p.kind, l.Time, "%s is hit at %q", who, l.Text)
			}
		})
		return
	}
	if hit {
		a.record(p.kind, at, "%s is hit, trigger %d, down for %s", who, p.trigger, p.down)
	}
}

func (a *attacker) restartSite(ctx context.Context, after time.Duration) {
	_ = retry.Sleep(ctx, after)
	// Another client may have got the port meanwhile, for a moment.
	until(context.WithoutCancel(ctx), func() bool { return a.site.Restart() == nil })
	a.down.Store(false)
	a.log.Print("the site is back")
}

func (a *attacker) record(kind Kind, at time.Time, format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attacks = append(a.attacks, Attack{Kind: kind, At: at})
	a.log.Printf("%s (%s)", fmt.Sprintf(format, args...), at.Format(clock))
}
