package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/plugins/moderation"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
)

// caseBefore is how long before an act its lines may be stored.
const caseBefore = time.Hour

func auditCaseCommand(key, trusted cli.Flag) *cli.Command {
	return &cli.Command{
		Name: "case", Usage: "show an act of the plugin moderation with its lines; seal it in a file", ArgsUsage: "NUMBER [FILE]",
		Description: `The file holds the act, the lines because of which it was done, and what came of it, signed, so that
it proves them also when the streams have forgotten them. --verify finds what was changed.

   rosey audit case 12
   rosey audit case 12 bob.case
   rosey audit case --verify bob.case --public-key "$KEY"`,
		Flags: []cli.Flag{
			key, trusted, &cli.BoolFlag{Name: "verify", Usage: "check case files; exit with 1 if one was changed"},
			&cli.StringFlag{Name: "public-key", Usage: "`KEY` that must have signed them"}, outputFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.Bool("verify") {
				return reading(verifyCases)(c)
			}
			if n := c.NArg(); n < 1 || n > 2 {
				return usagef("give a case's number, and a file to seal it: rosey audit case 12 [FILE]")
			}
			id := event.ID(strings.TrimPrefix(c.Args().First(), "#"))
			if n, ok := id.Int(); !ok || n < 1 {
				return usagef("%s is not a case's number", c.Args().First())
			}
			return reading(func(ctx context.Context, c *cli.Context, cmd command) error { return auditCase(ctx, c, cmd, id) })(c)
		},
	}
}

func auditCase(ctx context.Context, c *cli.Context, cmd command, id event.ID) error {
	store, err := kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log), kvstore.WithReplicas(cmd.settings.Replicas))
	if err != nil {
		return err
	}
	defer store.Close()
	record, err := store.Get(ctx, event.Get{Collection: moderation.Cases, ID: id})
	if event.CodeOf(err) == event.RecordNotFound {
		return fmt.Errorf("there is no case #%s", id)
	}
	if err != nil {
		return err
	}
	var cs moderation.Case
	if err := json.Unmarshal(record.Data, &cs); err != nil {
		return fmt.Errorf("read case #%s: %w", id, err)
	}
	var lines []event.Ref
	for _, text := range cs.Lines {
		if ref, err := event.ParseRef(text); err == nil {
			lines = append(lines, ref)
		}
	}
	since := time.UnixMilli(cs.Made).Add(-caseBefore)
	if path := c.Args().Get(1); path != "" {
		return sealCase(ctx, c, cmd, path, record.Data, cs, lines, since)
	}
	if wantJSON(c) {
		return encode(c, record.Data)
	}
	return printCase(ctx, c, cmd, cs, since)
}

func sealCase(ctx context.Context, c *cli.Context, cmd command, path string, record json.RawMessage, cs moderation.Case, lines []event.Ref, since time.Time) error {
	key, _, err := auditKey(c, cmd)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the case: %w", err)
	}
	n, err := audit.SealCase(ctx, cmd.JS, f, key, record, cs.Correlation, lines, since)
	if err = errors.Join(err, f.Close()); err != nil {
		return replayError(errors.Join(err, os.Remove(path)))
	}
	fmt.Fprintf(c.App.Writer, "sealed case #%s with %s in %s\npublic key: %s\n", cs.ID, english.Plural(n, "event", ""), path, audit.PublicKey(key))
	return nil
}

func printCase(ctx context.Context, c *cli.Context, cmd command, cs moderation.Case, since time.Time) error {
	w := c.App.Writer
	by := cs.By
	if by == "" {
		by = "automod (" + cs.Rule + ")"
	}
	fmt.Fprintf(w, "#%s %s of %s in %s by %s, %s: %s\n", cs.ID, cs.Kind, cs.User, cs.Channel, terminal.Escape(by), cs.Status, terminal.Escape(cs.Reason))
	if cs.Until > 0 {
		fmt.Fprintf(w, "until %s\n", time.UnixMilli(cs.Until).Local().Format(time.DateTime))
	}
	if cs.Problem != "" {
		fmt.Fprintf(w, "problem: %s\n", terminal.Escape(cs.Problem))
	}
	for e, err := range replay.Read(ctx, cmd.JS, replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCytube, event.AllPlugin}, Since: since}}) {
		if err != nil {
			return replayError(err)
		}
		of, _ := e.Lineage()
		named := false
		for _, line := range cs.Lines {
			named = named || line == e.Ref.String()
		}
		if !named && of != cs.Correlation || e.Header.Get(jetstream.ScheduleHeader) != "" {
			continue
		}
		r := replay.Describe(e)
		fmt.Fprintf(w, "%s  %-14s %-32s %s: %s\n", e.At.Local().Format(time.DateTime), e.Ref, e.Subject, terminal.Escape(r.Actor), terminal.Escape(r.Text))
	}
	return nil
}

func verifyCases(ctx context.Context, c *cli.Context, cmd command) error {
	if c.NArg() == 0 {
		return usagef("name a file: rosey audit case --verify FILE…")
	}
	trusted, err := trustedKeys(c)
	if err != nil {
		return err
	}
	changed := false
	for _, path := range c.Args().Slice() {
		f, err := os.Open(path)
		if err != nil {
			return usagef("read the case: %w", err)
		}
		report, err := audit.VerifyCase(ctx, cmd.JS, trusted, f)
		if err = errors.Join(err, f.Close()); errors.Is(err, audit.ErrNotCase) {
			return usagef("%s: %w: it must be a file that rosey audit case wrote", path, err)
		} else if err != nil {
			return err
		}
		changed = changed || len(report.Findings) > 0
		if wantJSON(c) {
			if err := encode(c, map[string]any{"file": path, "ok": len(report.Findings) == 0, "key": report.Key, "events": report.Events, "gone": report.Gone, "findings": report.Findings}); err != nil {
				return err
			}
			continue
		}
		printCaseReport(c, path, report, trusted != nil)
	}
	if changed {
		return errUnhealthy
	}
	return nil
}

func printCaseReport(c *cli.Context, path string, r audit.CaseReport, trusted bool) {
	verdict := "intact"
	if len(r.Findings) > 0 {
		verdict = "TAMPERED WITH"
	}
	fmt.Fprintf(c.App.Writer, "%s: %s, %s, of which the streams have forgotten %d\n", path, verdict, english.Plural(r.Events, "event", ""), len(r.Gone))
	for _, finding := range r.Findings {
		fmt.Fprintf(c.App.Writer, "  %s\n", terminal.Escape(finding))
	}
	if !trusted {
		fmt.Fprintf(c.App.Writer, "signed by %s; give --public-key to be sure that this is the key you trust\n", r.Key)
	}
}
