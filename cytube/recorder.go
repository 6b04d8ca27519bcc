package cytube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// item is one thing that the session tells the recorder.
type item struct {
	event  socketio.Event
	begin  bool           // a connection is open
	joined string         // the bot is in the channel, under this name…
	conn   *socketio.Conn // …and may speak here
	ended  string         // the session is over, and why
	last   bool           // nothing follows
}

// recorder publishes what the channel does, one event after the other.
type recorder struct {
	cfg     Config
	bus     *streams.Bus
	room    *room
	voice   *voice
	history *history
	log     *slog.Logger
	stats   *counters
	observe Observer

	held    []socketio.Event          // what came since the connection opened, until the bot is in
	recent  *recent.Map[lineKey, int] // how many equal lines there were lately
	entered bool                      // the bot was in the channel since the process started
	known   bool                      // the bot was in the channel ever
}

// run records what comes until the last item or until ctx ends.
func (r *recorder) run(ctx context.Context, queue <-chan item) {
	for {
		select {
		case it := <-queue:
			if it.last {
				return
			}
			r.take(ctx, it)
		case <-ctx.Done():
			return
		}
	}
}

func (r *recorder) take(ctx context.Context, it item) {
	switch {
	case it.begin:
		r.room.begin()
		r.held = nil
	case it.joined != "":
		r.join(ctx, it)
	case it.ended != "":
		r.leave(ctx, it.ended)
	case r.room.joining:
		r.held = append(r.held, it.event)
	default:
		r.answer(it.event)
		facts := r.apply(ctx, it.event)
		r.stats.noteUsers(r.room, it.event.Name)
		r.publish(ctx, facts)
	}
}

func (r *recorder) apply(ctx context.Context, ev socketio.Event) []fact {
	facts, err := r.room.apply(ev.Name, ev.Args)
	if err != nil {
		r.stats.malformed.Add(1)
		r.log.WarnContext(ctx, "the server sent a frame that makes no sense; it is skipped", "error", err)
	}
	r.voice.limit(r.room.limit())
	return facts
}

// join records how the bot found the channel. Lines that come before the user
// list are the channel's chat buffer: some of them, or all, are recorded already.
// They are recorded before cytube.connection says that the bot is in, so that a
// first join that is interrupted stays a first join.
func (r *recorder) join(ctx context.Context, it item) {
	r.room.self = it.joined
	if !r.entered {
		r.retry(ctx, func() (err error) {
			r.room.playing, err = r.history.playing(ctx)
			return err
		})
	}
	var buffer []socketio.Event
	var news []fact
	listed := false
	for _, ev := range r.held {
		if listed = listed || ev.Name == "userlist"; ev.Name == "chatMsg" && !listed {
			buffer = append(buffer, ev)
			continue
		}
		news = append(news, r.apply(ctx, ev)...)
	}
	r.held = nil
	var lines []fact
	for _, ev := range buffer {
		for _, f := range r.apply(ctx, ev) { // now that the ranks are known
			if f.line == nil { // told by the server itself, not repeated
				news = append(news, f)
				continue
			}
			lines = append(lines, f)
		}
	}
	r.recover(ctx, lines)
	r.room.joining = false
	for i := range news {
		if news[i].line == nil {
			news[i].Envelope = news[i].WithMeta(event.MetaFound, true)
		}
	}
	r.publish(ctx, news)
	r.stats.noteUsers(r.room, "userlist")
	r.stats.joins.Add(1)
	r.stats.connected.Store(true)
	r.observe.Connected(ctx, r.cfg.Channel, true)
	if r.entered {
		r.observe.Reconnected(ctx, r.cfg.Channel)
	}
	r.connection(ctx, event.StateUp, "joined as "+it.joined)
	r.entered, r.known = true, true
	r.log.InfoContext(ctx, "joined the channel", "channel", r.cfg.Channel, "user", it.joined, "rank", r.room.rank)
	r.voice.open(it.conn)
}

func (r *recorder) leave(ctx context.Context, reason string) {
	r.held = nil
	if r.room.joining || !r.stats.connected.Load() {
		r.room.joining = false
		return
	}
	r.stats.connected.Store(false)
	r.observe.Connected(ctx, r.cfg.Channel, false)
	r.voice.close()
	r.connection(ctx, event.StateDown, reason)
}

func (r *recorder) connection(ctx context.Context, state, reason string) {
	facts, err := one(event.SubjectConnection, event.Connection{
		Channel: r.cfg.Channel, State: state, Reason: reason, Time: r.room.now().UnixMilli(),
	}, nil)
	if err != nil {
		r.log.ErrorContext(ctx, "the state of the connection is not recorded", "error", err)
		return
	}
	r.publish(ctx, facts)
}

// recover records the lines of the chat buffer that are not recorded yet. Two
// lines can be equal to the millisecond, so that they are counted.
func (r *recorder) recover(ctx context.Context, lines []fact) {
	if len(lines) == 0 {
		return
	}
	since := lines[0].line.time
	for _, f := range lines {
		since = min(since, f.line.time)
	}
	var have map[lineKey]int
	r.retry(ctx, func() (err error) {
		have, err = r.history.lines(ctx, since)
		return err
	})
	if !r.known {
		r.retry(ctx, func() (err error) {
			r.known, err = r.history.joinedBefore(ctx)
			return err
		})
	}
	if !r.entered {
		r.adopt(ctx)
	}
	meta := event.MetaBackfill
	if r.known {
		meta = event.MetaBuffered
	}
	var erased map[string]bool
	r.retry(ctx, func() (err error) {
		erased, err = r.history.erased(ctx)
		return err
	})
	seen := map[lineKey]int{}
	for _, f := range lines {
		key := f.line.key()
		seen[key]++
		r.recent.Set(key, max(seen[key], have[key]))
		if seen[key] <= have[key] {
			r.stats.repeated.Add(1)
			continue
		}
		if chat, err := event.As[event.Chat](f.Envelope); err == nil && erased[chat.Fingerprint()] {
			continue
		}
		f.Envelope = f.WithMeta(meta, true)
		r.publishLine(ctx, f, seen[key], true)
	}
}

// answer tells the sender what the server says of the message that is pending.
func (r *recorder) answer(ev socketio.Event) {
	switch ev.Name {
	case "cooldown":
		ms, err := read[float64](ev.Args)
		if err != nil || !(ms >= 0) {
			ms = 1000
		}
		r.voice.drop(seconds(min(ms, 1e6) / 1000))
	case "spamFiltered":
		r.voice.refuse("the server takes the bot for a new user and filters what it says: "+notice(ev), anyMessage)
	case "noflood":
		if n, err := read[wireNotice](ev.Args); err == nil && n.Action != "" && n.Action != "chat" {
			return
		}
		r.voice.refuse(notice(ev), isChat)
	case "kick":
		// A moderator's kick has a reason, if an empty one. This is what the
		// server does to those who say what the site forbids.
		if n, err := read[wireNotice](ev.Args); err == nil && n.Reason == nil {
			r.voice.refuse("the server kicked the bot for saying it", anyMessage)
		}
	case "errorMsg":
		text := notice(ev)
		r.voice.refuse(text, func(u *utterance) bool { return concerns(text, u.pm) })
	}
}

func anyMessage(*utterance) bool { return true }
func isChat(u *utterance) bool   { return !u.pm }

// publish records facts in order.
func (r *recorder) publish(ctx context.Context, facts []fact) {
	for _, f := range facts {
		switch {
		case f.line == nil:
			f.CorrelationID = event.NewCorrelationID()
			r.store(ctx, f.Envelope, "cytube/"+f.CorrelationID)
		default:
			r.publishLine(ctx, f, r.next(f.line.key()), false)
		}
	}
}

// publishLine records a line, the n-th of its key. An echo of a send belongs to
// the send's conversation, and the sender learns that it is recorded. The server
// spells the bot's name in an echo as it did when it let the bot in: in another
// case it is somebody else's, as of a guest who came while the bot was away.
func (r *recorder) publishLine(ctx context.Context, f fact, n int, joining bool) {
	var u *utterance
	if f.line.user == r.room.self {
		u = r.voice.claim(f.line, joining)
	}
	if u == nil {
		f.CorrelationID = event.NewCorrelationID()
		r.store(ctx, f.Envelope, r.lineID(f.line, n))
		return
	}
	f.Envelope = f.WithMeta(event.MetaCausation, u.send.String())
	if u.parts > 1 {
		f.Envelope = f.WithMeta(event.MetaPart, u.part)
	}
	f.CorrelationID = u.correlation
	r.store(trace.ContextWithSpanContext(ctx, u.span), f.Envelope, r.lineID(f.line, n))
	r.voice.recorded(u, f.line)
}

// lineID is a second fence against recording a line twice: it is the same
// whenever the line comes, and JetStream knows it for a while.
func (r *recorder) lineID(l *line, n int) string {
	text := sha256.Sum256(fmt.Appendf(nil, "%t %t %s\x00%s", l.pm, l.action, l.to, l.text))
	user := l.user
	if len(user) > longestName {
		user = fmt.Sprintf("%x", sha256.Sum256([]byte(user)))
	}
	return fmt.Sprintf("cytube/%s/%d/%s/%x/%d", r.cfg.Channel, l.time, user, text[:8], n)
}

// longestName is how many bytes of a name an ID holds as they are: a server may
// send any name, and what is sent to NATS beside an event has its limit.
const longestName = 100

// store publishes an event, again and again while NATS is away: what comes next
// must wait for it. An event that NATS will never take is logged and given up.
func (r *recorder) store(ctx context.Context, e event.Envelope, id string) {
	ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	r.retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		ack, err := r.bus.Publish(ctx, e, streams.WithMsgID(id))
		switch {
		case event.CodeOf(err) == event.InvalidInput:
			r.stats.unrecorded.Add(1)
			r.log.ErrorContext(ctx, "an event cannot be recorded", "subject", e.Subject, "bytes", len(e.Data), "error", err)
			return nil
		case err != nil:
			return err
		case ack.Duplicate:
			r.stats.repeated.Add(1)
			r.log.InfoContext(ctx, "recorded before", "subject", e.Subject, "event", ack.Ref.String())
		default:
			r.stats.recorded.Add(1)
			r.log.DebugContext(ctx, "heard", "subject", e.Subject, "event", ack.Ref.String())
		}
		return nil
	})
}

// storeTimeout is how long to wait for one acknowledgement. Publishing again
// harms nothing, because JetStream knows the event by its ID.
const storeTimeout = 2 * time.Second

// retry does something with NATS until it works, ctx ends or the connection is
// closed for good.
func (r *recorder) retry(ctx context.Context, do func() error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 5*time.Second
	told := map[bool]bool{}
	for failed := false; ; failed = true {
		err := do()
		if err == nil || ctx.Err() != nil || r.bus.Conn().IsClosed() {
			if failed && err == nil {
				r.log.InfoContext(ctx, "NATS takes events again")
			}
			return
		}
		full := errors.Is(err, streams.ErrFull)
		switch {
		case told[full]:
		case full:
			r.log.ErrorContext(ctx, "what the channel does cannot be recorded, and waits for room", "channel", r.cfg.Channel, "error", err)
		default:
			r.log.WarnContext(ctx, "NATS does not answer: what the channel does waits until it is back", "error", err)
		}
		told[full] = true
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			return
		}
	}
}

// recentKept is among how many of the latest lines equal ones are counted.
const recentKept = 256

func newRecentLines() *recent.Map[lineKey, int] { return recent.NewMap[lineKey, int](recentKept) }

// next is the number of a line that just came among those that are equal to it.
func (r *recorder) next(key lineKey) int {
	n, _ := r.recent.Get(key)
	r.recent.Set(key, n+1)
	return n + 1
}
