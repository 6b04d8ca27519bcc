package cytube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/internal/history"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// item is what the session hands to the recorder: a frame, or one of the others.
type item struct {
	at     time.Time // when it came
	frame  channel.Frame
	begin  bool          // the connection is open…
	limit  int           // …to a server that cuts lines to so many UTF-16 units, 0 if that is not known
	joined string        // the bot has joined under this name…
	writer sender.Writer // …and may speak here
	ended  string        // the session has ended, and why

	inspect  func(*recorder) // is called between two frames
	recorder *recorder       // records what follows
	flushed  chan struct{}   // is closed once what came before is recorded
	last     bool            // nothing follows
}

// recorder publishes the events of a channel, one after another, while the bot holds the
// channel's lease once.
type recorder struct {
	channel string
	bus     *streams.Bus
	state   *channel.State
	sender  *sender.Sender
	history *history.Reader
	log     *slog.Logger
	stats   *counters
	observe Observer
	lost    atomic.Bool // the lease is: another process may be in the channel

	held    []item                            // frames since the connection opened, until the bot has joined
	recent  *recent.Map[channel.LineKey, int] // how many lines of a key there were
	entered bool                              // the bot has joined since it holds the lease
	known   bool                              // the bot has joined before, perhaps in another process
	up      bool                              // the bot is in the channel
	joinRef event.Ref                         // of the event that says so, zero if none was recorded
	writer  sender.Writer                     // nil while the bot is not in the channel
	latest  history.Checkpoint                // the latest line that is recorded
	unknown map[string]bool                   // names of frames that were logged

	rankTold bool // the bot's rank in this session was logged
}

func (r *recorder) take(ctx context.Context, it item) {
	switch {
	case it.begin:
		r.state.BeginJoin()
		r.sender.Echoes.SetLineLimit(it.limit)
		r.held = nil
	case it.joined != "":
		r.join(ctx, it)
	case it.ended != "":
		r.leave(ctx, it.ended, it.at)
	case r.state.Joining():
		r.held = append(r.held, it)
	default:
		r.sender.Echoes.Answer(it.frame)
		events := r.apply(ctx, it)
		r.noteMembers(it.frame.Name)
		r.noteCondition(ctx, it.frame.Name)
		r.noteModeration(events)
		r.record(ctx, it.frame, events)
	}
}

// record publishes the events of a frame, or those that were held back where that is zero.
// One that shows what became of a send is recorded in the send's conversation.
func (r *recorder) record(ctx context.Context, frame channel.Frame, events []channel.Event) {
	call, by := r.sender.Calls.Observe(frame, events, r.state)
	if call == nil {
		r.publish(ctx, events)
		return
	}
	for i := range events {
		events[i].Envelope = r.causedBy(events[i].Envelope, call.Send, call.CorrelationID, call.Consumer)
	}
	stored := r.publish(trace.ContextWithSpanContext(ctx, call.Span), events)
	r.sender.Calls.Recorded(call, stored[by])
}

// causedBy returns an event that shows what became of a send.
func (r *recorder) causedBy(e event.Envelope, send event.Ref, correlationID, consumer string) event.Envelope {
	e = e.WithMeta(event.MetaCausation, send.String())
	if consumer != sender.SendsDurable {
		e = e.WithMeta(event.MetaConsumer, consumer)
	}
	e.CorrelationID = correlationID
	return e
}

// tick publishes what was held back, and asks the server for what the state lacks.
func (r *recorder) tick(ctx context.Context, at time.Time) {
	if !r.up || r.state.Joining() || r.writer == nil {
		return
	}
	if events := r.state.Tick(at); len(events) > 0 {
		r.record(ctx, channel.Frame{}, events)
	}
	for _, name := range r.state.Requests() {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		if err := r.writer.Emit(ctx, name); err != nil {
			r.log.DebugContext(ctx, "state request not sent", "channel", r.channel, "frame", name, "error", err)
		}
		cancel()
	}
}

// requestTimeout bounds the writing of a frame that asks the server for something.
const requestTimeout = 2 * time.Second

func (r *recorder) apply(ctx context.Context, it item) []channel.Event {
	events, err := r.state.Apply(it.frame, it.at)
	if err != nil {
		r.stats.count(func(s *Stats) { s.Malformed++ })
		r.log.WarnContext(ctx, "malformed frame skipped", "frame", it.frame.Name, "error", event.Loggable(err))
	}
	if n := len(events); n > 0 && events[n-1].Subject == event.SubjectUnknown {
		r.noteUnknown(ctx, it.frame.Name)
	}
	r.sender.Echoes.SetLimit(r.state.FloodLimit())
	return events
}

// unknownKept bounds how many names of unknown frames are logged.
const unknownKept = 100

// noteUnknown counts a frame that the bot does not know, and logs its name once.
func (r *recorder) noteUnknown(ctx context.Context, name string) {
	r.stats.count(func(s *Stats) { s.Unknown++ })
	if !r.unknown[name] && len(r.unknown) < unknownKept {
		r.unknown[name] = true
		r.log.InfoContext(ctx, "unknown frame", "channel", r.channel, "frame", name)
	}
}

// noteMembers publishes the members for Present after a frame that changes them.
func (r *recorder) noteMembers(frame string) {
	switch frame {
	case "userlist", "addUser", "userLeave", "setUserRank":
		r.stats.setMembers(r.state.Members())
	}
}

// noteModeration notes what moderators did to the bot.
func (r *recorder) noteModeration(events []channel.Event) {
	for _, e := range events {
		action, is := strings.CutPrefix(e.Subject, event.ModerationSubject(""))
		if !is {
			continue
		}
		if m, err := event.As[event.Moderation](e.Envelope); err == nil && channel.SameName(m.User, r.state.Self()) {
			r.stats.moderated(action, m)
		}
	}
}

// noteCondition publishes the bot's rights and mute after a frame that may change them.
func (r *recorder) noteCondition(ctx context.Context, frame string) {
	switch frame {
	case "userlist", "rank", "addUser", "setUserRank", "setUserMeta", "setPermissions", "setPlaylistLocked":
		mute := r.state.Mute()
		r.stats.inChannel(r.state.Rights(), mute)
		r.observe.Muted(ctx, r.channel, mute != "")
		r.tellRank(ctx)
	}
}

// tellRank logs the bot's rank in the channel once in a session, which comes after the login.
func (r *recorder) tellRank(ctx context.Context) {
	if !r.rankTold && r.state.Ranked() {
		r.rankTold = true
		r.log.InfoContext(ctx, "rank in channel known", "channel", r.channel, "rank", r.state.Rank())
	}
}

// publish records events in order, and returns where each is stored that is no line.
func (r *recorder) publish(ctx context.Context, events []channel.Event) []event.Ref {
	refs := make([]event.Ref, len(events))
	for i, e := range events {
		if e.Line == nil {
			id := event.NewCorrelationID()
			e.CorrelationID = cmp.Or(e.CorrelationID, id)
			refs[i] = r.store(ctx, e.Envelope, "cytube/"+id)
			if e.Subject == event.SubjectPollOpen {
				r.state.PollStored(refs[i])
			}
			continue
		}
		n, _ := r.recent.Get(e.Line.Key())
		r.recent.Set(e.Line.Key(), n+1)
		r.publishLine(ctx, e, n+1, false)
	}
	return refs
}

// publishLine records the n-th line of its key. An echo of a send belongs to the send's
// conversation, and confirms it once it is stored. Only a line under the bot's name as
// the server spells it is an echo: in another case it is that of a guest who came while
// the bot was away.
func (r *recorder) publishLine(ctx context.Context, e channel.Event, n int, joining bool) {
	id := r.lineID(e.Line, n)
	var m *sender.Message
	if e.Line.User == r.state.Self() {
		m = r.sender.Echoes.Claim(e.Line, joining)
	}
	if m == nil {
		e.CorrelationID = event.NewCorrelationID()
		r.note(e.Line, n, r.store(ctx, e.Envelope, id))
		return
	}
	e.Envelope = r.causedBy(e.Envelope, m.Send, m.CorrelationID, m.Consumer)
	if m.Parts > 1 {
		e.Envelope = e.WithMeta(event.MetaPart, m.Part)
	}
	r.note(e.Line, n, r.store(trace.ContextWithSpanContext(ctx, m.Span), e.Envelope, id))
	r.sender.Echoes.Recorded(m, e.Line)
}

// note notes the n-th line of its key for the checkpoint, if it is stored.
func (r *recorder) note(l *channel.Line, n int, stored event.Ref) {
	if !l.PM && stored.Seq > 0 {
		r.latest = history.Checkpoint{Line: stored.Seq, Time: l.Time, N: n}
	}
}

// lineID returns the message ID of the n-th line of a key, which is the same whenever
// the line comes: JetStream drops a line that the history did not show yet.
func (r *recorder) lineID(l *channel.Line, n int) string {
	text := sha256.Sum256(fmt.Appendf(nil, "%t %t %s\x00%s", l.PM, l.Action, l.To, l.Shown()))
	user := l.User
	if len(user) > longestName {
		user = fmt.Sprintf("%x", sha256.Sum256([]byte(user)))
	}
	return fmt.Sprintf("cytube/%s/%d/%s/%x/%d", r.channel, l.Time, user, text[:8], n)
}

// longestName is how many bytes of a name a message ID holds: NATS limits headers, and
// the server may send any name.
const longestName = 100

// storeTimeout bounds the wait for one acknowledgement. Publishing again is idempotent
// by the message ID.
const storeTimeout = 2 * time.Second

// store publishes an event and retries while NATS is away, because events are recorded
// in order. It returns where the event is stored, and the zero Ref once it gave up: an
// event that NATS will never take, or one for which there is no time left.
func (r *recorder) store(ctx context.Context, e event.Envelope, id string) (stored event.Ref) {
	ctx = propagation.WithCorrelation(ctx, e.CorrelationID)
	err := r.retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		ack, err := r.bus.Publish(ctx, e, streams.WithMsgID(id))
		switch {
		case event.CodeOf(err) == event.InvalidInput:
			return retry.Permanent(err)
		case err != nil:
			return err
		case ack.Duplicate:
			r.stats.count(func(s *Stats) { s.Repeated++ })
			r.log.InfoContext(ctx, "event already recorded", "subject", e.Subject, "event", ack.Ref.String())
		default:
			r.stats.count(func(s *Stats) { s.Recorded++ })
			r.log.DebugContext(ctx, "event recorded", "subject", e.Subject, "event", ack.Ref.String())
		}
		stored = ack.Ref
		return nil
	})
	if err != nil {
		r.stats.count(func(s *Stats) { s.Unrecorded++ })
		r.log.ErrorContext(ctx, "event not recorded", "subject", e.Subject, "bytes", len(e.Data), "error", err)
	}
	return stored
}

// retry calls fn until it succeeds, fails for good, ctx ends or the connection to NATS is
// closed.
func (r *recorder) retry(ctx context.Context, fn func(context.Context) error) error {
	return retry.Do(ctx, retry.Policy{
		Initial: 50 * time.Millisecond, Max: 5 * time.Second, Logger: r.log, Operation: "record channel",
		If: func(error) bool { return ctx.Err() == nil && !r.bus.Conn().IsClosed() },
	}, fn)
}

// recentKept is among how many of the latest lines equal ones are counted.
const recentKept = 256

func newRecentLines() *recent.Map[channel.LineKey, int] {
	return recent.NewMap[channel.LineKey, int](recentKept)
}
