package cmd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

func auditForget(ctx context.Context, c *cli.Context, cmd command, q replay.Query) error {
	user := c.String("user")
	if user == "" {
		return usagef("say whom to forget: rosey audit forget --user NAME")
	}
	o := audit.ForgetOptions{Channel: q.Channel, Since: q.Since, Until: q.Until, Reason: c.String("reason"), Answers: c.Bool("answers"), DryRun: c.Bool("dry-run"), Marks: q.Marks}
	if !o.DryRun && !c.Bool("yes") {
		return usagef("this cannot be undone: look first with --dry-run, then repeat it with --yes")
	}
	var key ed25519.PrivateKey
	if !o.DryRun {
		var err error
		if key, _, err = auditKey(c, cmd); err != nil {
			return err
		}
	}
	done, err := audit.Forget(ctx, cmd.Bus, key, user, o)
	if errors.Is(err, replay.ErrNoMatch) && !narrowed(o) {
		if n, dbErr := forgetKept(ctx, c, cmd, user, o.DryRun); dbErr != nil || n > 0 {
			return dbErr
		}
	}
	if err != nil {
		return replayError(err)
	}
	verb := "erased"
	if o.DryRun {
		verb = "would erase"
	}
	fmt.Fprintf(c.App.Writer, "%s %d event(s) of %s", verb, done.Total(), terminal.Escape(user))
	if done.Answers > 0 {
		fmt.Fprintf(c.App.Writer, "; %d event(s) that answer these stay and may quote them (erase them with --answers)", done.Answers)
	}
	if done.Exchanges > 0 {
		fmt.Fprintf(c.App.Writer, "; and what plugins asked and were answered because of %d event(s)", done.Exchanges)
	}
	if done.Mentions > 0 {
		fmt.Fprintf(c.App.Writer, "; %d other event(s) still name the person", done.Mentions)
	}
	fmt.Fprintln(c.App.Writer)
	if narrowed(o) {
		fmt.Fprintln(c.App.Writer, "Records of plugins (rosey db), grants and cooldowns are left, as they have no channel and time: forget without --channel, --since and --until to reach them.")
	} else if _, err := forgetKept(ctx, c, cmd, user, o.DryRun); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, "Not reached: backups, the bot's log, files that were made by export or for dry runs, spans that were sent, revisions that newer ones pushed out of a record (until the server compacts the file), what a running bot stored meanwhile (forget once more once its plugins have caught up), and other people's texts.")
	if kept := snapshot.OfFormats(cmd.settings.Store); len(kept) > 0 && !cmd.settings.External() {
		fmt.Fprintf(c.App.Writer, "Among the backups is the one that was made before the store was migrated: remove %s.\n", strings.Join(kept, " and "))
	}
	if cmd.settings.External() {
		fmt.Fprintln(c.App.Writer, "If the server was killed while it erased an event, that event's bytes stay in its file until the server compacts it.")
	}
	if cmd.settings.Replicas > 1 || cmd.settings.External() {
		fmt.Fprintln(c.App.Writer, "The servers of a cluster keep what is erased in their Raft logs until these are compacted, some minutes: wait before you copy their disks.")
	}
	return nil
}

func narrowed(o audit.ForgetOptions) bool {
	return o.Channel != "" || !o.Since.IsZero() || !o.Until.IsZero()
}

// forgetKept erases a person from the records of plugins and from what the router keeps, and
// returns how many records and other values it changed or deleted.
func forgetKept(ctx context.Context, c *cli.Context, cmd command, user string, dryRun bool) (n int, err error) {
	if n, err = forgetRecords(ctx, c, cmd, user, dryRun); err != nil {
		return n, err
	}
	done, err := router.Forget(ctx, cmd.JS, user, dryRun)
	if done.Grants > 0 {
		fmt.Fprintf(c.App.Writer, "grants: %d, the user has none any more\n", done.Grants)
	}
	if done.Uses > 0 {
		fmt.Fprintf(c.App.Writer, "cooldowns: %d\n", done.Uses)
	}
	return n + done.Grants + done.Uses, err
}

// forgetRecords erases a person from all collections, and returns how many records it
// changed or deleted.
func forgetRecords(ctx context.Context, c *cli.Context, cmd command, user string, dryRun bool) (records int, err error) {
	fields, err := cmd.collections(ctx)
	if err != nil {
		return 0, err
	}
	store, err := kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log), kvstore.WithReplicas(cmd.settings.Replicas))
	if err != nil {
		return 0, err
	}
	defer store.Close()
	collections, err := store.Collections(ctx)
	if err != nil {
		return 0, err
	}
	for _, collection := range collections {
		f, err := store.Forget(ctx, collection.Name, user, fields[collection.Name], dryRun)
		if err != nil {
			return records, err
		}
		records += f.Changed + f.Deleted
		if f.Changed+f.Deleted+f.Mentions == 0 {
			continue
		}
		fmt.Fprintf(c.App.Writer, "collection %s: %d record(s) without the person, %d deleted, %d older revision(s) erased", collection.Name, f.Changed, f.Deleted, f.Revisions)
		if f.Mentions > 0 {
			fmt.Fprintf(c.App.Writer, "; %d record(s) name the person in a field that no plugin marks as a person", f.Mentions)
		}
		fmt.Fprintln(c.App.Writer)
	}
	return records, nil
}
