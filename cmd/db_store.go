package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/kvstore"
)

// storeAction is an action that works on the collection's store itself, past the
// service: it takes exactly n arguments.
func storeAction(n int, do func(ctx context.Context, c *cli.Context, store *kvstore.Store, args []string) error) cli.ActionFunc {
	return dbAction(n, n, func(ctx context.Context, c *cli.Context, cmd command, args []string) error {
		store, err := kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log), kvstore.WithReplicas(cmd.settings.Replicas))
		if err != nil {
			return err
		}
		defer store.Close()
		return do(ctx, c, store, args)
	})
}

func dbHistory(ctx context.Context, c *cli.Context, store *kvstore.Store, args []string) error {
	revisions, err := store.History(ctx, args[0], event.ID(args[1]))
	if err != nil {
		return err
	}
	return printList(c, revisions, table.Row{"revision", "when", "correlation", "record"}, func(r kvstore.Revision) table.Row {
		record := "(deleted)"
		if !r.Deleted {
			record = string(r.Data)
		}
		return table.Row{r.Revision, r.Time.Local().Format(time.DateTime), r.CorrelationID, record}
	})
}

func dbExport(ctx context.Context, c *cli.Context, store *kvstore.Store, args []string) error {
	w := bufio.NewWriterSize(terminal.EscapeJSON(c.App.Writer), 1<<16)
	show, done := progressLine(c.App.ErrWriter, "exported")
	n, err := store.Export(ctx, args[0], w, func(n, total int) { show(n, total) })
	done()
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "exported %d record(s)\n", n)
	return nil
}

// seekable returns r, or where it cannot be read twice a temporary file with what it
// has. The caller calls discard afterwards.
func seekable(r io.Reader) (in io.ReadSeeker, discard func(), err error) {
	if in, ok := r.(io.ReadSeeker); ok {
		if _, err := in.Seek(0, io.SeekCurrent); err == nil {
			return in, func() {}, nil
		}
	}
	f, err := os.CreateTemp("", "rosey-import-")
	if err != nil {
		return nil, nil, err
	}
	discard = func() { _, _ = f.Close(), os.Remove(f.Name()) }
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		discard()
	}
	return f, discard, err
}

func dbImport(ctx context.Context, c *cli.Context, store *kvstore.Store, args []string) error {
	if isTerminal(c.App.Reader) {
		return usagef("give the records on stdin: rosey db import %s < %s.jsonl", args[0], args[0])
	}
	show, done := progressLine(c.App.ErrWriter, "imported")
	records, discard, err := seekable(c.App.Reader)
	if err != nil {
		return err
	}
	defer discard()
	n, err := store.Import(ctx, args[0], records, func(n int) { show(n, 0) })
	done()
	if err != nil {
		return fmt.Errorf("after %d record(s): %w", n, err)
	}
	fmt.Fprintf(c.App.ErrWriter, "imported %d record(s)\n", n)
	return nil
}

func dbCompact(ctx context.Context, c *cli.Context, store *kvstore.Store, args []string) error {
	age, err := timeparse.Duration(c.String("older-than"))
	if err != nil {
		return usagef("--older-than: %w", err)
	}
	n, err := store.Compact(ctx, args[0], age)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "forgot %d deleted record(s)\n", n)
	return nil
}
