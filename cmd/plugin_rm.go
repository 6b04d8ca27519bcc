package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
)

func removePluginCommand() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "forget a plugin that no longer runs: its registration and its place in the streams", ArgsUsage: "NAME",
		Description: `What the plugin has stored stays, unless you say --with-data: then its collections go, its
timers, its settings, what users were granted of it, and its credentials, after a question
that lists them. What it published stays in the streams; see rosey audit forget. If it comes
back it handles no command again. Broken off, the same command goes on.

   rosey plugin rm greeter
   rosey plugin rm greeter --with-data`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "with-data", Usage: "delete what it has stored, too"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
		},
		Action: ofOne("plugin", reading(onPlugin(removePlugin))),
	}
}

func removePlugin(ctx context.Context, c *cli.Context, cmd command, name string) (string, error) {
	if !event.ValidName(name) {
		return "", usagef("%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", name, event.MaxNameLength)
	}
	if c.Bool("with-data") {
		return removeWithData(ctx, c, cmd, name)
	}
	return removeRegistered(ctx, cmd, name, "; its events stay in the streams, and its records in the database")
}

// removeRegistered removes the plugin, whether it was added or only registered.
func removeRegistered(ctx context.Context, cmd command, name, said string) (string, error) {
	added, err := removeAdded(ctx, cmd, name)
	if err != nil {
		return "", err
	}
	if added {
		kv, err := router.OpenBucket(ctx, cmd.JS, cmd.settings.Replicas)
		if err == nil {
			err = router.DeleteCapabilities(ctx, kv, name)
		}
		durables, listErr := host.Consumers(ctx, cmd.JS, name)
		if err = errors.Join(err, listErr); err != nil || len(durables) == 0 { // it never ran
			return name + " is forgotten; it never ran", err
		}
	}
	return name + " is forgotten" + said, host.Remove(ctx, cmd.Conn, cmd.JS, name)
}

// pluginData is what a plugin has beside its registration.
type pluginData struct {
	name        string
	registered  bool // or has a place in the streams
	collections []kvstore.Collection
	timers      uint64
	settings    []pluginsettings.Revision
	grants      []router.UserGrants
	credentials bool

	registrations jetstream.KeyValue
	store         *kvstore.Store
	timerStream   jetstream.Stream
	values        *pluginsettings.Store
	users         *router.Grants
}

// findData looks for what a plugin has. The caller closes the store.
func findData(ctx context.Context, cmd command, name string) (d pluginData, err error) {
	d.name = name
	if d.store, err = kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log)); err != nil {
		return d, err
	}
	for _, find := range []func(context.Context, command) error{d.findCollections, d.findTimers, d.findSettings, d.findGrants, d.findCredentials} {
		if err := find(ctx, cmd); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d *pluginData) findCollections(ctx context.Context, cmd command) (err error) {
	if d.registrations, err = router.OpenBucket(ctx, cmd.JS, cmd.settings.Replicas); err != nil {
		return err
	}
	registered, err := host.Registered(ctx, cmd.JS, d.name)
	durables, listErr := host.Consumers(ctx, cmd.JS, d.name)
	authorizations, readErr := router.ReadAuthorizations(ctx, d.registrations)
	all, storeErr := d.store.Collections(ctx)
	own := authorizations.Collections(d.name)
	d.registered = registered || len(durables) > 0
	d.collections = slices.DeleteFunc(all, func(c kvstore.Collection) bool { return !slices.Contains(own, c.Name) })
	return errors.Join(err, listErr, readErr, storeErr)
}

func (d *pluginData) findTimers(ctx context.Context, cmd command) (err error) {
	if d.timerStream, err = cmd.JS.Stream(ctx, streams.Timer); err != nil {
		return fmt.Errorf("look for timers: %w", err)
	}
	info, err := d.timerStream.Info(ctx, jetstream.WithSubjectFilter(event.ScheduleSubject(d.name, "*", "*")))
	if err != nil {
		return fmt.Errorf("look for timers: %w", err)
	}
	for _, n := range info.State.Subjects {
		d.timers += n
	}
	return nil
}

func (d *pluginData) findSettings(ctx context.Context, cmd command) (err error) {
	if d.values, err = pluginsettings.Open(ctx, cmd.JS, cmd.settings.Replicas); err != nil {
		return err
	}
	all, err := d.values.List(ctx)
	d.settings = slices.DeleteFunc(all, func(r pluginsettings.Revision) bool { return r.Plugin != d.name || len(r.Values) == 0 && r.Err == nil })
	return err
}

func (d *pluginData) findGrants(ctx context.Context, cmd command) (err error) {
	if d.users, err = router.OpenGrants(ctx, cmd.JS, cmd.settings.Replicas); err != nil {
		return err
	}
	all, err := d.users.List(ctx)
	for _, of := range all {
		of.Grants = slices.DeleteFunc(of.Grants, func(g router.Grant) bool { return g.Right != d.name && !strings.HasPrefix(g.Right, d.name+".") })
		if len(of.Grants) > 0 {
			d.grants = append(d.grants, of)
		}
	}
	return err
}

func (d *pluginData) findCredentials(_ context.Context, cmd command) error {
	if cmd.settings.External() {
		return nil
	}
	list, err := access.Credentials(cmd.settings.Store)
	d.credentials = slices.ContainsFunc(list, func(c access.Credential) bool { return c.Plugin == d.name })
	return err
}

// lines list what there is, for people.
func (d *pluginData) lines() (list []string) {
	for _, c := range d.collections {
		list = append(list, fmt.Sprintf("the collection %s with %s and its history", c.Name, english.Plural(c.Count, "record", "")))
	}
	if d.timers > 0 {
		list = append(list, english.Plural(int(d.timers), "timer", ""))
	}
	for _, r := range d.settings {
		list = append(list, fmt.Sprintf("%s %s", english.Plural(len(r.Values), "setting", ""), where(r.Channel)))
	}
	for _, of := range d.grants {
		for _, g := range of.Grants {
			list = append(list, fmt.Sprintf("the grant of %s to %s %s", g.Right, of.User, where(g.Channel)))
		}
	}
	if d.credentials {
		list = append(list, "its credentials")
	}
	return list
}

// remove deletes what there is, in an order in which a further run finds what is left.
func (d *pluginData) remove(ctx context.Context, cmd command) error {
	if d.credentials {
		if _, err := access.RevokeCredentials(cmd.settings.Store, d.name); err != nil {
			return err
		}
		if _, err := announce(cmd); err != nil {
			return err
		}
	}
	if err := d.timerStream.Purge(ctx, jetstream.WithPurgeSubject(event.ScheduleSubject(d.name, "*", "*"))); err != nil {
		return fmt.Errorf("delete timers: %w", err)
	}
	for _, r := range d.settings {
		update := pluginsettings.Update{Plugin: d.name, Channel: r.Channel, Values: map[string]json.RawMessage{}, By: operator(), Reason: "rosey plugin rm --with-data"}
		for key := range r.Values {
			update.Values[key] = json.RawMessage("null")
		}
		if _, err := d.values.Apply(ctx, cmd.Bus, update); err != nil {
			return err
		}
	}
	for _, of := range d.grants {
		for _, g := range of.Grants {
			g.By, g.Reason = operator(), "rosey plugin rm --with-data"
			if err := d.users.Revoke(ctx, cmd.Bus, of.User, g); err != nil {
				return err
			}
		}
	}
	for _, c := range d.collections {
		if err := d.store.Drop(ctx, c.Name); err != nil {
			return err
		}
	}
	for _, stream := range streams.ReadableStreams() { // its records of the past are gone: it reads that anew if it comes back
		if err := streams.DeleteDurable(ctx, cmd.JS, stream, streams.PastDurable(d.name)); err != nil {
			return err
		}
	}
	return router.ForgetCollections(ctx, d.registrations, d.name)
}

// removeWithData removes a plugin and all that it has, after a question.
func removeWithData(ctx context.Context, c *cli.Context, cmd command, name string) (string, error) {
	d, err := findData(ctx, cmd, name)
	if d.store != nil {
		defer d.store.Close()
	}
	if err != nil {
		return "", err
	}
	lines := d.lines()
	added, err := isAdded(cmd, name)
	switch {
	case err != nil:
		return "", err
	case len(lines) == 0 && !d.registered && !added:
		return "", fmt.Errorf("there is no plugin %q, and nothing of one: see rosey plugin ls", name)
	}
	if err := checkStopped(ctx, cmd, name, added); err != nil {
		return "", err
	}
	w := c.App.Writer
	if len(lines) == 0 {
		fmt.Fprintf(w, "%s has stored nothing; its registration goes, and its events stay in the streams\n", name)
	} else {
		fmt.Fprintf(w, "With %s go, for ever:\n", name)
		for _, line := range lines {
			fmt.Fprintf(w, "  - %s\n", line)
		}
		fmt.Fprintln(w, "Its events stay in the streams. rosey backup and rosey db export keep a copy of what goes.")
	}
	if !c.Bool("yes") {
		fmt.Fprint(w, "Delete it? [y/N] ")
		answer, _ := bufio.NewReader(c.App.Reader).ReadString('\n')
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return "", errors.New("nothing was deleted")
		}
	}
	if added { // it ends before its data go
		if _, err := removeAdded(ctx, cmd, name); err != nil {
			return "", err
		}
	}
	if err := d.remove(ctx, cmd); err != nil {
		return "", fmt.Errorf("%w; the same command goes on", err)
	}
	if !d.registered {
		return name + " and what it stored are gone; its events stay in the streams", nil
	}
	if _, err := removeRegistered(ctx, cmd, name, ""); err != nil {
		return "", err
	}
	return name + " and what it stored are gone; its events stay in the streams", nil
}

// isAdded reports whether a plugin was added to the store.
func isAdded(cmd command, name string) (bool, error) {
	if cmd.settings.Store == "" {
		return false, nil
	}
	all, err := settings.Added(cmd.settings.Store)
	_, ok := all[name]
	return ok, err
}

// checkStopped returns an error if a plugin runs that rosey plugin rm does not stop.
func checkStopped(ctx context.Context, cmd command, name string, added bool) error {
	if _, ok := cmd.settings.Plugins.Programs[name]; ok {
		return usagef("%s stands in the settings file, as plugins.%s: take it out there, and send the bot SIGHUP or start it again", name, name)
	}
	if added {
		return nil
	}
	running, err := host.Instances(ctx, cmd.Conn)
	if n := len(running[name]); err == nil && n > 0 {
		err = fmt.Errorf("%s of %s still run(s) and would store more: stop it first, a plugin of the bot by plugins: {%s: false} in the settings file", english.Plural(n, "process", "processes"), name, name)
	}
	return err
}
