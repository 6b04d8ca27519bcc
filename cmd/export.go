package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/spans"
	"github.com/rosey-bot/rosey/telemetry"
)

func exportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "export-otlp",
			Usage: "send the traces of these events to the OTLP collector at `URL`, such as http://localhost:4318; OTEL_EXPORTER_OTLP_* variables apply"},
		&cli.BoolFlag{Name: "again", Hidden: true}, // of earlier releases; everything is sent each time
	}
}

// orExport makes an action send traces instead when --export-otlp is given.
func orExport(action rangeAction) rangeAction {
	return func(ctx context.Context, c *cli.Context, cmd command, query replay.Query) error {
		if !c.IsSet("export-otlp") {
			return action(ctx, c, cmd, query)
		}
		for _, flag := range []string{"follow", "tree", "summary"} {
			if c.Bool(flag) {
				return usagef("--%s and --export-otlp do not go together", flag)
			}
		}
		return exportSpans(ctx, c, cmd, query)
	}
}

// exportSpans sends the spans of past conversations to a collector that was not
// there at the time.
func exportSpans(ctx context.Context, c *cli.Context, cmd command, query replay.Query) (err error) {
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
	sent, err := spans.Export(ctx, cmd.JS, query, exporter, res)
	done()
	switch {
	case sent.Spans == 0:
	case wantJSON(c):
		err = errors.Join(err, encode(c, map[string]any{"spans": sent.Spans, "traces": sent.Traces, "url": url}))
	default:
		fmt.Fprintf(c.App.Writer, "sent %d spans of %d traces to %s\n", sent.Spans, sent.Traces, url)
	}
	return replayError(err)
}
