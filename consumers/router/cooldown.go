package router

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Cooldowns keeps who used which command when. What it decides is a fold of the bucket and
// of the stored events, so that a restart or another process decides the same. The nil
// Cooldowns has none.
type Cooldowns struct {
	js jetstream.JetStream
	kv jetstream.KeyValue
}

// OpenCooldowns opens the bucket and creates it if it is missing.
func OpenCooldowns(ctx context.Context, js jetstream.JetStream, replicas int) (*Cooldowns, error) {
	kv, err := jsapi.OpenErasableBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: streams.Cooldowns, Description: "Last uses of commands that cool down", History: 1, TTL: MaxCooldown, Replicas: max(replicas, 1),
	})
	return &Cooldowns{js, kv}, err
}

// use is what cools down: a command in a channel, for one user or for all.
type use struct {
	plugin   Registration
	command  Command
	user     string // "" is everybody
	cooldown time.Duration
}

// lastUse is the value of a key.
type lastUse struct {
	Line event.Ref            `json:"line"` // the chat line
	At   int64                `json:"at"`   // ms since the epoch
	Done bool                 `json:"done"` // known not to have been refused by the plugin
	Told map[string]event.Ref `json:"told"` // the line on which a user was told to wait
}

// check returns a refusal if the command is cooling down, with some answer if the user was
// not told yet. A use that the plugin refused, or failed at, costs nothing.
func (c *Cooldowns) check(ctx context.Context, u use, l line) (*refusal, error) {
	if c == nil || u.cooldown <= 0 {
		return nil, nil
	}
	key := u.key(l.chat.Channel)
	for {
		last, revision, err := c.get(ctx, key)
		if err != nil || revision == 0 || last.Line == l.ref { // its own, on a redelivery
			return nil, err
		}
		left := time.UnixMilli(last.At).Add(u.cooldown).Sub(l.at)
		if left <= 0 {
			return nil, nil
		}
		if !last.Done {
			failed, known, err := c.failed(ctx, u.plugin, last, l)
			if err != nil || failed {
				return nil, err
			}
			last.Done = known
		}
		f := &refusal{reason: reasonCooldown, details: map[string]any{"seconds": math.Ceil(left.Seconds())}}
		user := strings.ToLower(l.chat.User)
		if told, ok := last.Told[user]; ok && told != l.ref {
			return f, nil
		}
		f.answer = &event.Phrase{} // of checkTime
		if last.Told == nil {
			last.Told = map[string]event.Ref{}
		}
		last.Told[user] = l.ref
		if err := c.put(ctx, key, last, revision); !jsapi.IsConflict(err) {
			return f, err
		}
	}
}

// start notes that a command is used, for each of the cooldowns that it has. It reports
// false if another process routed a use of the same meanwhile, which is then checked again.
func (c *Cooldowns) start(ctx context.Context, uses []use, l line) (bool, error) {
	for _, u := range uses {
		if c == nil || u.cooldown <= 0 {
			continue
		}
		key := u.key(l.chat.Channel)
		last, revision, err := c.get(ctx, key)
		if err != nil {
			return false, err
		}
		if last.Line == l.ref {
			continue
		}
		err = c.put(ctx, key, lastUse{Line: l.ref, At: l.at.UnixMilli()}, revision)
		if jsapi.IsConflict(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *Cooldowns) get(ctx context.Context, key string) (last lastUse, revision uint64, err error) {
	last, revision, err = jsapi.ReadJSON[lastUse](ctx, c.kv, key)
	if err != nil {
		err = event.Errorf(event.NATSError, "read the cooldown %s: %w", key, err)
	}
	return last, revision, err
}

func (c *Cooldowns) put(ctx context.Context, key string, last lastUse, revision uint64) error {
	_, err := jsapi.UpdateJSON(ctx, c.kv, key, last, revision)
	if err != nil && !jsapi.IsConflict(err) {
		return event.Errorf(event.NATSError, "write the cooldown %s: %w", key, err)
	}
	return err
}

// failed reports whether the plugin refused or failed at a use, as the stored events say,
// and whether that is known for good.
func (c *Cooldowns) failed(ctx context.Context, plugin Registration, last lastUse, l line) (failed, known bool, err error) {
	command, ok, err := c.commandOf(ctx, plugin.Name, last)
	if err != nil || !ok {
		return false, false, err
	}
	notices := []string{event.EventSubject(plugin.Name, event.TypeDeadLetter), event.EventSubject(plugin.Name, event.TypeExpired)}
	for msg, err := range streams.Messages(ctx, c.js, streams.Selection{Stream: streams.Plugin, Subjects: notices, From: command.Seq + 1}) {
		if err != nil {
			return false, false, err
		}
		s, err := streams.ReadRaw(streams.Plugin, msg)
		if err != nil {
			continue
		}
		if of, err := event.As[event.DeadLetter](s.Envelope); err == nil && of.Stream == command.Stream && of.Seq == int64(command.Seq) {
			return true, true, nil
		}
		if of, err := event.As[event.Expired](s.Envelope); err == nil && of.Stream == command.Stream && of.Seq == int64(command.Seq) {
			return true, true, nil
		}
	}
	for msg, err := range streams.Messages(ctx, c.js, streams.Selection{Stream: streams.Cytube, Subjects: []string{event.AllSends}, From: last.Line.Seq + 1}) {
		if err != nil {
			return false, false, err
		}
		s, err := streams.ReadRaw(streams.Cytube, msg)
		if err != nil {
			continue
		}
		if cause, _ := s.Causation(); cause == command && s.Meta(event.MetaResult) == "" {
			return s.Meta(event.MetaErrorCode) != "", true, nil
		}
	}
	// A plugin need not answer, and a command that is older than this has expired.
	return false, l.at.Sub(time.UnixMilli(last.At)) > consumers.MaxMaxAge, nil
}

// commandOf returns the command that the router made of a line.
func (c *Cooldowns) commandOf(ctx context.Context, plugin string, last lastUse) (event.Ref, bool, error) {
	selection := streams.Selection{Stream: streams.Plugin, Subjects: []string{event.CommandSubject(plugin)}, Since: time.UnixMilli(last.At).Add(-time.Minute)}
	for msg, err := range streams.Messages(ctx, c.js, selection) {
		if err != nil {
			return event.Ref{}, false, err
		}
		s, err := streams.ReadRaw(streams.Plugin, msg)
		if err != nil {
			continue
		}
		if cause, _ := s.Causation(); cause == last.Line {
			return s.Ref, true, nil
		}
	}
	return event.Ref{}, false, nil
}

func (u use) key(channel string) string {
	user := "=everybody"
	if u.user != "" {
		user = jsapi.EncodeKey(strings.ToLower(u.user))
	}
	return strings.Join([]string{u.plugin.Name, jsapi.EncodeKey(strings.TrimSuffix(u.command.policyKey(""), ".")), jsapi.EncodeKey(strings.ToLower(channel)), user}, ".")
}
