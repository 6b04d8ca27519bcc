package plugintest

import (
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// Next waits for the next message that a plugin sends. The test fails if an event is
// dead-lettered meanwhile. Notices of failed attempts are left out.
func (c *Channel) Next() string {
	c.t.Helper()
	for {
		if s := c.take(event.AllSpeech); s.Meta(event.MetaResult) == "" {
			return text(s)
		}
	}
}

// Emitted waits for the next event on a subject, such as
// plugin.trivia.event.game_start, as Next does. Messages and each subject are read
// independently, from the first one on.
func (c *Channel) Emitted(subject string) streams.Stored { c.t.Helper(); return c.take(subject) }

// take waits for the next event that pattern matches after the one it returned last.
func (c *Channel) take(pattern string) (s streams.Stored) {
	c.t.Helper()
	next, letters := c.reader(pattern), c.reader(deadLetters)
	c.await(pattern, func() (ok bool) {
		if s, ok = next(c.taken[pattern]); ok {
			c.taken[pattern] = s.Ref.Seq
			return true
		}
		for {
			dead, ok := letters(c.taken[deadLetters])
			if !ok || dead.Subject == pattern {
				return false
			}
			if dead.Ref.Seq > c.taken[dead.Subject] {
				c.t.Fatalf("a plugin failed while waiting for %s: %s", pattern, dead.Data)
			}
			c.taken[deadLetters] = dead.Ref.Seq
		}
	})
	return s
}

const deadLetters = "plugin.*.event." + event.TypeDeadLetter

// reader returns a function that reads the first event after a sequence that pattern
// matches.
func (c *Channel) reader(pattern string) func(seq uint64) (streams.Stored, bool) {
	c.t.Helper()
	spec, ok := streams.For(pattern)
	if !ok {
		c.t.Fatalf("no stream holds %s", pattern)
	}
	stream, err := c.Bus.JetStream().Stream(c.ctx, spec.Name)
	if err != nil {
		c.t.Fatal(err)
	}
	return func(seq uint64) (s streams.Stored, ok bool) {
		c.t.Helper()
		raw, err := stream.GetMsg(c.ctx, seq+1, jetstream.WithGetMsgSubject(pattern))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return s, false
		}
		if err == nil {
			s, err = streams.ReadRaw(spec.Name, raw)
		}
		if err != nil {
			c.t.Fatalf("read %s: %v", pattern, err)
		}
		return s, true
	}
}

func text(s streams.Stored) string {
	var said struct{ Message, Emote string }
	if err := json.Unmarshal(s.Data, &said); err != nil {
		return err.Error()
	}
	if said.Emote != "" {
		return "/me " + said.Emote
	}
	return said.Message
}

// Stored returns all stored events that a pattern matches.
func (c *Channel) Stored(pattern string) []streams.Stored {
	c.t.Helper()
	return c.stored(pattern, func(ref event.Ref, err error) {
		c.t.Helper()
		c.t.Fatalf("%s: %v", ref, err)
	})
}

// stored returns the stored events that a pattern matches and passes to malformed those that
// cannot be decoded.
func (c *Channel) stored(pattern string, malformed func(event.Ref, error)) []streams.Stored {
	c.t.Helper()
	var all []streams.Stored
	for e, err := range replay.Read(c.ctx, c.Bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{pattern}}}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if isTimer(e.Header) {
			continue
		}
		s, err := e.Decode()
		if err != nil {
			malformed(e.Ref, err)
			continue
		}
		all = append(all, s)
	}
	return all
}

// Said returns all messages that plugins sent, in order, but for what Next leaves out.
func (c *Channel) Said() []string {
	c.t.Helper()
	var all []string
	for _, s := range c.Stored(event.AllSpeech) {
		if s.Meta(event.MetaResult) == "" {
			all = append(all, text(s))
		}
	}
	return all
}
