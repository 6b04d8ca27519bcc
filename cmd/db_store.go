package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/kvstore"
)

// storeAction is an action that works on the collection's store itself, past the
// service.
func storeAction(least, most int, do func(ctx context.Context, c *cli.Context, cmd command, store *kvstore.Store, args []string) error) cli.ActionFunc {
	return dbAction(least, most, func(ctx context.Context, c *cli.Context, cmd command, args []string) error {
		store, err := kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log), kvstore.WithReplicas(cmd.settings.Replicas))
		if err != nil {
			return err
		}
		defer store.Close()
		return do(ctx, c, cmd, store, args)
	})
}

func dbHistory(ctx context.Context, c *cli.Context, _ command, store *kvstore.Store, args []string) error {
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

func dbExport(ctx context.Context, c *cli.Context, _ command, store *kvstore.Store, args []string) error {
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

func dbImport(ctx context.Context, c *cli.Context, cmd command, store *kvstore.Store, args []string) error {
	if isTerminal(c.App.Reader) {
		return usagef("give the records on stdin: rosey db import %s < %s.jsonl", args[0], args[0])
	}
	show, done := progressLine(c.App.ErrWriter, "imported")
	records, discard, err := seekable(c.App.Reader)
	if err != nil {
		return err
	}
	defer discard()
	fields, err := cmd.collections(ctx)
	if err != nil {
		return err
	}
	n, err := store.Import(ctx, args[0], records, fields[args[0]], func(n int) { show(n, 0) })
	done()
	if err != nil {
		return fmt.Errorf("after %d record(s): %w", n, err)
	}
	fmt.Fprintf(c.App.ErrWriter, "imported %d record(s)\n", n)
	return nil
}

func dbCompact(ctx context.Context, c *cli.Context, _ command, store *kvstore.Store, args []string) error {
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

// collections returns the fields of the collections that plugins registered.
func (cmd command) collections(ctx context.Context) (map[string][]event.Field, error) {
	entries, err := router.List(ctx, cmd.JS)
	return router.Collections(entries), err
}

func dbCheck(ctx context.Context, c *cli.Context, cmd command, store *kvstore.Store, args []string) error {
	fields, err := cmd.collections(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		all, err := store.Collections(ctx)
		if err != nil {
			return err
		}
		for _, collection := range all {
			args = append(args, collection.Name)
		}
	}
	var problems []kvstore.Problem
	records := 0
	for _, collection := range args {
		n, err := store.Check(ctx, collection, fields[collection], func(p kvstore.Problem) { problems = append(problems, p) })
		if err != nil {
			return err
		}
		records += n
	}
	err = printList(c, problems, table.Row{"collection", "id", "revision", "problem"}, func(p kvstore.Problem) table.Row {
		return table.Row{p.Collection, p.ID, p.Revision, p.Problem}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "checked %d record(s), %d with a problem\n", records, len(problems))
	if len(problems) > 0 {
		return errUnhealthy
	}
	return nil
}

func dbRestore(ctx context.Context, c *cli.Context, _ command, store *kvstore.Store, args []string) error {
	revision, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return usagef("%q is not a revision: rosey db history %s %s lists them", terminal.Escape(args[2]), args[0], args[1])
	}
	w, err := store.Restore(ctx, args[0], event.ID(args[1]), revision)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s of %s is again what it was at revision %d, as revision %d\n", terminal.Escape(args[1]), args[0], revision, w.Revision)
	return nil
}

func dbForgetHistory(ctx context.Context, c *cli.Context, _ command, store *kvstore.Store, args []string) error {
	n, err := store.ForgetHistory(ctx, args[0], event.ID(args[1]))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "forgot %d older revision(s) of %s in %s\n", n, terminal.Escape(args[1]), args[0])
	return nil
}
