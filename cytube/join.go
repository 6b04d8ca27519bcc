package cytube

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// join records how the bot found the channel. The chat lines that come before the user
// list are the channel's chat buffer, of which lines may be recorded already. They are
// recorded before cytube.connection says that the bot has joined, so that a first join
// that is interrupted stays a first join.
func (r *recorder) join(ctx context.Context, it item) {
	r.state.SetSelf(it.joined)
	if !r.entered {
		r.state.Restore(read(ctx, r, func(ctx context.Context) (*view.View, error) {
			m, err := past.At(ctx, r.bus.JetStream(), r.channel, time.Time{})
			if err == nil { // else a bot that ends soon reads as much at its next start
				err = m.Save(ctx, r.bus.JetStream())
			}
			return m.View, err
		}))
	}
	buffer, events := r.applyHeld(ctx)
	r.recordBuffer(ctx, buffer)
	r.state.EndJoin()
	for i := range events {
		if events[i].Line == nil {
			events[i].Envelope = events[i].WithMeta(event.MetaFound, true)
		}
	}
	r.publish(ctx, events)
	r.noteMembers("userlist")
	r.noteCondition(ctx, "userlist")
	r.stats.count(func(s *Stats) { s.Joins++ })
	r.stats.count(func(s *Stats) { s.Connected = true })
	r.observe.Connected(ctx, r.channel, true)
	if r.entered {
		r.observe.Reconnected(ctx, r.channel)
	}
	r.joinRef = event.Ref{}
	if !r.lost.Load() { // else another process says who is in the channel
		r.joinRef = r.recordConnection(ctx, event.StateUp, "joined as "+it.joined, it.at)
	}
	r.entered, r.known, r.up = true, true, true
	r.saveCheckpoint(ctx)
	r.log.InfoContext(ctx, "joined channel", "channel", r.channel, "user", it.joined)
	r.rankTold = false
	r.tellRank(ctx)
	r.sender.Calls.Open(it.writer)
	r.sender.Echoes.Open(it.writer)
	r.writer = it.writer
}

// applyHeld applies the frames that came before the bot had joined. It returns the lines
// of the chat buffer and the other events.
func (r *recorder) applyHeld(ctx context.Context) (buffer, events []channel.Event) {
	var lines []item
	listed := false
	for _, it := range r.held {
		listed = listed || it.frame.Name == "userlist"
		if it.frame.Name == "chatMsg" && !listed {
			lines = append(lines, it)
			continue
		}
		events = append(events, r.apply(ctx, it)...)
	}
	r.held = nil
	for _, it := range lines { // now that the ranks of their authors are known
		for _, e := range r.apply(ctx, it) {
			if e.Line != nil {
				buffer = append(buffer, e)
			} else { // moderation, which the server does not repeat
				events = append(events, e)
			}
		}
	}
	return buffer, events
}

// recordBuffer records the lines of the chat buffer that are neither recorded nor erased
// yet. Lines are counted by key, because two can have the same.
func (r *recorder) recordBuffer(ctx context.Context, lines []channel.Event) {
	if len(lines) == 0 {
		return
	}
	var buffer []*channel.Line
	for _, e := range lines {
		buffer = append(buffer, e.Line)
	}
	search := r.history.NewSearch(buffer)
	recorded := read(ctx, r, search.Run)
	r.latest = search.Latest
	if !r.entered {
		r.known = search.Joined
		r.recoverInFlightSend(ctx)
	}
	erased := read(ctx, r, r.history.Erased)
	if !slices.ContainsFunc(lines, func(e channel.Event) bool {
		chat, err := event.As[event.Chat](e.Envelope)
		return err == nil && erased.Has(chat)
	}) {
		if err := erased.DropKeys(ctx); err != nil {
			r.log.WarnContext(ctx, "keys of erased lines not dropped", "error", err)
		}
	}
	meta := event.MetaBackfill
	if r.known {
		meta = event.MetaBuffered
	}
	seen := map[channel.LineKey]int{}
	for i, e := range lines {
		key := e.Line.Key()
		seen[key]++
		r.recent.Set(key, max(seen[key], search.Count(key)))
		if i < recorded || seen[key] <= search.Count(key) {
			r.stats.count(func(s *Stats) { s.Repeated++ })
			continue
		}
		if chat, err := event.As[event.Chat](e.Envelope); err == nil && erased.Has(chat) {
			continue
		}
		e.Envelope = e.WithMeta(meta, true)
		r.publishLine(ctx, e, seen[key], true)
	}
}

// recoverInFlightSend looks whether a process before this one was in the channel, and
// speaking when it died.
func (r *recorder) recoverInFlightSend(ctx context.Context) {
	last, _ := r.lastConnection(ctx)
	r.known = r.known || last.State != ""
	stopped := last.State == event.StateDown && last.Reason == reasonStopped
	_ = r.retry(ctx, func(ctx context.Context) error { return r.sender.RecoverInFlightSend(ctx, r.state.Self(), stopped) })
}

// read returns what fn reads from the history, and the zero value once retry gives up.
func read[T any](ctx context.Context, r *recorder, fn func(context.Context) (T, error)) (v T) {
	_ = r.retry(ctx, func(ctx context.Context) (err error) {
		v, err = fn(ctx)
		return err
	})
	return v
}

// lastConnection returns the latest event about the bot's connection to the channel, and
// where it is stored.
func (r *recorder) lastConnection(ctx context.Context) (c event.Connection, ref event.Ref) {
	c = read(ctx, r, func(ctx context.Context) (c event.Connection, err error) {
		c, ref, err = r.history.LastConnection(ctx)
		return c, err
	})
	return c, ref
}

// leave records that the bot left the channel at a time.
func (r *recorder) leave(ctx context.Context, reason string, at time.Time) {
	r.held, r.writer = nil, nil
	if r.state.Joining() || !r.up {
		r.state.EndJoin()
		return
	}
	r.up = false
	r.publish(ctx, r.state.Flush(at))
	r.stats.count(func(s *Stats) { s.Connected = false })
	r.observe.Connected(ctx, r.channel, false)
	r.sender.Calls.Close()
	r.sender.Echoes.Close()
	if r.joinRef != (event.Ref{}) && !r.replaced(ctx) {
		r.recordConnection(ctx, event.StateDown, reason, at)
		r.saveCheckpoint(ctx)
	}
}

// saveCheckpoint saves how far the channel is recorded, unless another process may be
// recording it. If it fails, the next join reads more of the history.
func (r *recorder) saveCheckpoint(ctx context.Context) {
	if r.lost.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	c := r.latest
	c.Bot = r.state.Self()
	if err := r.history.SaveCheckpoint(ctx, c); err != nil {
		r.log.WarnContext(ctx, "checkpoint not saved", "channel", r.channel, "error", err)
	}
}

// snapshotTimeout bounds the reading of what was stored since the snapshot before.
const snapshotTimeout = 10 * time.Second

// saveSnapshot saves a snapshot of the channel, if enough was stored since the one before.
func (r *recorder) saveSnapshot(ctx context.Context) {
	if r.lost.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	if err := past.Save(ctx, r.bus.JetStream(), r.channel); err != nil {
		r.log.WarnContext(ctx, "snapshot not saved", "channel", r.channel, "error", err)
	}
}

// replaced reports whether the lease was lost, and another process joined the channel
// before this one could record that it left.
func (r *recorder) replaced(ctx context.Context) bool {
	if !r.lost.Load() {
		return false
	}
	_, last := r.lastConnection(ctx)
	return last.Seq > r.joinRef.Seq
}

func (r *recorder) recordConnection(ctx context.Context, state, reason string, at time.Time) event.Ref {
	c := event.Connection{Channel: r.channel, State: state, Reason: reason, Time: at.UnixMilli()}
	if state == event.StateUp { // by which a send that is repeated later tells newer items
		c.Extra = event.Extra{"last_uid": json.RawMessage(strconv.Itoa(r.state.LastUID()))}
		if epoch := r.state.Epoch(); epoch != 0 {
			c.Extra["epoch"] = json.RawMessage(strconv.FormatInt(epoch, 10))
		}
	}
	e, err := event.New(event.SubjectConnection, c)
	if err != nil {
		r.log.ErrorContext(ctx, "event not recorded", "subject", event.SubjectConnection, "error", err)
		return event.Ref{}
	}
	e.Timestamp, e.CorrelationID = at, event.NewCorrelationID()
	return r.store(ctx, e, "cytube/"+e.CorrelationID)
}
