package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams"
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
opened. What the store is known to have lost is said; that is no error of the backup,
whose exit code is 0, and 1 when something cannot be copied. DIR must not exist, or be empty. Keep copies of the store's audit.key and
credentials.json yourself: they are no events. DIR can be read in place of a store:

   rosey backup /backups/monday
   rosey replay --store /backups/monday --since 2d
   (cd /backups/monday && sha256sum -c SHA256SUMS)
   rosey restore /backups/monday`,
		Flags:  []cli.Flag{outputFlag()},
		Action: ofOne("directory", reading(runBackup)),
	}
}

func runBackup(ctx context.Context, c *cli.Context, cmd command) error {
	dir := c.Args().First()
	if !cmd.settings.External() && within(cmd.settings.Store, dir) {
		return usagef("%s lies in the store that it would be a backup of: name a directory elsewhere, best on another disk", dir)
	}
	show, done := copyProgress(c.App.ErrWriter, "backed up")
	m, err := snapshot.Backup(ctx, cmd.JS, dir, show)
	done()
	if err != nil {
		return err
	}
	for _, name := range []string{"audit.key", "credentials.json"} {
		path := filepath.Join(cmd.settings.Store, name)
		if _, err := os.Stat(path); err == nil && !cmd.settings.External() {
			fmt.Fprintf(c.App.ErrWriter, "rosey: the backup does not have %s: keep a copy of it yourself\n", path)
		}
	}
	var lost []embedded.Loss
	if !cmd.settings.External() {
		lost, _ = embedded.Losses(cmd.settings.Store) // without an inventory none is known
	}
	for _, l := range lost {
		fmt.Fprintf(c.App.ErrWriter, "rosey: the backup is not whole: %s; keep the backups that were made before\n", l)
	}
	if wantJSON(c) {
		return encode(c, struct {
			snapshot.Manifest
			Lost []embedded.Loss `json:"lost,omitempty"`
		}{m, lost})
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
		Action: ofOne("backup", withSettings(runRestore)),
	}
}

func runRestore(ctx context.Context, c *cli.Context, s settings.Settings, log *slog.Logger) (err error) {
	dir := c.Args().First()
	checked, doneChecking := copyProgress(c.App.ErrWriter, "checked")
	if c.Bool("check") {
		m, err := snapshot.Verify(ctx, dir, checked)
		doneChecking()
		return restoredMessage(c, m, err, "%s in %s are as they were written", dir)
	}
	// A directory that is not a backup must not leave a store behind.
	if _, err := snapshot.Open(dir); err != nil {
		return err
	}
	target, err := client.OpenTarget(ctx, s, "rosey restore", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	restored, doneRestoring := copyProgress(c.App.ErrWriter, "restored")
	options := snapshot.RestoreOptions{Replicas: s.Replicas, Progress: func(p snapshot.Progress) {
		if p.Checking {
			checked(p)
		} else {
			restored(p)
		}
	}}
	if !s.External() {
		options.Begin = func() error { return client.MarkIncomplete(s.Store) }
	}
	m, err := snapshot.Restore(ctx, target.JS, dir, options)
	doneRestoring()
	where := "the NATS server"
	switch {
	case !s.External():
		where, err = s.Store, errors.Join(err, target.MarkComplete(ctx, s.Store, m, err == nil))
	case err == nil && time.Since(m.Ended) < streams.DuplicateWindow:
		fmt.Fprintln(c.App.ErrWriter, "rosey: the backup is fresh: restart the NATS servers before a bot starts, so that they know what was published already")
	}
	return restoredMessage(c, m, err, "restored %s from %s, made "+m.Began.Local().Format(time.DateTime)+", into "+where, dir)
}

func restoredMessage(c *cli.Context, m snapshot.Manifest, err error, format, dir string) error {
	switch {
	case err != nil:
		return err
	case wantJSON(c):
		return encode(c, m)
	}
	fmt.Fprintf(c.App.Writer, format+"\n", contents(m), dir)
	return nil
}

// copyProgress shows on a terminal how many KiB were copied.
func copyProgress(w io.Writer, verb string) (show func(snapshot.Progress), done func()) {
	line, done := progressLine(w, verb+", KiB:")
	return func(p snapshot.Progress) { line(int(p.Done>>10), int(p.Total>>10)) }, done
}

func contents(m snapshot.Manifest) string {
	return fmt.Sprintf("%d streams with %s messages", len(m.Streams), humanize.Comma(int64(m.Messages())))
}
