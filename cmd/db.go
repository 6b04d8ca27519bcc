package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/service"
	"github.com/rosey-bot/rosey/plugins"
)

func dbCommand() *cli.Command {
	out := func(flags ...cli.Flag) []cli.Flag { return append(flags, outputFlag()) }
	return &cli.Command{
		Name:  "db",
		Usage: "read and change the database",
		Description: `   rosey db ls
   rosey db set quotes '{"text":"Hello, world!","user":"alice"}'       a new record
   rosey db set quotes 42 '{"text":"Hello!","user":"alice"}'           this record
   rosey db get quotes 42
   rosey db query quotes --filter '{"user":"alice"}' --order-by 'timestamp DESC' --limit 10
   rosey db query quotes --filter '{"votes":{"$gt":3}}' --explain
   rosey db update quotes 42 '{"$inc":{"votes":1}}'
   rosey db update quotes --filter '{"user":"alice"}' '{"$set":{"user":"alicia"}}'
   rosey db batch quotes <<< '{"op":"delete","id":42}'
   rosey db history quotes 42
   rosey db restore quotes 42 1337                                     at revision 1337
   rosey db check
   rosey db export quotes > quotes.jsonl
   rosey db import quotes < quotes.jsonl

Filters know $eq $ne $gt $gte $lt $lte $in $nin $exists $like $ilike $alike $contains
$and $or $not; see docs/database.md. On a stopped bot the commands open its store.`,
		Subcommands: []*cli.Command{
			{Name: "ls", Usage: "collections with their number of records and size", Description: `   rosey db ls`, Flags: out(), Action: reading(dbList)},
			{Name: "get", Usage: "print a record", ArgsUsage: "COLLECTION ID", Description: `   rosey db get quotes 42`, Flags: out(), Action: dbAction(2, 2, dbGet)},
			{Name: "set", Usage: "create or replace a record; without an ID it gets the next number", ArgsUsage: "COLLECTION [ID] JSON", Description: `   rosey db set quotes '{"text":"Hello, world!","user":"alice"}'       a new record
   rosey db set quotes 42 '{"text":"Hello!","user":"alice"}'           this record
   rosey db set quotes 42 --merge '{"votes":1}'                         the rest stays`, Flags: out(
				&cli.BoolFlag{Name: "merge", Usage: "keep fields that the JSON does not name"},
				&cli.Uint64Flag{Name: "if-revision", Usage: "only if the record's revision is still `N`; 0 means it does not exist"},
			), Action: dbAction(2, 3, dbSet)},
			{Name: "query", Usage: "print the records that match", ArgsUsage: "COLLECTION", Description: `   rosey db query quotes --filter '{"user":"alice"}' --order-by 'timestamp DESC' --limit 10
   rosey db query quotes --filter '{"text":{"$ilike":"%hello%"}}'
   rosey db query quotes --filter '{"votes":{"$gt":3}}' --explain`, Flags: out(
				&cli.StringFlag{Name: "filter", Usage: "`JSON` conditions"},
				&cli.StringFlag{Name: "order-by", Usage: "`FIELDS` to sort by, such as \"votes DESC, user\""},
				&cli.IntFlag{Name: "limit", Usage: "print `N` records", Value: 100},
				&cli.IntFlag{Name: "offset", Usage: "pass over the first `N`"},
				&cli.BoolFlag{Name: "explain", Usage: "also say how the query was answered"},
			), Action: dbAction(1, 1, dbQuery)},
			{Name: "update", Usage: "change fields of a record, or of all that match a filter", ArgsUsage: "COLLECTION [ID] OPS", Description: `   rosey db update quotes 42 '{"$inc":{"votes":1}}'
   rosey db update quotes --filter '{"user":"alice"}' '{"$set":{"user":"alicia"}}'`, Flags: out(
				&cli.StringFlag{Name: "filter", Usage: "in place of the ID: `JSON` conditions"},
			), Action: reading(dbUpdate)},
			{Name: "delete", Usage: "delete a record; it stays in the history", ArgsUsage: "COLLECTION ID", Description: `   rosey db delete quotes 42`, Flags: out(
				&cli.Uint64Flag{Name: "if-revision", Usage: "only if the record's revision is still `N`"},
			), Action: dbAction(2, 2, dbDelete)},
			{Name: "batch", Usage: "read operations from stdin, one JSON object a line, and print the answer to each", ArgsUsage: "[COLLECTION]", Description: `   rosey db batch quotes <<< '{"op":"set","id":7,"data":{"text":"Hi"}} {"op":"get","id":7}'
   rosey db batch <<< '{"op":"delete","collection":"quotes","id":7}'
   rosey db batch quotes < operations.jsonl`, Action: dbAction(0, 1, dbBatch)},
			{Name: "history", Usage: "a record's revisions, with what made each", ArgsUsage: "COLLECTION ID", Description: `   rosey db history quotes 42`, Flags: out(), Action: storeAction(2, 2, dbHistory)},
			{Name: "restore", Usage: "make a record again what it was at a revision", ArgsUsage: "COLLECTION ID REVISION", Description: `   rosey db restore quotes 42 1337`, Action: storeAction(3, 3, dbRestore)},
			{Name: "forget-history", Usage: "erase a record's older revisions", ArgsUsage: "COLLECTION ID", Description: `   rosey db forget-history quotes 42`, Action: storeAction(2, 2, dbForgetHistory)},
			{Name: "check", Usage: "list records that are not what their plugin stores; exit with 1 if there are any", ArgsUsage: "[COLLECTION]", Description: `   rosey db check
   rosey db check quotes --output json`, Flags: out(), Action: storeAction(0, 1, dbCheck)},
			{Name: "export", Usage: "write a collection to stdout as JSON lines", ArgsUsage: "COLLECTION", Description: `   rosey db export quotes > quotes.jsonl`, Action: storeAction(1, 1, dbExport)},
			{Name: "import", Usage: "read JSON lines from stdin into a collection", ArgsUsage: "COLLECTION", Description: `   rosey db import quotes < quotes.jsonl`, Action: storeAction(1, 1, dbImport)},
			{Name: "compact", Usage: "forget deleted records, their history included", ArgsUsage: "COLLECTION", Description: `   rosey db compact quotes --older-than 1d`, Flags: []cli.Flag{
				&cli.StringFlag{Name: "older-than", Usage: "those that were deleted longer ago than `TIME`, such as 1d12h", Value: "30d"},
			}, Action: storeAction(1, 1, dbCompact)},
		},
	}
}

// ask puts a database request to the service of a running bot, or answers it
// from the store itself when none runs, and prints the contract's response.
func (cmd command) ask(ctx context.Context, c *cli.Context, subject string, payload any, text func([]byte) error) error {
	reply, err := cmd.reply(ctx, subject, payload)
	switch {
	case err == nil && wantJSON(c):
		_, err = fmt.Fprintf(c.App.Writer, "%s\n", reply)
		return err
	case err == nil:
		return text(reply)
	case wantJSON(c):
		return errors.Join(encode(c, event.AsError(err, event.DatabaseError)), errUnhealthy)
	}
	return err
}

func (cmd command) reply(ctx context.Context, subject string, payload any) ([]byte, error) {
	if cmd.Running {
		return cmd.Bus.Request(ctx, subject, payload)
	}
	store, err := kvstore.NewStore(cmd.JS, kvstore.WithLogger(cmd.log))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	e, err := event.New(subject, payload)
	if err != nil {
		return nil, err
	}
	reply := service.Answer(ctx, store, subject, e.Data)
	return reply, event.ReplyError(reply)
}

// dbAction is an action of which the arguments are checked before a store is opened.
func dbAction(least, most int, do func(ctx context.Context, c *cli.Context, cmd command, args []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := dbArgs(c, least, most)
		if err != nil {
			return err
		}
		return reading(func(ctx context.Context, c *cli.Context, cmd command) error { return do(ctx, c, cmd, args) })(c)
	}
}

func filterFlag(c *cli.Context) (json.RawMessage, error) {
	text := c.String("filter")
	if !json.Valid([]byte(text)) {
		return nil, usagef("--filter is not JSON: write for example '{\"user\":\"alice\"}'")
	}
	return json.RawMessage(text), nil
}

func dbArgs(c *cli.Context, least, most int) ([]string, error) {
	if n := c.Args().Len(); n < least || n > most {
		return nil, usagef("rosey db %s takes %s: see rosey db %s --help", c.Command.Name, c.Command.ArgsUsage, c.Command.Name)
	}
	if slices.Contains(c.Args().Slice(), "") {
		return nil, usagef("an argument of rosey db %s is empty, which no %s can be", c.Command.Name, c.Command.ArgsUsage)
	}
	return c.Args().Slice(), nil
}

func dbGet(ctx context.Context, c *cli.Context, cmd command, args []string) error {
	return cmd.ask(ctx, c, event.SubjectGet, event.Get{Collection: args[0], ID: event.ID(args[1])}, func(reply []byte) error {
		return printField(c.App.Writer, reply, "data")
	})
}

func dbSet(ctx context.Context, c *cli.Context, cmd command, args []string) error {
	payload := map[string]any{"collection": args[0], "id": nil}
	if len(args) == 3 {
		payload["id"] = event.ID(args[1])
	}
	data := args[len(args)-1]
	if !json.Valid([]byte(data)) {
		return usagef("%q is not JSON: write for example '{\"text\":\"Hello\"}'", plugins.Shorten(terminal.Escape(data), 80))
	}
	if isRevision([]byte(data)) {
		return usagef("that is a revision as rosey db history prints it: rosey db restore %s ID REVISION makes a record again what it was", args[0])
	}
	payload["data"] = json.RawMessage(data)
	if c.Bool("merge") {
		payload["merge"] = true
	}
	if c.IsSet("if-revision") {
		payload["if_revision"] = c.Uint64("if-revision")
	}
	return cmd.ask(ctx, c, event.SubjectSet, payload, func(reply []byte) error { return printField(c.App.Writer, reply, "id") })
}

// isRevision reports whether data is a line of db history --output json.
func isRevision(data []byte) bool {
	var r kvstore.Revision
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(&r) == nil && r.Revision > 0 && !r.Time.IsZero() && r.Data != nil
}

func dbQuery(ctx context.Context, c *cli.Context, cmd command, args []string) error {
	payload := map[string]any{"collection": args[0], "limit": c.Int("limit"), "offset": c.Int("offset")}
	if c.String("filter") != "" {
		filter, err := filterFlag(c)
		if err != nil {
			return err
		}
		payload["filter"] = filter
	}
	if o := c.String("order-by"); o != "" {
		payload["order_by"] = o
	}
	if c.Bool("explain") {
		payload["explain"] = true
	}
	return cmd.ask(ctx, c, event.SubjectQuery, payload, func(reply []byte) error {
		var r struct {
			Data    []json.RawMessage
			Count   int
			Explain json.RawMessage
		}
		if err := json.Unmarshal(reply, &r); err != nil {
			return fmt.Errorf("read the reply: %w", err)
		}
		out := terminal.EscapeJSON(c.App.Writer)
		for _, record := range r.Data {
			fmt.Fprintf(out, "%s\n", record)
		}
		fmt.Fprintf(c.App.ErrWriter, "%d of %d\n", len(r.Data), r.Count)
		if r.Explain != nil {
			fmt.Fprintln(c.App.ErrWriter, terminal.Escape(string(r.Explain)))
		}
		return nil
	})
}

func dbUpdate(ctx context.Context, c *cli.Context, cmd command) error {
	count := 3
	if c.IsSet("filter") {
		count = 2
	}
	args, err := dbArgs(c, count, count)
	if err != nil {
		return err
	}
	ops := args[len(args)-1]
	if !json.Valid([]byte(ops)) {
		return usagef("the operations are not JSON: write for example '{\"$inc\":{\"votes\":1}}'")
	}
	payload := map[string]any{"collection": args[0], "ops": json.RawMessage(ops)}
	if c.IsSet("filter") {
		if payload["filter"], err = filterFlag(c); err != nil {
			return err
		}
	} else {
		payload["id"] = event.ID(args[1])
	}
	return cmd.ask(ctx, c, event.SubjectUpdate, payload, func(reply []byte) error { return printField(c.App.Writer, reply, "changed") })
}

func dbDelete(ctx context.Context, c *cli.Context, cmd command, args []string) error {
	payload := event.Delete{Collection: args[0], ID: event.ID(args[1])}
	if c.IsSet("if-revision") {
		revision := c.Uint64("if-revision")
		payload.IfRevision = &revision
	}
	return cmd.ask(ctx, c, event.SubjectDelete, payload, func([]byte) error {
		fmt.Fprintf(c.App.Writer, "%s of %s is deleted\n", terminal.Escape(args[1]), args[0])
		return nil
	})
}

func dbList(ctx context.Context, c *cli.Context, cmd command) error {
	return cmd.ask(ctx, c, event.SubjectCollections, map[string]any{}, func(reply []byte) error {
		var r struct{ Data []kvstore.Collection }
		if err := json.Unmarshal(reply, &r); err != nil {
			return fmt.Errorf("read the reply: %w", err)
		}
		return printList(c, r.Data, table.Row{"collection", "records", "bytes"}, func(col kvstore.Collection) table.Row {
			return table.Row{col.Name, col.Count, col.Bytes}
		})
	})
}
