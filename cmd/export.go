package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/telemetry"
)

func exportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "export-otlp",
			Usage: "send the traces of these events to the OTLP collector at `URL`, such as http://localhost:4318; OTEL_EXPORTER_OTLP_* variables apply"},
		&cli.BoolFlag{Name: "again", Usage: "with --export-otlp: send what was sent to that URL before, too, for a collector that has lost it"},
	}
}

// orExport makes an action send traces instead when --export-otlp is given.
func orExport(action func(ctx context.Context, c *cli.Context, cmd command) error) func(ctx context.Context, c *cli.Context, cmd command) error {
	return func(ctx context.Context, c *cli.Context, cmd command) error {
		if !c.IsSet("export-otlp") {
			if c.Bool("again") {
				return usagef("--again goes with --export-otlp")
			}
			return action(ctx, c, cmd)
		}
		for _, flag := range []string{"follow", "tree", "summary"} {
			if c.Bool(flag) {
				return usagef("--%s and --export-otlp do not go together", flag)
			}
		}
		return exportSpans(ctx, c, cmd)
	}
}

// exportSpans sends the spans of past conversations to a collector that was not
// there at the time. Sending them again changes nothing, as they have the IDs
// that they had.
func exportSpans(ctx context.Context, c *cli.Context, cmd command) (err error) {
	query, err := replayQuery(c)
	if err != nil {
		return err
	}
	url := c.String("export-otlp")
	exporter, err := telemetry.NewExporter(ctx, url)
	if err != nil {
		return &usageError{fmt.Errorf("--export-otlp: %w", err)}
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		err = errors.Join(err, exporter.Shutdown(last))
	}()
	res, err := telemetry.NewResource(ctx, telemetry.Config{Service: "rosey", Version: version.String()})
	if err != nil {
		return &usageError{err}
	}
	show, done := readProgress(c)
	query.Progress = show
	sent, err := replay.Export(ctx, cmd.JS, query, replay.Destination{Exporter: exporter, URL: url, Again: c.Bool("again")}, res)
	done()
	if sent.Spans+sent.Before > 0 {
		if err := sayExported(c, sent, url); err != nil {
			return err
		}
	}
	return replayError(err)
}

func sayExported(c *cli.Context, sent replay.Exported, url string) error {
	if !wantJSON(c) {
		before := ""
		if sent.Before > 0 {
			before = fmt.Sprintf("; %d had been sent before (--again sends them again)", sent.Before)
		}
		_, err := fmt.Fprintf(c.App.Writer, "sent %d spans of %d traces to %s%s\n", sent.Spans, sent.Traces, url, before)
		return err
	}
	line, err := event.Encode(map[string]any{"spans": sent.Spans, "traces": sent.Traces, "sent_before": sent.Before, "url": url})
	if err == nil {
		_, err = fmt.Fprintf(c.App.Writer, "%s\n", line)
	}
	return err
}
