package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/harness"
	"github.com/rosey-bot/rosey/streams"
)

// A line is a command as it is typed, and what it comes to when nothing disturbs it.
type line struct {
	text    string
	outputs int // events that the plugin publishes because of it
	steps   int // of handling it, the acknowledgement too
	writes  int // revisions of records
}

// command publishes the line's command to the plugin, as the router does, with further
// metadata as keys and values.
func (v *verifier) command(ctx context.Context, text string, private bool, meta ...string) (streams.Stored, error) {
	name, args, ok := router.ParseCommand(text, harness.Prefix)
	if !ok {
		return streams.Stored{}, fmt.Errorf("%q is not a command: write it with its prefix, as in %sgreet bob", text, harness.Prefix)
	}
	return v.publish(ctx, event.CommandSubject(v.Name), event.Command{
		Command: strings.ToLower(name), Args: append([]string{}, args...), User: userName, Channel: channelName, Rank: userRank, RawMessage: text, Private: private,
	}, meta...)
}

// publish stores an event in a conversation of its own.
func (v *verifier) publish(ctx context.Context, subject string, payload any, meta ...string) (streams.Stored, error) {
	e, err := event.New(subject, payload)
	if err != nil {
		return streams.Stored{}, err
	}
	e.CorrelationID = event.NewCorrelationID()
	for i := 0; i+1 < len(meta); i += 2 {
		e = e.WithMeta(meta[i], meta[i+1])
	}
	at := time.Now()
	ack, err := v.harness.Bus.Publish(ctx, e)
	return streams.Stored{Envelope: e, Ref: ack.Ref, At: at}, err
}

// settled waits until the plugin has settled all events up to one.
func (v *verifier) settled(ctx context.Context, command event.Ref) error {
	return v.await(ctx, fmt.Sprintf("the acknowledgement of %s", command), func() (bool, error) {
		c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
		if err != nil {
			return false, err
		}
		info := c.CachedInfo()
		return info.Delivered.Stream >= command.Seq && info.NumPending == 0 && info.NumAckPending == 0, nil
	})
}

// handle has a command handled: it publishes it and waits until the plugin has settled it.
func (v *verifier) handle(ctx context.Context, text string, private bool, meta ...string) (streams.Stored, error) {
	command, err := v.command(ctx, text, private, meta...)
	if err == nil {
		err = v.settled(ctx, command.Ref)
	}
	return command, err
}

// caused returns what the plugin published because of a command. It leaves out the notices
// of failed attempts.
func (v *verifier) caused(ctx context.Context, command streams.Stored) (list []streams.Stored, err error) {
	for stream, subjects := range map[string][]string{
		streams.Cytube: {event.AllSends}, commandStream: {event.EventSubject(v.Name), event.EventSubject(v.Name, ">")},
	} {
		// A little earlier: the clocks are the same, but their readings are rounded.
		selection := streams.Selection{Stream: stream, Subjects: subjects, Since: command.At.Add(-time.Second)}
		for raw, err := range streams.Messages(ctx, v.js, selection) {
			if err != nil {
				return nil, err
			}
			s, err := streams.ReadRaw(stream, raw)
			if err != nil {
				return nil, fmt.Errorf("it published %s on %s, which breaks the contract: %w", s.Ref, raw.Subject, err)
			}
			if cause, _ := s.Causation(); cause == command.Ref && s.Meta(event.MetaResult) == "" {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// writes counts the revisions of records since a time.
func (v *verifier) writes(ctx context.Context, since time.Time) (n int, err error) {
	names := v.js.StreamNames(ctx, jetstream.WithStreamListSubject("$KV."+kvstore.BucketPrefix+"*.>"))
	for stream := range names.Name() {
		collection, ok := strings.CutPrefix(stream, "KV_"+kvstore.BucketPrefix)
		if !ok {
			continue
		}
		if _, err := kvstore.Changes(ctx, v.js, collection, func(c kvstore.Change) error {
			if !c.Time.Before(since) {
				n++
			}
			return nil
		}); err != nil {
			return 0, err
		}
	}
	return n, names.Err()
}

// handled is what came of a command.
type handled struct{ outputs, writes int }

// do has a command handled and returns what came of it.
func (v *verifier) do(ctx context.Context, text string) (handled, error) {
	command, err := v.handle(ctx, text, false)
	if err != nil {
		return handled{}, fmt.Errorf("%s: %w", text, err)
	}
	h, err := v.result(ctx, command)
	// A plugin that acknowledges first publishes after it.
	for began := time.Now(); err == nil && h.outputs == 0 && time.Since(began) < lateOutputs; time.Sleep(lateOutputs / 20) {
		h, err = v.result(ctx, command)
	}
	return h, err
}

// lateOutputs is how long the first output of a command is waited for that was acknowledged.
const lateOutputs = time.Second

func (v *verifier) result(ctx context.Context, command streams.Stored) (h handled, err error) {
	out, err := v.caused(ctx, command)
	if err != nil {
		return h, err
	}
	for _, s := range out {
		if strings.HasSuffix(s.Subject, "."+event.TypeDeadLetter) {
			return h, fmt.Errorf("it gave up: %.300s", s.Data)
		}
	}
	h.outputs = len(out)
	h.writes, err = v.writes(ctx, command.At)
	return h, err
}

// expect compares what came of a command with what comes of its line undisturbed.
func (v *verifier) expect(ctx context.Context, l line, command streams.Stored) error {
	got, err := v.result(ctx, command)
	if err == nil {
		err = l.compare(got.outputs)
	}
	if err == nil && got.writes > l.writes {
		err = fmt.Errorf("it wrote %d records because of %s and not %d: something twice", got.writes, l.text, l.writes)
	}
	return err
}

// compare compares how many events were published because of the line.
func (l line) compare(outputs int) error {
	switch {
	case outputs < l.outputs:
		return fmt.Errorf("%d of %d events that it publishes because of %s are missing", l.outputs-outputs, l.outputs, l.text)
	case outputs > l.outputs:
		return fmt.Errorf("it published %d events because of %s and not %d: something twice", outputs, l.text, l.outputs)
	}
	return nil
}

// prepareLines learns what each line comes to, from the second time that it is said: the
// first may make what is only changed later. A plugin without lines is skipped.
func (v *verifier) prepareLines(ctx context.Context) error {
	if len(v.lines) == 0 {
		return skipped("it has no commands")
	}
	for i := range v.lines {
		l := &v.lines[i]
		if l.steps > 0 {
			continue
		}
		if _, err := v.do(ctx, l.text); err != nil {
			return err
		}
		if err := v.watchNext(ctx, &watch{}); err != nil {
			return err
		}
		h, err := v.do(ctx, l.text)
		if err != nil {
			return err
		}
		l.outputs, l.writes, l.steps = h.outputs, h.writes, v.proxy.state().steps
		if l.steps == 0 {
			return errors.New("its messages do not come through " + v.proxy.URL() + ": it must connect to NATS_URL")
		}
	}
	return nil
}

// watchNext has the proxy follow the next command.
func (v *verifier) watchNext(ctx context.Context, w *watch) error {
	s, err := v.js.Stream(ctx, commandStream)
	if err != nil {
		return err
	}
	w.from = s.CachedInfo().State.LastSeq + 1
	v.proxy.watch(w)
	return nil
}

// linesOf makes lines of a registration: each command with its usage, where that is an
// example and no pattern, or bare.
func linesOf(r router.Registration) (lines []line) {
	for _, c := range r.Commands {
		if c.AliasOf != "" {
			continue
		}
		text := strings.TrimPrefix(c.Name, harness.Prefix)
		if _, rest, ok := strings.Cut(strings.TrimSpace(c.Usage), " "); ok && !isPattern(rest) {
			text += " " + rest
		}
		lines = append(lines, line{text: harness.Prefix + text})
	}
	return lines
}

// isPattern reports whether a usage has words that stand for others.
func isPattern(usage string) bool {
	return strings.ContainsAny(usage, "[]<>|…{}") || strings.Contains(usage, "...") ||
		slices.ContainsFunc(strings.Fields(usage), func(w string) bool {
			return len(w) > 1 && strings.ToUpper(w) == w && strings.ToLower(w) != w && !strings.ContainsAny(w, "0123456789")
		})
}
