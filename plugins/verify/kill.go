package verify

import (
	"context"
	"errors"
	"fmt"
)

// kills kills the process at every step of each line: before the server gets what it sends,
// and after that.
func (v *verifier) kills(ctx context.Context) (string, error) {
	if err := v.prepareLines(ctx); err != nil {
		return "", err
	}
	kills, steps := 0, 0
	for _, l := range v.lines {
		steps += l.steps
		for step := 1; step <= l.steps; step++ {
			for _, after := range []bool{false, true} {
				hit, err := v.killAt(ctx, l, step, after)
				if err != nil {
					return "", fmt.Errorf("%s, killed %s step %d of %d: %w", l.text, map[bool]string{false: "before", true: "after"}[after], step, l.steps, err)
				}
				if hit {
					kills++
				}
			}
		}
	}
	return fmt.Sprintf("%d kill(s) at %d step(s) of %d line(s), each answered once", kills, steps, len(v.lines)), nil
}

// killAt kills the process at a step of handling a line, starts it again, and compares what
// came of it. A line that took fewer steps this time is not hit.
func (v *verifier) killAt(ctx context.Context, l line, step int, after bool) (hit bool, err error) {
	running := v.process
	if err := v.watchNext(ctx, &watch{at: step, after: after, act: running.Kill}); err != nil {
		return false, err
	}
	command, err := v.command(ctx, l.text, false)
	if err != nil {
		return false, err
	}
	if err := v.await(ctx, "the step", func() (bool, error) { return v.proxy.state().done, nil }); err != nil && !(errors.Is(err, errEnded) && v.proxy.state().acted) {
		return false, err
	}
	if hit = v.proxy.state().acted; hit {
		_ = running.Wait()
		v.process = nil
		v.proxy.Cut()
		if err := v.expireDeliveries(ctx); err != nil {
			return hit, err
		}
		if err := v.startReading(ctx); err != nil {
			return hit, err
		}
	}
	if err := v.settled(ctx, command.Ref); err != nil {
		return hit, err
	}
	return hit, v.expect(ctx, l, command)
}
