package cmd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
)

func auditCommand() *cli.Command {
	key := &cli.StringFlag{Name: "key", Usage: "ed25519 key `FILE`, made if it does not exist (default: audit.key in the store)"}
	return &cli.Command{
		Name:  "audit",
		Usage: "chat history for moderators; seal it, verify it, erase a person from it",
		Description: `   rosey audit --since 7d --user alice
   rosey audit --since 1d --media                           what played when, queued by whom
   rosey audit --since 30d --grep 'spoiler' --output html > history.html
   rosey audit seal --since 30d november.seal               keep the file elsewhere
   rosey audit verify november.seal --public-key "$KEY"     finds what was changed since
   rosey audit forget --user alice --dry-run                how much that would erase
   rosey audit forget --user alice --yes                    erases her lines, leaving marked holes`,
		Flags: append(rangeFlags(),
			&cli.StringFlag{Name: "channel", Usage: "only the channel `NAME`"},
			&cli.StringFlag{Name: "user", Usage: "only the user `NAME`"},
			&cli.StringFlag{Name: "grep", Usage: "only what matches `REGEXP`"},
			&cli.BoolFlag{Name: "media", Usage: "only what played, was queued or taken off"},
			formatFlag(strings.Join(audit.Formats, ", "), audit.Formats...),
		),
		Action: ofRange(auditHistory),
		Subcommands: []*cli.Command{
			{Name: "seal", Usage: "write a signed hash chain over a range, from which verify finds changes", ArgsUsage: "FILE",
				Description: `   rosey audit seal november.seal
   rosey audit seal --since 30d --key moderators.key month.seal`,
				Flags: append(rangeFlags(), key), Action: ofOne("file", ofRange(auditSeal))},
			{Name: "verify", Usage: "compare the history with a seal; exits with 1 when it was tampered with", ArgsUsage: "FILE",
				Description: `   rosey audit verify november.seal
   rosey audit verify november.seal --public-key "$KEY"      the KEY that seal printed`,
				Flags:  []cli.Flag{&cli.StringFlag{Name: "public-key", Usage: "`KEY` that must have signed the seal, as seal printed it"}, outputFlag()},
				Action: ofOne("file", reading(auditVerify))},
			{Name: "forget", Usage: "erase what a person said and did from the streams", Description: `   rosey audit forget --user alice --dry-run                how much that would erase
   rosey audit forget --user alice --reason 'asked for it' --yes`, Flags: append(rangeFlags(), key,
				&cli.StringFlag{Name: "user", Usage: "the person's `NAME`"},
				&cli.StringFlag{Name: "channel", Usage: "only in the channel `NAME`"},
				&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the record"},
				&cli.BoolFlag{Name: "dry-run", Usage: "count, erase nothing"},
				&cli.BoolFlag{Name: "yes", Usage: "really erase it, which cannot be undone"},
			), Action: ofRange(auditForget)},
		},
	}
}

func rangeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "since", Usage: "start at `TIME`: an age (90m, 2d), RFC 3339, or today 14:05"},
		&cli.StringFlag{Name: "until", Usage: "end before `TIME`"},
	}
}

// timeRange reads --since and --until.
func timeRange(c *cli.Context) (since, until time.Time, err error) {
	now := time.Now()
	for name, t := range map[string]*time.Time{"since": &since, "until": &until} {
		text := c.String(name)
		if text == "" {
			continue
		}
		if *t, err = replay.ParseTime(text, now); err != nil {
			return since, until, usagef("--%s: %w", name, err)
		}
	}
	if until.IsZero() && since.After(now) {
		return since, until, usagef("--since lies in the future: %s", since.Format(time.DateTime))
	}
	return since, until, nil
}

func auditHistory(ctx context.Context, c *cli.Context, cmd command, q replay.Query) error {
	o := audit.Options{Format: c.String("output"), Query: audit.Query{
		Since: q.Since, Until: q.Until, Channel: q.Channel, User: q.User, Grep: q.Grep, Media: c.Bool("media"),
	}}
	show, done := readProgress(c)
	if !isTerminal(c.App.Writer) {
		o.Progress = show
	}
	err := audit.Write(ctx, cmd.JS, c.App.Writer, o)
	done()
	return replayError(err)
}

func auditKey(c *cli.Context, cmd command) (ed25519.PrivateKey, error) {
	path := c.String("key")
	if path == "" {
		if cmd.settings.External() {
			return nil, usagef("with an external server, say where the signing key is: --key FILE")
		}
		path = filepath.Join(cmd.settings.Store, "audit.key")
	}
	return audit.OpenKey(path)
}

func auditSeal(ctx context.Context, c *cli.Context, cmd command, q replay.Query) error {
	path := c.Args().First()
	key, err := auditKey(c, cmd)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the seal: %w", err)
	}
	sealed, err := audit.Seal(ctx, cmd.JS, f, key, audit.TimeRange{Since: q.Since, Until: q.Until})
	if err = errors.Join(err, f.Close()); err != nil {
		return replayError(errors.Join(err, os.Remove(path)))
	}
	fmt.Fprintf(c.App.Writer, "sealed %d event(s), CYTUBE:%d to CYTUBE:%d, in %s\npublic key: %s\n"+
		"Keep the file and the key where nobody who can change the streams can change them.\n", sealed.Count, sealed.First, sealed.Last, path, sealed.Key)
	return nil
}

func auditVerify(ctx context.Context, c *cli.Context, cmd command) (err error) {
	path := c.Args().First()
	var trusted ed25519.PublicKey
	if text := c.String("public-key"); text != "" {
		if trusted, err = audit.ParsePublicKey(text); err != nil {
			return usagef("%w, as rosey audit seal prints it", err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the seal: %w", err)
	}
	defer f.Close()
	report, err := audit.Verify(ctx, cmd.JS, f, trusted)
	if errors.Is(err, audit.ErrNotSeal) {
		return usagef("%w: it must be a file that rosey audit seal wrote", err)
	}
	if err != nil {
		return replayError(err)
	}
	if wantJSON(c) {
		for _, finding := range report.Findings {
			line := map[string]any{"kind": finding.Kind, "event": finding.Ref.String(), "at": finding.At, "detail": finding.Detail}
			if err := encode(c, line); err != nil {
				return err
			}
		}
	} else {
		printReport(c.App.Writer, report, trusted != nil)
	}
	if !report.OK() {
		return errUnhealthy
	}
	return nil
}

func printReport(w io.Writer, r audit.Report, trusted bool) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s  %s  %s  %s\n", f.Kind, f.Ref, f.At.Local().Format(time.DateTime), terminal.Escape(f.Detail))
	}
	verdict := "intact"
	if !r.OK() {
		verdict = "TAMPERED WITH"
	}
	fmt.Fprintf(w, "%s: %d of %d sealed event(s) are as they were, %s:%d to %s:%d, sealed %s\n", verdict, r.Intact, r.Sealed,
		r.Stream, r.First, r.Stream, r.Last, r.Made.Local().Format(time.DateTime))
	if !trusted {
		fmt.Fprintf(w, "signed by %s; give --public-key to be sure that this is the key you trust\n", r.Key)
	}
}

func auditForget(ctx context.Context, c *cli.Context, cmd command, q replay.Query) error {
	user := c.String("user")
	if user == "" {
		return usagef("say whom to forget: rosey audit forget --user NAME")
	}
	o := audit.ForgetOptions{Channel: q.Channel, Since: q.Since, Until: q.Until, Reason: c.String("reason"), DryRun: c.Bool("dry-run")}
	if !o.DryRun && !c.Bool("yes") {
		return usagef("this cannot be undone: look first with --dry-run, then repeat it with --yes")
	}
	key, err := auditKey(c, cmd)
	if err != nil {
		return err
	}
	done, err := audit.Forget(ctx, cmd.Bus, key, user, o)
	if err != nil {
		return replayError(err)
	}
	verb := "erased"
	if o.DryRun {
		verb = "would erase"
	}
	fmt.Fprintf(c.App.Writer, "%s %d event(s) of %s", verb, done.Total(), terminal.Escape(user))
	if done.Answers > 0 {
		fmt.Fprintf(c.App.Writer, "; %d event(s) that answer these stay and may quote them", done.Answers)
	}
	if done.Mentions > 0 {
		fmt.Fprintf(c.App.Writer, "; %d other event(s) still name the person", done.Mentions)
	}
	fmt.Fprintln(c.App.Writer, "\nRecords of plugins (rosey db) and backups are not touched.")
	return nil
}
