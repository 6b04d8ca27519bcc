package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
)

// interval is how often a condition is looked at.
const interval = 20 * time.Millisecond

// errEnded is wrapped where the process ended and was not to.
var errEnded = errors.New("the process ended")

// await waits for a condition, as long as the plugin may take and its process runs.
func (v *verifier) await(ctx context.Context, what string, ok func() (bool, error)) error {
	late := time.After(v.Limit)
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		if err := v.ended(); err != nil {
			return fmt.Errorf("%w before %s", err, what)
		}
		select {
		case <-late:
			return fmt.Errorf("%s did not come within %s%s", what, v.Limit, v.tail())
		default:
		}
		if err := retry.Sleep(ctx, interval); err != nil {
			return err
		}
	}
}

// ended returns an error if the process has ended by itself.
func (v *verifier) ended() error {
	if v.process == nil {
		return nil
	}
	select {
	case <-v.process.Ended():
		return fmt.Errorf("%w: %s%s", errEnded, strings.TrimPrefix(v.process.Wait().Error(), "it ended "), v.tail())
	default:
		return nil
	}
}

// tail returns the last that the process wrote, for an error.
func (v *verifier) tail() string {
	if v.process == nil {
		return ""
	}
	lines := v.process.Tail()
	if len(lines) == 0 {
		return ""
	}
	return "; it wrote: " + strings.Join(lines[max(0, len(lines)-5):], " / ")
}

// start starts the process and does not wait for it.
func (v *verifier) start() (err error) {
	c := v.Command
	c.Plugin, c.Env = v.Name, append(slices.Clone(v.env), v.Command.Env...)
	v.process, err = process.Start(c)
	return err
}

// kill ends the process at once.
func (v *verifier) kill() {
	if v.process != nil {
		v.process.Kill()
		_ = v.process.Wait()
		v.process = nil
	}
}

// ensureRunning starts the process if none runs, for all checks but those that do it themselves.
func (v *verifier) ensureRunning(ctx context.Context, c check) error {
	if v.process != nil && v.ended() == nil || c.always {
		return nil
	}
	v.process = nil
	return v.startReading(ctx)
}

// startReading starts the process and waits until it reads its commands.
func (v *verifier) startReading(ctx context.Context) error {
	if err := v.start(); err != nil {
		return err
	}
	return v.await(ctx, "a request for the next command from the durable consumer "+streams.Durable(v.Name), func() (bool, error) {
		c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
		return err == nil && c.CachedInfo().NumWaiting > 0, nil
	})
}

// discover starts the process with all rights and returns the name that it registers.
func (v *verifier) discover(ctx context.Context) (name string, err error) {
	info := v.server.Info()
	v.env = process.Environment(v.proxy.URL(), "", "", map[string]string{
		"NATS_USER": info.User, "NATS_PASSWORD": info.Password, "ROSEY_STORE": v.store(),
	})
	v.env = slices.DeleteFunc(v.env, func(pair string) bool { return strings.HasPrefix(pair, "ROSEY_PLUGIN=") })
	if err := v.start(); err != nil {
		return "", err
	}
	defer v.kill()
	err = v.await(ctx, "a registration in the KV bucket "+router.Bucket, func() (bool, error) {
		list, err := router.List(ctx, v.js)
		if err != nil || len(list) == 0 {
			return false, err
		}
		if len(list) > 1 {
			return false, fmt.Errorf("it registers several plugins: name the one to verify with --name")
		}
		name = list[0].Name
		return true, nil
	})
	return name, err
}

// restrict gives the plugin credentials of its own, as rosey plugin creds does.
func (v *verifier) restrict(ctx context.Context) error {
	path := filepath.Join(v.dir, v.Name+".creds")
	if err := access.WriteCredentials(ctx, v.js, v.store(), v.Name, path); err != nil {
		return err
	}
	v.env = process.Environment(v.proxy.URL(), path, v.Name, nil)
	v.proxy.durable = streams.Durable(v.Name)
	return nil
}

// expireDeliveries has the server redeliver at once what a process that died had in hand,
// which it would do by itself after the consumer's ack_wait.
func (v *verifier) expireDeliveries(ctx context.Context) error {
	c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
	if err != nil {
		return err
	}
	info := c.CachedInfo()
	if info.NumAckPending == 0 {
		return nil
	}
	over := info.Config
	over.AckWait = time.Millisecond
	if _, err := v.js.UpdateConsumer(ctx, commandStream, over); err != nil {
		return err
	}
	// The server looks for what expired every 100 ms.
	if err := retry.Sleep(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	_, err = v.js.UpdateConsumer(ctx, commandStream, info.Config)
	return err
}
