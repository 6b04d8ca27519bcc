// Package doctor looks for what is wrong with a bot's settings, store, server, site and
// plugins. Each check makes findings, which say what to do next. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
)

// Result is how bad a finding is.
type Result string

// The results of findings.
const (
	OK   Result = "ok"
	Warn Result = "warn"
	Fail Result = "FAIL"
)

// Finding is a result of a check. Do is what to do next, and empty for OK.
type Finding struct {
	Check   string `json:"check"`
	Result  Result `json:"result"`
	Message string `json:"message"`
	Do      string `json:"do,omitempty"`
}

// Subject is the bot to check.
type Subject struct {
	Settings      settings.Settings
	SettingsError error  // why the settings cannot be used; nil if they can
	SettingsFile  string // where they were read from, if it exists
	Plugins       []plugins.Plugin
}

type checkup struct {
	Subject
	settings settings.Settings
	log      *slog.Logger
	client   *client.Client // nil when no server can be reached
	bot      *bot.Status    // nil when none runs
	complete bool           // all streams exist
	denied   bool           // the store belongs to another user, which was reported
	detached []string       // consumers that no process pulls from, which was reported

	check  string // that runs
	bad    int    // findings of the check that are not OK
	report func(Finding)
}

// What a check may not do without.
func always(*checkup) bool            { return true }
func usableSettings(c *checkup) bool  { return c.SettingsError == nil }
func reachableServer(c *checkup) bool { return c.client != nil }
func allStreams(c *checkup) bool      { return c.client != nil && c.complete }

// checks are run in this order.
var checks = []struct {
	name  string
	needs func(*checkup) bool
	run   func(*checkup, context.Context)
}{
	{"configuration", always, (*checkup).checkConfiguration},
	{"passwords", usableSettings, (*checkup).checkPasswords},
	{"store", usableSettings, (*checkup).checkStore},
	{"server", usableSettings, (*checkup).connect},
	{"server", reachableServer, (*checkup).checkServer},
	{"bot", reachableServer, (*checkup).checkBot},
	{"streams", reachableServer, (*checkup).checkStreams},
	{"history", reachableServer, (*checkup).checkHistory},
	{"replicas", reachableServer, (*checkup).checkReplicas},
	{"consumers", allStreams, (*checkup).checkConsumers},
	{"dead letters", allStreams, (*checkup).checkDeadLetters},
	{"plugins", allStreams, (*checkup).checkPlugins},
	{"settings", allStreams, (*checkup).checkPluginSettings},
	{"site", usableSettings, (*checkup).checkSite},
	{"server", always, (*checkup).disconnect},
	{"telemetry", always, (*checkup).checkTelemetry},
}

// Run runs all checks and calls report for each finding as it is made. Its error is that
// of ctx.
func Run(ctx context.Context, s Subject, report func(Finding)) error {
	c := &checkup{Subject: s, settings: s.Settings, log: slog.New(slog.DiscardHandler), report: report}
	for _, check := range checks {
		if ctx.Err() != nil {
			c.disconnect(ctx)
			return ctx.Err()
		}
		if check.needs(c) {
			c.check, c.bad = check.name, 0
			check.run(c, ctx)
		}
	}
	return nil
}

func (c *checkup) ok(format string, args ...any) {
	c.report(Finding{c.check, OK, fmt.Sprintf(format, args...), ""})
}

func (c *checkup) warn(do, format string, args ...any) {
	c.bad++
	c.report(Finding{c.check, Warn, fmt.Sprintf(format, args...), do})
}

func (c *checkup) fail(do, format string, args ...any) {
	c.bad++
	c.report(Finding{c.check, Fail, fmt.Sprintf(format, args...), do})
}
