package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

// outputFlag is --output for commands that can print JSON.
func outputFlag() cli.Flag {
	return formatFlag("text, or json with one object a line", "text", "json")
}

// formatFlag is --output for commands that can print the formats, of which the first is
// the default. JSON is written so that no text in it controls a terminal.
func formatFlag(usage string, formats ...string) cli.Flag {
	return &choiceFlag{choices: formats, StringFlag: &cli.StringFlag{Name: "output", Usage: "`FORMAT`: " + usage, Value: formats[0],
		Action: func(c *cli.Context, v string) error {
			if !slices.Contains(formats, v) {
				last := len(formats) - 1
				return usagef("--output %s: choose %s or %s", v, strings.Join(formats[:last], ", "), formats[last])
			}
			if v == "json" {
				c.App.Writer = terminal.EscapeJSON(c.App.Writer)
			}
			return nil
		}}}
}

// choiceFlag is a flag whose value is one of its choices.
type choiceFlag struct {
	*cli.StringFlag
	choices []string
}

func wantJSON(c *cli.Context) bool { return c.String("output") == "json" }

// encode prints a value as one line of JSON.
func encode(c *cli.Context, v any) error {
	enc := json.NewEncoder(c.App.Writer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	return nil
}

func printField(w io.Writer, reply []byte, name string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(reply, &fields); err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	fmt.Fprintf(terminal.EscapeJSON(w), "%s\n", fields[name])
	return nil
}

// printList prints a list as lines of JSON or as a table.
func printList[T any](c *cli.Context, list []T, headers table.Row, row func(T) table.Row) error {
	if !wantJSON(c) {
		fmt.Fprintln(c.App.Writer, tableOf(list, headers, row))
		return nil
	}
	for _, v := range list {
		if err := encode(c, v); err != nil {
			return err
		}
	}
	return nil
}

// tableOf returns a table with a row for each element of a list, in which what others
// wrote cannot speak to the terminal.
func tableOf[T any](list []T, headers table.Row, row func(T) table.Row) string {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = 0
	t.SetStyle(style)
	t.AppendHeader(headers)
	for _, v := range list {
		cells := row(v)
		for i, cell := range cells {
			if text, ok := cell.(string); ok {
				cells[i] = terminal.Escape(text)
			}
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

// progressLine rewrites one line on a terminal as long work goes on; elsewhere
// it prints nothing.
func progressLine(w io.Writer, verb string) (show func(n, total int), done func()) {
	if f, ok := w.(*os.File); !ok || !isTerminal(f) {
		return func(int, int) {}, func() {}
	}
	var last time.Time
	show = func(n, total int) {
		if time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		if total > 0 {
			fmt.Fprintf(w, "\r%s %d of %d (%d%%)\x1b[K", verb, n, total, 100*n/total)
		} else {
			fmt.Fprintf(w, "\r%s %d\x1b[K", verb, n)
		}
	}
	return show, func() { fmt.Fprint(w, "\r\x1b[K") }
}

// readProgress shows on a terminal how many events were read.
func readProgress(c *cli.Context) (show func(replay.Progress), done func()) {
	line, done := progressLine(c.App.ErrWriter, "read")
	return func(p replay.Progress) { line(int(p.Read), int(p.Total)) }, done
}
