package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy everything the bot remembers to a directory",
		ArgsUsage: "DIR",
		Description: `Copies all events, the database with its history, registrations and how far each
plugin has come. The bot goes on working meanwhile; a stopped bot's store is
opened. DIR must not exist, or be empty. Keep copies of the store's audit.key and
credentials.json yourself: they are no events. DIR can be read in place of a store:

   rosey backup /backups/monday
   rosey replay --store /backups/monday --since 2d
   (cd /backups/monday && sha256sum -c SHA256SUMS)
   rosey restore /backups/monday`,
		Flags: []cli.Flag{outputFlag()},
		Action: func(c *cli.Context) error {
			if _, err := oneArg(c, "directory"); err != nil {
				return err
			}
			return withClient(true, runBackup)(c)
		},
	}
}

func runBackup(ctx context.Context, c *cli.Context, cmd command) error {
	dir := c.Args().First()
	if !cmd.cfg.External() && within(cmd.cfg.Store, dir) {
		return usagef("%s lies in the store that it would be a backup of: name a directory elsewhere, best on another disk", dir)
	}
	show, done := copyProgress(c.App.ErrWriter, "backed up")
	m, err := snapshot.Backup(ctx, cmd.js, dir, show)
	done()
	if err != nil {
		return err
	}
	for _, name := range []string{"audit.key", "credentials.json"} {
		if _, err := os.Stat(filepath.Join(cmd.cfg.Store, name)); err == nil && !cmd.cfg.External() {
			fmt.Fprintf(c.App.ErrWriter, "rosey: the backup does not have %s: keep a copy of it yourself\n", filepath.Join(cmd.cfg.Store, name))
		}
	}
	if wantJSON(c) {
		return printManifest(c.App.Writer, m)
	}
	fmt.Fprintf(c.App.Writer, "backed up %s to %s, %s in %s\n", contents(m), dir, humanize.IBytes(uint64(m.Size())), m.Ended.Sub(m.Began).Round(time.Millisecond))
	return nil
}

// within reports whether a path is a directory or lies below it.
func within(dir, path string) bool {
	dir, derr := filepath.Abs(dir)
	path, perr := filepath.Abs(path)
	below, err := filepath.Rel(dir, path)
	return errors.Join(derr, perr, err) == nil && filepath.IsLocal(below)
}

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make a store of a backup",
		ArgsUsage: "DIR",
		Description: `Checks every file of the backup first, and never overwrites an event: the store
must be empty or not exist, and no bot may run on it. With --nats or --context it
restores into that server or cluster. A store into which a restore was broken off is not
taken for a whole one: remove it, and restore again.

   rosey restore /backups/monday
   rosey restore /backups/monday --store /srv/rosey
   rosey restore /backups/monday --nats nats://10.0.0.1 --replicas 3
   rosey restore /backups/monday --check           only check it

Commands and replies that are too old by now are recorded as expired, not said.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "check the backup's files and restore nothing"},
			&cli.IntFlag{Name: "replicas", Value: 1, Usage: "keep `N` copies of everything, in an external cluster", EnvVars: []string{"ROSEY_REPLICAS"}},
			outputFlag(),
		},
		Action: withConfig(runRestore),
	}
}

func runRestore(ctx context.Context, c *cli.Context, cfg settings.Settings, log *slog.Logger) (err error) {
	dir, err := oneArg(c, "backup")
	if err != nil {
		return err
	}
	checked, doneChecking := copyProgress(c.App.ErrWriter, "checked")
	if c.Bool("check") {
		m, err := snapshot.Verify(ctx, dir, checked)
		doneChecking()
		return restoredMessage(c, m, err, "%s in %s are as they were written", dir)
	}
	// A store is not made for a backup that is none.
	if _, err := snapshot.Open(dir); err != nil {
		return err
	}
	target, err := restoreTarget(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	restored, doneRestoring := copyProgress(c.App.ErrWriter, "restored")
	options := snapshot.RestoreOptions{Replicas: cfg.Replicas, Progress: func(p snapshot.Progress) {
		if p.Checking {
			checked(p)
		} else {
			restored(p)
		}
	}}
	if !cfg.External() {
		options.Begin = func() error { return markUnfinished(cfg.Store) }
	}
	m, err := snapshot.Restore(ctx, target.js, dir, options)
	doneRestoring()
	if !cfg.External() {
		err = errors.Join(err, unmark(ctx, target, cfg.Store, m, err == nil))
	}
	if cfg.External() && err == nil && time.Since(m.Ended) < streams.DuplicateWindow {
		fmt.Fprintln(c.App.ErrWriter, "rosey: the backup is fresh: restart the NATS servers before a bot starts, so that they know what was published already")
	}
	where := "the NATS server"
	if !cfg.External() {
		where = cfg.Store
	}
	return restoredMessage(c, m, err, "restored %s from %s, made "+m.Began.Local().Format(time.DateTime)+", into "+where, dir)
}

func restoredMessage(c *cli.Context, m snapshot.Manifest, err error, format, dir string) error {
	switch {
	case err != nil:
		return err
	case wantJSON(c):
		return printManifest(c.App.Writer, m)
	}
	fmt.Fprintf(c.App.Writer, format+"\n", contents(m), dir)
	return nil
}

// restoreTarget is the server that a backup goes to: an external one, or the
// store, which no bot may be using.
func restoreTarget(ctx context.Context, cfg settings.Settings, log *slog.Logger) (*client, error) {
	const name = "rosey restore"
	if cfg.External() {
		return connectClient(ctx, cfg, name, log)
	}
	if err := usable(cfg.Store); err != nil {
		return nil, err
	}
	switch info, err := connect.Find(cfg.Store); {
	case err == nil:
		return nil, fmt.Errorf("a bot runs on the store %s (pid %d): stop it first, or name another store with --store", cfg.Store, info.PID)
	case !errors.Is(err, connect.ErrNotRunning):
		return nil, err
	}
	return openStore(cfg.Store, name, log)
}

// openStore starts a server on a store that nobody uses.
func openStore(store, name string, log *slog.Logger) (*client, error) {
	server, err := embedded.Start(embedded.Config{Store: store, Holder: name, Logger: log})
	if err != nil {
		return nil, readOnly(err)
	}
	nc, err := server.Connect(nats.Name(name))
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return newClient(nc, server)
}

// readOnly says what to do about a store that a server cannot note anything in.
func readOnly(err error) error {
	if !errors.Is(err, syscall.EROFS) {
		return err
	}
	return fmt.Errorf("%w: copy the store to where it can be written to, and name the copy with --store (what rosey backup made can be read where it is)", err)
}

// usable refuses what no server can work on: a backup, as the server would put its
// own files into it, and what is no whole store.
func usable(store string) error {
	if snapshot.Is(store) {
		return fmt.Errorf("%s is a backup, which can be read and not changed: restore it with rosey restore %s --store DIR, and use that store", store, store)
	}
	return whole(store)
}

// readers are the commands that a backup can stand in for a store of.
var readers = []string{
	"replay", "trace", "audit", "status", "db ls", "db get", "db query", "db history", "db export", "dead ls", "dead show", "plugin ls",
}

// backupReader makes a backup readable that stands in place of a store: it is
// restored into a temporary store that is gone when the client is closed.
func backupReader(c *cli.Context) func(context.Context, settings.Settings, string, *slog.Logger) (*client, error) {
	return func(ctx context.Context, cfg settings.Settings, name string, log *slog.Logger) (_ *client, err error) {
		if !slices.Contains(readers, strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ")) {
			return nil, usable(cfg.Store)
		}
		store, err := os.MkdirTemp("", "rosey-backup-")
		if err != nil {
			return nil, fmt.Errorf("make room for the backup: %w", err)
		}
		cl, err := openStore(store, name, log)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(store))
		}
		cl.temporary = store
		show, done := copyProgress(c.App.ErrWriter, "opened")
		m, err := snapshot.Restore(ctx, cl.js, cfg.Store, snapshot.RestoreOptions{ReadOnly: true, Progress: show})
		done()
		if err != nil {
			return nil, errors.Join(err, cl.close())
		}
		fmt.Fprintf(c.App.ErrWriter, "rosey: reading the backup %s, made %s\n", cfg.Store, m.Began.Local().Format(time.DateTime))
		return cl, nil
	}
}

// copyProgress shows on a terminal how many KiB were copied.
func copyProgress(w io.Writer, verb string) (show func(snapshot.Progress), done func()) {
	line, done := progressLine(w, verb+", KiB:")
	return func(p snapshot.Progress) { line(int(p.Done>>10), int(p.Total>>10)) }, done
}

func contents(m snapshot.Manifest) string {
	return fmt.Sprintf("%d streams with %s messages", len(m.Streams), humanize.Comma(int64(m.Messages())))
}

func printManifest(w io.Writer, m snapshot.Manifest) error {
	if err := json.NewEncoder(w).Encode(m); err != nil {
		return fmt.Errorf("print the manifest: %w", err)
	}
	return nil
}
