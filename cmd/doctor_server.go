package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
)

const (
	farBehind   = 1000 // events that wait for a consumer
	siteTimeout = 10 * time.Second
	// The first version that knows message schedules, which timers are.
	oldestMajor, oldestMinor = 2, 12
)

// reach connects to the server, or opens the store of a stopped bot. What it
// returns undoes that.
func (p *patient) reach(ctx context.Context) (leave func()) {
	if is, err := embedded.IsStore(p.cfg.Store); !p.cfg.External() && !is && err == nil {
		return func() {} // there is nothing in the store
	}
	if !p.cfg.External() && whole(p.cfg.Store) != nil {
		return func() {} // which was reported
	}
	cl, err := open(ctx, p.cfg, "rosey doctor", p.log)
	var denied *connect.DeniedError
	switch {
	case errors.As(err, &denied) && p.denied:
		return func() {}
	case err != nil:
		do := "start the server, or correct --nats, --context and --creds"
		switch {
		case p.cfg.External():
		case errors.As(err, &denied):
			do, err = connect.AsItsOwner, denied.Err
		default:
			do = "end the process that holds the store, or look at its log"
		}
		p.fail("server", do, "%v", err)
		return func() {}
	}
	p.client = cl
	return func() {
		if err := cl.close(); err != nil {
			p.warn("server", "look at the store's disk", "the store was not closed well: %v", err)
		}
	}
}

func (p *patient) server(ctx context.Context) {
	const check = "server"
	if p.client == nil {
		return
	}
	version := p.client.nc.ConnectedServerVersion()
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 || major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		p.fail(check, fmt.Sprintf("use NATS %d.%d or later", oldestMajor, oldestMinor), "NATS %s is too old: timers need message schedules", version)
	}
	account, err := p.client.js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		p.fail(check, "start nats-server with -js, or enable jetstream for the account", "NATS %s without JetStream", version)
		p.client = nil // nothing more can be asked; reach closes it
		return
	case err != nil:
		p.fail(check, "see the server's log", "JetStream does not answer: %v", err)
		return
	}
	limit, whose := account.Limits.MaxStore, "the account's limit"
	if !p.cfg.External() {
		limit, whose = int64(p.cfg.StoreMax), "store_max"
	}
	if limit > 0 && float64(account.Store) > 0.9*float64(limit) {
		p.warn(check, "raise "+whose+", or shorten retention", "%s of the %s that may be stored are used",
			humanize.IBytes(account.Store), humanize.IBytes(uint64(limit)))
	}
	p.ok(check, "NATS %s with JetStream, %s stored", version, humanize.IBytes(account.Store))
}

// running looks at the bot itself.
func (p *patient) running(ctx context.Context) {
	const check = "bot"
	if p.client == nil {
		return
	}
	if !p.client.running {
		p.warn(check, "rosey run", "no bot runs on the store")
		return
	}
	bot, err := askStatus(ctx, p.client)
	switch {
	case err != nil && p.cfg.External():
		p.warn(check, "rosey run --nats …", "no bot answers on the server")
		return
	case err != nil:
		p.fail(check, "look at its log, and start it again", "a process holds the store and does not answer: %v", err)
		return
	}
	p.bot = &bot
	if !bot.Ready {
		p.fail(check, "look at its log", "pid %d is not ready: %s", bot.PID, bot.Problem)
		return
	}
	if n := len(bot.Channels); n > 1 {
		p.ok(check, "pid %d in %d channels, for %s", bot.PID, n, humanSeconds(bot.Uptime))
		return
	}
	p.ok(check, "pid %d in channel %s of %s, for %s", bot.PID, bot.Channel, bot.Site, humanSeconds(bot.Uptime))
}

func (p *patient) streams(ctx context.Context) {
	const check = "streams"
	if p.client == nil {
		return
	}
	p.whole = true
	good, messages, bytes := true, uint64(0), uint64(0)
	for _, spec := range streams.Specs() {
		s, err := p.client.js.Stream(ctx, spec.Name)
		if err != nil {
			p.whole = false
			p.missingStream(ctx, spec, err)
			continue
		}
		info := s.CachedInfo()
		messages, bytes = messages+info.State.Msgs, bytes+info.State.Bytes
		found, err := spec.Differences(info.Config, streams.Options{Replicas: p.cfg.Replicas, Limits: p.cfg.StreamLimits()})
		if err != nil {
			good = false
			p.fail(check, "rosey backup DIR first, then change the stream or use another store", "%s: %v", spec.Name, err)
		}
		for _, d := range found {
			good = false
			p.warn(check, "restart the bot with these settings: it puts that right", "%s: %s", spec.Name, d)
		}
	}
	if good && p.whole {
		p.ok(check, "all %d are as they should be, with %s events in %s", len(streams.Specs()), humanize.Comma(int64(messages)), humanize.IBytes(bytes))
	}
}

// history tells of events that the store held once.
func (p *patient) history(context.Context) {
	const check = "history"
	if p.client == nil || p.cfg.External() {
		return
	}
	lost, err := embedded.Losses(p.cfg.Store)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.ok(check, "what the store holds is noted when the bot stops")
		return
	case err != nil:
		p.warn(check, "go on: the next stop writes it anew", "%v", err)
		return
	case len(lost) == 0:
		p.ok(check, "nothing is known to be gone")
	}
	for _, l := range lost {
		what := humanize.Comma(int64(l.Events)) + " events"
		if l.Gone {
			what = "all " + what
		}
		p.warn(check, "look at the disk; rosey restore brings back a backup, into another store", "%s of %s are gone, which was noticed %s: the store's files were damaged or removed", what, l.Stream, humanize.Time(l.Noticed))
	}
}

func (p *patient) missingStream(ctx context.Context, spec streams.Spec, err error) {
	const check = "streams"
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		p.fail(check, "see the server's log", "%s: %v", spec.Name, err)
		return
	}
	for _, subject := range spec.Subjects {
		if names := holders(ctx, p.client.js, subject); len(names) > 0 {
			p.fail(check, "take the subject from it, or give the bot an account of its own", "%s does not exist, and its subject %s belongs to %s", spec.Name, subject, names[0])
			return
		}
	}
	if p.bot != nil {
		p.fail(check, "restart the bot: it makes it again", "%s does not exist", spec.Name)
		return
	}
	p.warn(check, "rosey run makes it", "%s does not exist yet", spec.Name)
}

// holders lists the streams that hold a subject.
func holders(ctx context.Context, js jetstream.JetStream, subject string) (names []string) {
	for name := range js.StreamNames(ctx, jetstream.WithStreamListSubject(subject)).Name() {
		names = append(names, name)
	}
	return names
}

func (p *patient) consumers(ctx context.Context) {
	const check = "consumers"
	if p.client == nil || !p.whole {
		return
	}
	good, waiting := true, uint64(0)
	warn := func(do, format string, args ...any) {
		good = false
		p.warn(check, do, format, args...)
	}
	durables, err := streams.Consumers(ctx, p.client.js)
	for _, c := range together(durables) {
		waiting += c.Backlog()
		switch name := c.Name + " on " + c.Stream; {
		case c.Paused:
			warn("rosey plugin resume "+strings.TrimPrefix(c.Name, streams.Durable("")), "%s is paused, and %d events wait for it", name, c.Backlog())
		case p.bot != nil && !c.Attended:
			p.unread = append(p.unread, c.Name)
			warn(readerOf(c.Name), "nobody reads %s, and %d events wait", name, c.Backlog())
		case p.bot != nil && c.Lag > farBehind:
			warn("rosey replay --since 10m --summary shows what takes long", "%s is %s events behind", name, humanize.Comma(int64(c.Lag)))
		case c.Redelivered > 0:
			warn("rosey replay --since 10m --tree shows which, and the bot's log why", "%s tries %d event(s) again", name, c.Redelivered)
		}
	}
	switch {
	case err != nil:
		p.fail(check, "see the server's log", "%v", err)
	case good && p.bot == nil && waiting > 0:
		p.ok(check, "%d, none in trouble; %s events wait for the bot to run", len(durables), humanize.Comma(int64(waiting)))
	case good:
		p.ok(check, "%d, none in trouble", len(durables))
	}
}

// together makes one of the consumers of a name that fare alike: a plugin has one on
// each stream that it reads.
func together(durables []streams.ConsumerState) (list []streams.ConsumerState) {
	for _, c := range durables {
		i := slices.IndexFunc(list, func(o streams.ConsumerState) bool { return o.Name == c.Name && o.Condition() == c.Condition() })
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

// readerOf says how a durable consumer that nobody reads gets a reader.
func readerOf(durable string) string {
	if plugin, ok := strings.CutPrefix(durable, streams.Durable("")); ok {
		return "start the plugin, or rosey plugin rm " + plugin
	}
	if channel, ok := sender.ChannelOf(durable); ok {
		return "rosey status says why no bot is in channel " + channel + "; one that starts without it in its settings refuses what waits"
	}
	return "look at the bot's log, and start it again"
}

func (p *patient) deadLetters(ctx context.Context) {
	const check = "dead letters"
	if p.client == nil || !p.whole {
		return
	}
	letters, err := deadletters.List(ctx, p.client.js)
	if err != nil {
		p.fail(check, "see the server's log", "%v", err)
		return
	}
	letters = slices.DeleteFunc(letters, func(l deadletters.Letter) bool { return l.State != deadletters.Open })
	if len(letters) == 0 {
		p.ok(check, "none")
		return
	}
	last := letters[len(letters)-1]
	p.warn(check, "rosey dead ls; then rosey dead retry or drop", "%d, the last of %s, %s: %s", len(letters), last.Consumer, humanize.Time(last.At), plugins.Shorten(last.Error, 80))
}

func (p *patient) plugins(ctx context.Context) {
	const check = "plugins"
	if p.client == nil || !p.whole {
		return
	}
	list, err := host.Statuses(ctx, p.client.nc, p.client.js)
	if err != nil {
		p.fail(check, "see the server's log", "%v", err)
		return
	}
	owners, running := map[string]string{}, 0
	for _, pl := range list {
		switch {
		case pl.Problem != "":
			p.warn(check, "correct its registration, or rosey plugin rm "+pl.Name, "%s is not registered well: %s", pl.Name, pl.Problem)
		case pl.State == host.StateStopped && p.bot != nil && !slices.Contains(p.unread, streams.Durable(pl.Name)):
			p.warn(check, "start it, or rosey plugin rm "+pl.Name, "%s is registered and does not run; %d events wait for it", pl.Name, pl.Lag+uint64(pl.Unacked))
		case pl.State == host.StateRunning:
			running++
		}
		for _, command := range pl.Commands {
			key := strings.ToLower(strings.TrimPrefix(command, p.cfg.Prefix))
			if owner, ok := owners[key]; ok && owner != pl.Name {
				p.warn(check, "give one of the two another name", "%s and %s both register the command %s; %s gets it", owner, pl.Name, key, owner)
				continue
			}
			owners[key] = pl.Name
		}
	}
	p.ok(check, "%d registered, %d running", len(list), running)
}

// site asks the CyTube site for each channel's socket.
func (p *patient) site(ctx context.Context) {
	const check = "site"
	if p.bot == nil && p.cfg.Local() {
		p.ok(check, "the bot opens a room of its own; there is nothing to reach")
		return
	}
	rooms := p.cfg.ChannelList()
	if p.bot != nil {
		rooms = rooms[:0]
		for _, c := range p.bot.Channels {
			rooms = append(rooms, settings.Channel{Site: c.Site, Name: c.Channel})
		}
	}
	for _, room := range rooms {
		within, cancel := context.WithTimeout(ctx, siteTimeout)
		socket, err := socketio.Discover(within, nil, room.Site, room.Name)
		cancel()
		if err != nil && len(rooms) > 1 {
			err = fmt.Errorf("channel %s: %w", room.Name, err)
		}
		if err != nil {
			p.fail(check, "correct --site and --channel, or wait until the site is back", "%v", err)
			continue
		}
		p.ok(check, "%s has channel %s at %s", room.Site, room.Name, socket)
	}
}
