package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// farBehind is how many events that wait for a consumer are worth a warning.
const farBehind = 1000

// checkConsumers looks for consumers that are behind.
func (c *checkup) checkConsumers(ctx context.Context) {
	waiting := uint64(0)
	durables, err := monitor.Consumers(ctx, c.client.JS)
	for _, d := range grouped(durables) {
		waiting += d.Backlog()
		switch name := d.Name + " on " + d.Stream; {
		case d.Paused:
			c.warn("rosey plugin resume "+pluginOf(d.Name), "%s is paused, and %d events wait for it", name, d.Backlog())
		case c.bot != nil && !d.HasReader:
			c.detached = append(c.detached, d.Name)
			c.warn(c.readerOf(d.Name), "nobody reads %s, and %d events wait", name, d.Backlog())
		case c.bot != nil && d.Lag > farBehind && !streams.IsPast(d.Name): // rosey plugin ls says how far it has read
			c.warn("rosey replay --since 10m --summary shows what takes long", "%s is %s events behind", name, humanize.Comma(int64(d.Lag)))
		case d.Redelivered > 0:
			c.warn("rosey replay --since 10m --tree shows which, and the bot's log why", "%s tries %d event(s) again", name, d.Redelivered)
		}
	}
	switch {
	case err != nil:
		c.fail("see the server's log", "%v", err)
	case c.bad == 0 && c.bot == nil && waiting > 0:
		c.ok("%d, none in trouble; %s events wait for the bot to run", len(durables), humanize.Comma(int64(waiting)))
	case c.bad == 0:
		c.ok("%d, none in trouble", len(durables))
	}
}

// grouped makes one of the consumers of a name that fare alike: a plugin has one on
// each stream that it reads.
func grouped(durables []monitor.ConsumerState) (list []monitor.ConsumerState) {
	for _, c := range durables {
		i := slices.IndexFunc(list, func(o monitor.ConsumerState) bool { return o.Name == c.Name && o.Condition() == c.Condition() })
		if i < 0 {
			list = append(list, c)
			continue
		}
		o := &list[i]
		o.Stream += " and " + c.Stream
		o.Lag, o.Unacked, o.Redelivered = o.Lag+c.Lag, o.Unacked+c.Unacked, o.Redelivered+c.Redelivered
	}
	return list
}

// pluginOf returns the plugin of a durable, or the durable if it is none's.
func pluginOf(durable string) string {
	if plugin, ok := streams.PluginOf(durable); ok {
		return plugin
	}
	return durable
}

// readerOf returns how a durable consumer that no process pulls from gets a reader.
func (c *checkup) readerOf(durable string) string {
	if plugin, ok := streams.PluginOf(durable); ok {
		if _, runs := c.process(plugin); runs {
			return "see rosey plugin info " + plugin + " and the bot's log"
		}
		return "start the plugin, or rosey plugin rm " + plugin
	}
	if channel, ok := sender.ChannelOf(durable); ok {
		return "rosey status says why no bot is in channel " + channel + "; one that starts without it in its settings refuses what waits"
	}
	return "look at the bot's log, and start it again"
}

func (c *checkup) checkDeadLetters(ctx context.Context) {
	letters, err := deadletters.List(ctx, c.client.JS)
	if err != nil {
		c.fail("see the server's log", "%v", err)
		return
	}
	letters = slices.DeleteFunc(letters, func(l deadletters.Letter) bool { return l.State != deadletters.Open })
	if len(letters) == 0 {
		c.ok("none")
		return
	}
	last := letters[len(letters)-1]
	c.warn("rosey dead ls; then rosey dead retry or drop", "%d, the last of %s, %s: %s", len(letters), last.Consumer, humanize.Time(last.At), plugins.Shorten(last.Error, 80))
}

func (c *checkup) checkPlugins(ctx context.Context) {
	list, err := host.Statuses(ctx, c.client.Conn, c.client.JS)
	if err != nil {
		c.fail("see the server's log", "%v", err)
		return
	}
	if c.bot != nil {
		c.checkProcesses(c.bot.Processes)
	}
	running := 0
	for _, pl := range list {
		switch {
		case pl.Problem != "":
			c.warn("correct its registration, or rosey plugin rm "+pl.Name, "%s is not registered well: %s", pl.Name, pl.Problem)
		case pl.State == host.StateStopped && c.bot != nil && !slices.Contains(c.detached, streams.Durable(pl.Name)):
			c.warn("start it, or rosey plugin rm "+pl.Name, "%s is registered and does not run; %d events wait for it", pl.Name, pl.Lag+uint64(pl.Unacked))
		case pl.State == host.StateRunning:
			running++
		}
		if newer, err := event.CheckContract(pl.Contract); err == nil && newer {
			c.warn("use a newer bot, or an older version of "+pl.Name, "%s is written for version %s of the event contract, which is newer than the bot's %s", pl.Name, pl.Contract, event.ContractVersion)
		}
		if len(pl.Others) > 0 {
			c.warn("stop those that are to go", "%s is registered as version %s, and processes of version %s run, too", pl.Name, pl.Version, strings.Join(pl.Others, ", "))
		}
	}
	c.checkCommands(list)
	c.checkMissing(ctx, list)
	c.ok("%d registered, %d running", len(list), running)
}

// process returns how a plugin's program is that the bot runs, and whether it runs one.
func (c *checkup) process(plugin string) (process.State, bool) {
	if c.bot == nil {
		return process.State{}, false
	}
	i := slices.IndexFunc(c.bot.Processes, func(p process.State) bool { return p.Plugin == plugin })
	if i < 0 {
		return process.State{}, false
	}
	return c.bot.Processes[i], true
}

// keepsGoing reports whether a program runs, and has never ended or for a minute not.
func keepsGoing(p process.State) bool {
	return p.LastExit == "" || p.State == process.Running && time.Since(p.Since) > time.Minute
}

// checkProcesses checks the plugins that the bot runs as programs.
func (c *checkup) checkProcesses(list []process.State) {
	for _, p := range list {
		if keepsGoing(p) {
			continue
		}
		said := ""
		if n := len(p.Output); n > 0 {
			said = "; it wrote: " + plugins.Shorten(p.Output[n-1], 80)
		}
		c.warn("see rosey plugin info "+p.Plugin+" and the bot's log; correct its command, or rosey plugin rm "+p.Plugin,
			"the process of %s does not keep going (%d restarts): %s%s", p.Plugin, p.Restarts, p.LastExit, said)
	}
}

// checkCommands looks for commands that several plugins register.
func (c *checkup) checkCommands(list []host.Status) {
	owners := map[string]string{}
	for _, pl := range list {
		for _, command := range pl.Commands {
			key := fold.Key(strings.TrimPrefix(command, c.settings.Prefix))
			switch owner, ok := owners[key]; {
			case slices.Contains(pl.Waiting, key): // reported below
			case !ok:
				owners[key] = pl.Name
			case owner != pl.Name: // no bot has run since they were registered
				c.warn("give one of the two another name", "%s and %s both register the command %s; %s gets it", owner, pl.Name, key, owner)
			}
		}
	}
	for _, pl := range list {
		for _, command := range pl.Waiting {
			c.warn(fmt.Sprintf("rosey plugin prefer %s %s, or give one of the two commands another name", pl.Name, command),
				"%s registers the command %s, which belongs to %s", pl.Name, command, cmp.Or(owners[command], "another plugin"))
		}
	}
}

// checkMissing looks for plugins that read events and have no registration, without which
// their commands are not known.
func (c *checkup) checkMissing(ctx context.Context, registered []host.Status) {
	durables, err := monitor.Consumers(ctx, c.client.JS)
	if err != nil {
		c.fail("see the server's log", "%v", err)
		return
	}
	for _, d := range grouped(durables) {
		name, ok := streams.PluginOf(d.Name)
		if !ok || streams.IsPast(d.Name) || slices.ContainsFunc(registered, func(s host.Status) bool { return s.Name == name }) {
			continue
		}
		switch p, ours := c.process(name); {
		case !ours:
			c.warn("start it, which registers it again, or rosey plugin rm "+name, "the registration of %s is missing: its commands are not known", name)
		case keepsGoing(p): // else it is reported
			c.warn("see rosey plugin info "+name+"; rosey plugin verify says what a plugin has to do", "the program of %s runs and has not registered: its commands are not known", name)
		}
	}
}
