package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
)

// stop asks the process to end, and returns how long that took.
func (v *verifier) stop() (took time.Duration, err error) {
	began := time.Now()
	running := v.process
	v.process = nil
	running.Stop(process.DefaultGrace)
	took = time.Since(began).Round(10 * time.Millisecond)
	if how := running.Wait().Error(); !strings.Contains(how, "exit status 0") {
		return took, fmt.Errorf("at SIGTERM %s, after %s", how, took)
	}
	return took, nil
}

// stopsMeanwhile asks the process to end while a command is on its way to it, starts it again,
// and reports whether it had settled the command.
func (v *verifier) stopsMeanwhile(ctx context.Context) (settled bool, err error) {
	if err := v.watchNext(ctx, &watch{}); err != nil {
		return false, err
	}
	v.proxy.slow(slowLatency)
	command, err := v.command(ctx, v.lines[0].text, false)
	if err != nil {
		return false, err
	}
	if err := v.await(ctx, "the delivery of "+command.Ref.String(), func() (bool, error) {
		c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
		return err == nil && c.CachedInfo().Delivered.Stream >= command.Ref.Seq, err
	}); err != nil {
		return false, err
	}
	_, err = v.stop()
	v.proxy.slow(0)
	settled = v.proxy.state().done
	if err == nil {
		err = v.expireDeliveries(ctx)
	}
	if err == nil {
		err = v.startReading(ctx)
	}
	if err == nil {
		err = v.settled(ctx, command.Ref)
	}
	if err == nil {
		err = v.expect(ctx, v.lines[0], command)
	}
	return settled, err
}

// burst is the number of commands that are pending when the process gets its signal to end.
const burst = 20

// shutsDown asks the process to end while commands come, and starts it again.
func (v *verifier) shutsDown(ctx context.Context) (string, error) {
	if err := v.prepareLines(ctx); err != nil {
		return "", err
	}
	settled, err := v.stopsMeanwhile(ctx)
	if err != nil {
		return "", fmt.Errorf("ended while a command was on its way to it: %w", err)
	}
	var commands []streams.Stored
	for i := range burst {
		command, err := v.command(ctx, v.lines[i%len(v.lines)].text, false)
		if err != nil {
			return "", err
		}
		commands = append(commands, command)
	}
	took, err := v.stop()
	if err != nil {
		return "", err
	}
	c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
	if err != nil {
		return "", err
	}
	// One may have been on its way when the process told the server that it takes no more.
	if n := c.CachedInfo().NumAckPending; n > 1 {
		return "", fmt.Errorf("it ended with %d command(s) that it had taken and not settled: they wait for the consumer's ack_wait", n)
	}
	left := c.CachedInfo().NumPending
	if err := v.startReading(ctx); err != nil {
		return "", err
	}
	writes := 0
	for i, command := range commands {
		l := v.lines[i%len(v.lines)]
		writes += l.writes
		if err := v.settled(ctx, command.Ref); err != nil {
			return "", err
		}
		out, err := v.caused(ctx, command)
		if err == nil {
			err = l.compare(len(out))
		}
		if err != nil {
			return "", fmt.Errorf("command %d of %d: %w", i+1, len(commands), err)
		}
	}
	if n, err := v.writes(ctx, commands[0].At); err != nil || n > writes {
		return "", errors.Join(err, fmt.Errorf("it wrote %d records because of %d commands and not %d: something twice", n, len(commands), writes))
	}
	detail := fmt.Sprintf("ended after %s with exit status 0; of %d commands %d waited for its next start, none lost", took, len(commands), left)
	if !settled {
		detail += "; one that was on its way to it waits for the consumer's ack_wait"
	}
	return detail, nil
}
