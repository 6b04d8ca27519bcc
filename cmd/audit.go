package cmd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
)

func auditCommand() *cli.Command {
	trusted := &cli.StringFlag{Name: "trusted-keys", Usage: "`FILE` of public keys, one a line, that may have signed seals and erasures"}
	key := &cli.StringFlag{Name: "key", Usage: "ed25519 key `FILE` (default: audit.key in the store)"}
	return &cli.Command{
		Name:  "audit",
		Usage: "chat history for moderators; seal it, verify it, erase a person from it",
		Description: `   rosey audit --since 7d --user alice
   rosey audit --since 1d --media                           what played when, queued by whom
   rosey audit --since 30d --grep 'spoiler' --output html > history.html
   rosey audit --since 7d --user alice --private            also her private messages with the bot
   rosey audit key                                          makes the key that signs, and prints its public half
   rosey audit seal --since 30d november.seal               keep the file elsewhere
   rosey audit verify november.seal --public-key "$KEY"     finds what was changed since
   rosey audit forget --user alice --dry-run                how much that would erase
   rosey audit forget --user alice --yes                    erases her lines, leaving marked holes`,
		Flags: append(rangeFlags(),
			&cli.StringFlag{Name: "channel", Usage: "only the channel `NAME`"},
			&cli.StringFlag{Name: "user", Usage: "only the user `NAME`"},
			&cli.StringFlag{Name: "grep", Usage: "only what matches `REGEXP`"},
			&cli.BoolFlag{Name: "media", Usage: "only what played, was queued or taken off"},
			&cli.BoolFlag{Name: "private", Usage: "also private messages with the bot"},
			formatFlag(strings.Join(audit.Formats, ", "), audit.Formats...),
		),
		Action: ofRange(auditHistory),
		Subcommands: []*cli.Command{
			{Name: "key", Usage: "make the key that signs seals and erasures, if there is none, and print its public half",
				Description: `   rosey audit key
   rosey audit key >> trusted.keys
   rosey audit key --key moderators.key >> trusted.keys`,
				Flags: []cli.Flag{key}, Action: withSettings(auditCreateKey)},
			{Name: "seal", Usage: "write a signed hash chain over a range, from which verify finds changes", ArgsUsage: "FILE",
				Description: `   rosey audit seal november.seal
   rosey audit seal --since 30d --key moderators.key month.seal`,
				Flags:  append(rangeFlags(), key, trusted, &cli.BoolFlag{Name: "accept-holes", Usage: "seal although events are missing, and note which"}),
				Action: ofOne("file", ofRange(auditSeal))},
			{Name: "verify", Usage: "compare the history with seals; exits with 1 when it was tampered with", ArgsUsage: "FILE…",
				Description: `   rosey audit verify november.seal
   rosey audit verify november.seal --public-key "$KEY"      the KEY that seal printed
   rosey audit verify --trusted-keys trusted.keys *.seal     also what lies between them`,
				Flags: []cli.Flag{&cli.StringFlag{Name: "public-key", Usage: "`KEY` that must have signed the seals, as seal printed it"},
					trusted, outputFlag()},
				Action: reading(auditVerify)},
			auditCaseCommand(key, trusted),
			{Name: "forget", Usage: "erase what a person said and did from the streams", Description: `   rosey audit forget --user alice --dry-run                how much that would erase
   rosey audit forget --user alice --reason 'asked for it' --yes`, Flags: append(rangeFlags(), key,
				&cli.StringFlag{Name: "user", Usage: "the person's `NAME`"},
				&cli.StringFlag{Name: "channel", Usage: "only in the channel `NAME`"},
				&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the record"},
				&cli.BoolFlag{Name: "answers", Usage: "erase also the bot's answers, which may quote the person"},
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
		Since: q.Since, Until: q.Until, Channel: q.Channel, User: q.User, Grep: q.Grep, Media: c.Bool("media"), Public: !c.Bool("private"),
	}}
	show, done := readProgress(c)
	if !isTerminal(c.App.Writer) {
		o.Progress = show
	}
	err := audit.Write(ctx, cmd.JS, c.App.Writer, o)
	done()
	if errors.Is(err, replay.ErrNoMatch) && o.Public {
		return fmt.Errorf("%w; private messages are left out without --private", err)
	}
	return replayError(err)
}

func auditKeyPath(c *cli.Context, s settings.Settings) (string, error) {
	switch path := c.String("key"); {
	case path != "":
		return path, nil
	case s.External():
		return "", usagef("with an external server, say where the signing key is: --key FILE")
	}
	return filepath.Join(s.Store, "audit.key"), nil
}

func auditCreateKey(_ context.Context, c *cli.Context, s settings.Settings, _ *slog.Logger) error {
	path, err := auditKeyPath(c, s)
	if err != nil {
		return err
	}
	key, err := audit.CreateKey(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, audit.PublicKey(key))
	return nil
}

// auditKey reads the key that signs, and returns also its file.
func auditKey(c *cli.Context, cmd command) (key ed25519.PrivateKey, path string, err error) {
	if path, err = auditKeyPath(c, cmd.settings); err != nil {
		return nil, "", err
	}
	if key, err = audit.OpenKey(path); errors.Is(err, fs.ErrNotExist) {
		return nil, "", usagef("there is no key in %s: make one with rosey audit key%s, or name yours with --key FILE", path, strings.TrimSuffix(" --key "+c.String("key"), " --key "))
	}
	return key, path, err
}

func auditSeal(ctx context.Context, c *cli.Context, cmd command, q replay.Query) error {
	path := c.Args().First()
	key, keyPath, err := auditKey(c, cmd)
	if err != nil {
		return err
	}
	previous, err := audit.ReadLog(keyPath + ".log")
	if err != nil {
		return err
	}
	trusted, err := trustedKeys(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the seal: %w", err)
	}
	sealed, err := audit.Seal(ctx, cmd.JS, f, key, audit.SealOptions{Since: q.Since, Until: q.Until, Previous: previous, Trusted: trusted, AcceptHoles: c.Bool("accept-holes")})
	if errors.Is(err, audit.ErrHoles) {
		err = fmt.Errorf("%w: they were lost or taken out; find out why, and then seal the rest with --accept-holes, which notes them in the seal", err)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return replayError(errors.Join(err, os.Remove(path)))
	}
	fmt.Fprintf(c.App.Writer, "sealed %d event(s), CYTUBE:%d to CYTUBE:%d, in %s\npublic key: %s\n"+
		"Keep the file and the key where nobody who can change the streams can change them.\n", sealed.Count, sealed.First, sealed.Last, path, sealed.Key)
	return audit.AppendLog(keyPath+".log", sealed.Link)
}

// trustedKeys returns the public keys of --public-key and --trusted-keys, or nil.
func trustedKeys(c *cli.Context) (keys []ed25519.PublicKey, err error) {
	if path := c.String("trusted-keys"); path != "" {
		if keys, err = audit.ReadTrustedKeys(path); err != nil {
			return nil, &usageError{err}
		}
	}
	if text := c.String("public-key"); text != "" {
		key, err := audit.ParsePublicKey(text)
		if err != nil {
			return nil, usagef("%w, as rosey audit seal prints it", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func auditVerify(ctx context.Context, c *cli.Context, cmd command) (err error) {
	if c.NArg() == 0 {
		return usagef("name a file: rosey audit verify FILE…")
	}
	trusted, err := trustedKeys(c)
	if err != nil {
		return err
	}
	var seals []io.Reader
	for _, path := range c.Args().Slice() {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read the seal: %w", err)
		}
		defer f.Close()
		seals = append(seals, f)
	}
	report, err := audit.Verify(ctx, cmd.JS, trusted, seals...)
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
		at := "                   " // of what is in no seal it is not known
		if !f.At.IsZero() {
			at = f.At.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%-8s  %s  %s  %s\n", f.Kind, f.Ref, at, terminal.Escape(f.Detail))
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
