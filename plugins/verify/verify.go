// Package verify holds a plugin's program, in any language, to the event contract: it runs it
// on a bot of its own without a channel, with credentials of its own, and does to it what
// happens to programs: kills at every step, cut connections, redeliveries, events that are
// too old or no events at all.
package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/plugins/harness"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// Options say what to verify.
type Options struct {
	Command process.Command // of the plugin; its Env is added to what a plugin's process gets
	// Name is the name that the plugin registers under. If it is "", the program is started
	// once with all rights, and the name is what it registers.
	Name string
	// Lines are commands as they are typed, such as !greet bob. If there are none, they are
	// made from the registration.
	Lines []string
	// Only, if not empty, are the names of the checks to run beside the first.
	Only []string
	// Limit is how long anything may take that the plugin is to do; a minute if 0.
	Limit  time.Duration
	Logger *slog.Logger // gets what the bot logs; nil discards
}

// Outcome is what a check found.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is what came of one check.
type Result struct {
	Check   string        `json:"check"`
	Outcome Outcome       `json:"result"`
	Detail  string        `json:"detail"`
	Remedy  string        `json:"remedy,omitempty"` // what to do, where it failed
	Took    time.Duration `json:"-"`
}

// verifier is one run.
type verifier struct {
	Options
	server  *embedded.Server
	conn    *nats.Conn
	js      jetstream.JetStream
	harness *harness.Harness
	proxy   *proxy
	dir     string
	env     []string

	process      *process.Process // nil if none runs
	registration router.Registration
	lines        []line
}

const (
	commandStream = streams.Plugin
	botName       = "rosey"
	channelName   = "verify"
	userName      = "alice"
	userRank      = 255 // may do everything
)

// errSkipped is wrapped by a check that does not apply.
var errSkipped = errors.New("skipped")

func skipped(why string) error { return fmt.Errorf("%w: %s", errSkipped, why) }

// Run verifies a plugin and calls found with each result as it comes. The error says why
// nothing could be verified.
func Run(ctx context.Context, o Options, found func(Result)) (err error) {
	if o.Limit == 0 {
		o.Limit = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Command.Log = o.Logger
	if err := o.Command.Check(); err != nil {
		return err
	}
	for _, name := range o.Only {
		if !isCheck(name) {
			return fmt.Errorf("there is no check %q: there are %s", name, strings.Join(Checks(), ", "))
		}
	}
	v := &verifier{Options: o}
	defer func() { err = errors.Join(err, v.close()) }()
	if err := v.open(ctx); err != nil {
		return fmt.Errorf("start a bot to verify with: %w", err)
	}
	for _, c := range checks {
		if !c.always && len(o.Only) > 0 && !contains(o.Only, c.name) {
			continue
		}
		r := v.run(ctx, c)
		if err := ctx.Err(); err != nil {
			return err
		}
		found(r)
		if c.always && r.Outcome == Failed {
			return nil
		}
	}
	return nil
}

func contains(list []string, name string) bool {
	for _, l := range list {
		if strings.EqualFold(l, name) {
			return true
		}
	}
	return false
}

// run runs one check on a plugin that runs.
func (v *verifier) run(ctx context.Context, c check) Result {
	began := time.Now()
	r := Result{Check: c.name, Outcome: Passed}
	err := v.ensureRunning(ctx, c)
	if err == nil {
		r.Detail, err = c.run(v, ctx)
	}
	v.proxy.slow(0)
	v.proxy.makeOlder(0)
	switch {
	case errors.Is(err, errSkipped):
		r.Outcome, r.Detail = Skipped, strings.TrimPrefix(err.Error(), errSkipped.Error()+": ")
	case err != nil:
		r.Outcome, r.Detail, r.Remedy = Failed, err.Error(), c.remedy
		if c.always && errors.Is(err, errEnded) {
			r.Remedy = "start the program by itself until it no longer ends: the check's environment is NATS_URL, NATS_CREDS, ROSEY_PLUGIN and what --env adds"
		}
		// The next check begins with a process that knows nothing of this one.
		v.kill()
	}
	r.Took = time.Since(began)
	return r
}

// open starts the server, the bot's parts and the proxy.
func (v *verifier) open(ctx context.Context) (err error) {
	if v.dir, err = os.MkdirTemp("", "rosey-verify-"); err != nil {
		return err
	}
	if v.server, err = embedded.Start(embedded.Config{Store: v.store(), Listen: "127.0.0.1:0", Holder: "rosey plugin verify", Logger: v.Logger}); err != nil {
		return err
	}
	if v.conn, err = v.server.Connect(nats.Name("rosey plugin verify")); err != nil {
		return err
	}
	if v.js, err = jetstream.New(v.conn); err != nil {
		return err
	}
	if err := streams.Open(ctx, v.js, streams.Options{}); err != nil {
		return err
	}
	// A program with all rights shares the bot's secret.
	if _, err := msgid.OpenSigner(ctx, v.js, 1); err != nil {
		return err
	}
	bus := streams.NewBus(v.conn, v.js, streams.WithLogger(v.Logger), streams.WithSource("rosey-verify"))
	if v.harness, err = harness.Start(ctx, bus, harness.Config{Access: true, Bot: botName, Logger: v.Logger}); err != nil {
		return err
	}
	v.proxy, err = startProxy(v.server.Info().URL)
	return err
}

func (v *verifier) store() string { return v.dir + "/store" }

func (v *verifier) close() (err error) {
	v.kill()
	if v.proxy != nil {
		err = v.proxy.Stop()
	}
	if v.harness != nil {
		err = errors.Join(err, v.harness.Stop())
	}
	if v.conn != nil {
		v.conn.Close()
	}
	if v.server != nil {
		err = errors.Join(err, v.server.Stop())
	}
	return errors.Join(err, os.RemoveAll(v.dir))
}
