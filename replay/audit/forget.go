package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// erasureBatch is how many events one cytube.erasure lists.
	erasureBatch = 1000
	// fingerprinted is how many of the newest lines erased from a channel are
	// remembered, so that they are not recorded again from the channel's own chat
	// buffer, which holds fewer.
	maxFingerprints = 100
)

// ForgetOptions narrow what Forget erases.
type ForgetOptions struct {
	Channel      string
	Since, Until time.Time
	Reason       string // goes into the record; "on request" when empty
	Answers      bool   // erase also what was made because of it, such as the bot's answers
	DryRun       bool   // count, erase nothing

	Marks event.Marks // of plugins' own events, see router.Marks
}

// Forgotten is what Forget did.
type Forgotten struct {
	Events   map[string]int // erased, by stream
	Answers  int            // events left that were made because of these, such as the bot's answers
	Mentions int            // other events left that name the person
	// Exchanges are erased ones: what plugins asked and were answered because of these
	// events, or with the person's name.
	Exchanges int
}

// Total is how many events were erased.
func (f Forgotten) Total() (n int) {
	for _, c := range f.Events {
		n += c
	}
	return n
}

// Forget erases what a person said and did, and what was sent to them, from
// every stream, with the requests to the database and to plugins that were made
// because of it, whenever that was: JetStream overwrites the events on disk. First
// it stores a signed cytube.erasure, which lists the places and not the person, so
// that Verify can explain the holes; broken off in between, it can be called again.
//
// A person's event is one that names the person in a field that is marked so, or in any
// field where it is not known which these are, see event.Marks. Dead letters about such
// events go with them, and what plugins asked and were answered because of them, or with
// the name in it. Forget does not touch what was answered to the person, unless it is
// asked to, and what others said about them, which it counts, nor what plugins keep in the database, nor
// backups. Of lines that the channel's own chat buffer may still hold the erasure keeps a
// keyed fingerprint, so that the connector does not record them again; the connector
// drops the key when the buffer has none of them any more. The error wraps
// replay.ErrNoMatch when there is nothing to erase.
func Forget(ctx context.Context, bus *streams.Bus, key ed25519.PrivateKey, user string, o ForgetOptions) (Forgotten, error) {
	done := Forgotten{Events: map[string]int{}}
	if user == "" {
		return done, event.Errorf(event.InvalidInput, "name the user to forget")
	}
	if o.Reason == "" {
		o.Reason = "on request"
	}
	js := bus.JetStream()
	t, err := newFootprint(user)
	if err != nil {
		return done, err
	}
	t.eraseAnswers = o.Answers
	q := replay.Query{Filter: replay.Filter{User: user, Marks: o.Marks, Channel: o.Channel, Since: o.Since, Until: o.Until, Subjects: []string{">"}}}
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return done, err
		}
		t.add(e)
	}
	if len(t.erased) == 0 {
		if !o.DryRun { // a run that was broken off may have left them
			err = dropSnapshots(ctx, js)
		}
		if err != nil {
			return done, err
		}
		return done, fmt.Errorf("%w of %s", replay.ErrNoMatch, user)
	}
	if err := t.findEffects(ctx, js); err != nil {
		return done, err
	}
	for stream, seqs := range t.erased {
		done.Events[stream] = len(seqs)
	}
	done.Answers, done.Mentions = t.answers, t.mentions
	done.Exchanges, err = streams.EraseExchanges(ctx, js, func(of event.Ref, body []byte) bool { return t.erased.has(of) || t.name.Match(body) }, o.DryRun)
	if err != nil || o.DryRun {
		return done, err
	}
	p := event.Erasure{Reason: o.Reason}
	if p.Lines, err = fingerprints(ctx, js, t.lines); err != nil {
		return done, err
	}
	// Effects go before what they were made because of, which leads to them if this is
	// broken off.
	slices.Reverse(t.order)
	if err := erase(ctx, bus, key, t.order, p); err != nil {
		return done, err
	}
	return done, dropSnapshots(ctx, js)
}

func dropSnapshots(ctx context.Context, js jetstream.JetStream) error {
	if err := streams.DropChannelSnapshots(ctx, js); err != nil {
		return event.Errorf(event.NATSError, "erase the snapshots of channels: %w", err)
	}
	return nil
}

// fingerprints returns those of lines by channel, each channel's with a key of its own.
func fingerprints(ctx context.Context, js jetstream.JetStream, lines map[string][]event.Chat) (all []string, err error) {
	for channel, chats := range lines {
		key, err := streams.NewErasureKey(ctx, js, channel)
		if err != nil {
			return nil, event.Errorf(event.NATSError, "%w", err)
		}
		for _, chat := range chats {
			all = append(all, chat.Fingerprint(key.Key))
		}
	}
	slices.Sort(all)
	return all, nil
}

// erase publishes erasures like p of events, and deletes the events in the given order.
func erase(ctx context.Context, bus *streams.Bus, key ed25519.PrivateKey, events []event.Ref, p event.Erasure) error {
	for batch := range slices.Chunk(events, erasureBatch) {
		p.Events, p.Time, p.Key = map[string][]uint64{}, time.Now().UnixMilli(), PublicKey(key)
		for _, ref := range slices.Backward(batch) {
			p.Events[ref.Stream] = append(p.Events[ref.Stream], ref.Seq)
		}
		p.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, signedText(p)))
		e, err := event.New(event.SubjectErasure, p)
		if err != nil {
			return err
		}
		if _, err := bus.Publish(ctx, e); err != nil {
			return err
		}
		p.Lines = nil // the first erasure lists all of them
		opened := map[string]jetstream.Stream{}
		for stream := range p.Events {
			if opened[stream], err = bus.JetStream().Stream(ctx, stream); err != nil {
				return event.Errorf(event.NATSError, "look at stream %s: %w", stream, err)
			}
		}
		for _, ref := range batch {
			if err := secureDelete(ctx, opened[ref.Stream], ref.Seq); err != nil {
				return event.Errorf(event.NATSError, "erase %s: %w", ref, err)
			}
		}
	}
	return nil
}

// secureDelete overwrites an event. An event that is gone is no error.
func secureDelete(ctx context.Context, s jetstream.Stream, seq uint64) error {
	err := s.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, getErr := s.GetMsg(ctx, seq); errors.Is(getErr, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

// signedText returns the text that an erasure's signature covers.
func signedText(p event.Erasure) []byte {
	parts := []any{"rosey erasure", p.Events, p.Reason, p.Time, p.Key}
	if len(p.Lines) > 0 {
		parts = append(parts, p.Lines)
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic("audit: plain values cannot fail to encode: " + err.Error())
	}
	return text
}

func hasValidSignature(p event.Erasure, key ed25519.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(p.Signature)
	return err == nil && p.Key == encodeKey(key) && ed25519.Verify(key, signedText(p), signature)
}
