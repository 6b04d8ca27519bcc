package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

func nowMillis() int64 { return time.Now().UnixMilli() }

// redelivery redelivers the last command of each line, as after a crash before the acknowledgement.
func (v *verifier) redelivery(ctx context.Context) (string, error) {
	if err := v.prepareLines(ctx); err != nil {
		return "", err
	}
	for _, l := range v.lines {
		command, err := v.handle(ctx, l.text, false)
		if err == nil {
			_, err = v.js.ResetConsumerToSequence(ctx, commandStream, streams.Durable(v.Name), command.Ref.Seq)
		}
		if err == nil {
			err = v.settled(ctx, command.Ref)
		}
		if err == nil {
			err = v.expect(ctx, l, command)
		}
		if err != nil {
			return "", fmt.Errorf("%s, delivered twice: %w", l.text, err)
		}
	}
	return fmt.Sprintf("%d command(s) delivered twice, answered once", len(v.lines)), nil
}

// malformed publishes what is no command, and then a command.
func (v *verifier) malformed(ctx context.Context) (string, error) {
	bodies := []string{`not JSON`, `null`, `[]`, `{"command":"x"}`, `{"command":1,"user":2}`, "\x00\xff\x01", ``}
	for _, body := range bodies {
		ack, err := v.js.Publish(ctx, event.CommandSubject(v.Name), []byte(body))
		if err != nil {
			return "", err
		}
		ref := event.Ref{Stream: ack.Stream, Seq: ack.Sequence}
		if err := v.settled(ctx, ref); err != nil {
			return "", fmt.Errorf("after the body %q: %w", body, err)
		}
		if found, err := v.noticeAbout(ctx, event.TypeDeadLetter, ref); err != nil || !found {
			return "", errors.Join(fmt.Errorf("no dead letter tells of %s, whose body is %q", ref, body), err)
		}
	}
	unknown, err := v.publish(ctx, event.CommandSubject(v.Name), event.Command{Command: "no-such-command", Args: []string{}, User: userName, Channel: channelName, RawMessage: "!no-such-command"})
	if err == nil {
		err = v.settled(ctx, unknown.Ref)
	}
	if err != nil {
		return "", fmt.Errorf("after a command that it does not have: %w", err)
	}
	if len(v.lines) > 0 {
		if _, err := v.do(ctx, v.lines[0].text); err != nil {
			return "", fmt.Errorf("after malformed events: %w", err)
		}
	}
	return fmt.Sprintf("%d malformed events, and a command that it does not have", len(bodies)), nil
}

// noticeAbout reports whether the plugin has published a notice of a type about an event.
func (v *verifier) noticeAbout(ctx context.Context, kind string, of event.Ref) (bool, error) {
	for raw, err := range streams.Messages(ctx, v.js, streams.Selection{Stream: commandStream, Subjects: []string{event.EventSubject(v.Name, kind)}, From: of.Seq}) {
		if err != nil {
			return false, err
		}
		s, err := streams.ReadRaw(commandStream, raw)
		if err != nil {
			return false, fmt.Errorf("%s is malformed itself: %w", s.Ref, err)
		}
		notice, err := event.As[event.DeadLetter](s.Envelope)
		if kind == event.TypeExpired {
			var expired event.Expired
			expired, err = event.As[event.Expired](s.Envelope)
			notice.Consumer, notice.Stream, notice.Seq = expired.Consumer, expired.Stream, expired.Seq
		}
		if err == nil && notice.Consumer == streams.Durable(v.Name) && notice.Stream == of.Stream && uint64(notice.Seq) == of.Seq {
			return true, nil
		}
	}
	return false, nil
}

// expires delivers each line as if it had been stored longer ago than the plugin takes.
func (v *verifier) expires(ctx context.Context) (string, error) {
	if len(v.lines) == 0 {
		return "", skipped("it has no commands")
	}
	age := v.registration.CommandMaxAge() + time.Minute
	v.proxy.makeOlder(age)
	for _, l := range v.lines {
		command, err := v.handle(ctx, l.text, false)
		if err != nil {
			return "", err
		}
		out, err := v.caused(ctx, command)
		if err != nil {
			return "", err
		}
		for _, s := range out {
			if !strings.HasSuffix(s.Subject, "."+event.TypeExpired) {
				return "", fmt.Errorf("%s, stored %s ago, is answered on %s, though max_age is %s", l.text, age, s.Subject, v.registration.CommandMaxAge())
			}
		}
		if found, err := v.noticeAbout(ctx, event.TypeExpired, command.Ref); err != nil || !found {
			return "", errors.Join(fmt.Errorf("%s, stored %s ago, is not recorded as expired", l.text, age), err)
		}
	}
	v.proxy.makeOlder(0)
	_, err := v.do(ctx, v.lines[0].text)
	return fmt.Sprintf("%d command(s) of %s ago recorded and not answered", len(v.lines), age), err
}

// spentAttempt is a delivery after more attempts than any plugin makes.
const spentAttempt = 1000

// spendsAttempts delivers each line as if every attempt at it had ended with its process.
func (v *verifier) spendsAttempts(ctx context.Context) (string, error) {
	if len(v.lines) == 0 {
		return "", skipped("it has no commands")
	}
	v.proxy.countAs(spentAttempt)
	defer v.proxy.countAs(0)
	for _, l := range v.lines {
		command, err := v.command(ctx, l.text, false)
		if err == nil {
			err = v.settled(ctx, command.Ref)
		}
		if err != nil {
			return "", fmt.Errorf("%s, delivered for the %dth time: %w", l.text, spentAttempt, err)
		}
		if found, err := v.noticeAbout(ctx, event.TypeDeadLetter, command.Ref); err != nil || !found {
			return "", errors.Join(fmt.Errorf("%s, delivered for the %dth time, is no dead letter", l.text, spentAttempt), err)
		}
	}
	v.proxy.countAs(0)
	_, err := v.do(ctx, v.lines[0].text)
	return fmt.Sprintf("%d command(s) given up, the next one answered", len(v.lines)), err
}

// The slow network's latency of each message, and how many connections are cut.
const (
	slowLatency = 100 * time.Millisecond
	cutsOfLine  = 3
)

// slowNetwork has each line handled over a slow network, and then over one that breaks at its
// first step, in the middle, and at the acknowledgement. A process may end at that, if it
// goes on when it is started again.
func (v *verifier) slowNetwork(ctx context.Context) (string, error) {
	if err := v.prepareLines(ctx); err != nil {
		return "", err
	}
	cuts, ends := 0, 0
	for _, l := range v.lines {
		v.proxy.slow(slowLatency)
		command, err := v.handle(ctx, l.text, false)
		if err == nil {
			err = v.expect(ctx, l, command)
		}
		if err != nil {
			return "", fmt.Errorf("%s, with %s of latency: %w", l.text, slowLatency, err)
		}
		v.proxy.slow(0)
		for i := range min(cutsOfLine, l.steps) {
			step := 1 + i*(l.steps-1)/max(1, min(cutsOfLine, l.steps)-1)
			n, err := v.cutAt(ctx, l, step)
			if err != nil {
				return "", fmt.Errorf("%s, the connection cut at step %d of %d: %w", l.text, step, l.steps, err)
			}
			cuts++
			ends += n
		}
	}
	detail := fmt.Sprintf("%s of latency, %d cut(s)", slowLatency, cuts)
	if ends > 0 {
		detail += fmt.Sprintf("; the process ended at %d of them, and went on when it was started again", ends)
	}
	return detail, nil
}

// cutAt cuts all connections at a step of handling a line. It returns how often the process
// ended because of that.
func (v *verifier) cutAt(ctx context.Context, l line, step int) (ends int, err error) {
	if err := v.watchNext(ctx, &watch{at: step, act: v.proxy.Cut}); err != nil {
		return 0, err
	}
	command, err := v.command(ctx, l.text, false)
	if err != nil {
		return 0, err
	}
	for {
		err := v.settled(ctx, command.Ref)
		if !errors.Is(err, errEnded) || ends > 0 {
			if err != nil {
				return ends, err
			}
			return ends, v.expect(ctx, l, command)
		}
		ends++
		v.process = nil
		if err := v.startReading(ctx); err != nil {
			return ends, err
		}
	}
}
