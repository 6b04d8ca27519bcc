package audit

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/text/width"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

// Formats are the names of Options.Format.
var Formats = []string{"text", "json", "csv", "html"}

// Options are what Write writes.
type Options struct {
	Query
	Format string         // one of Formats; text when empty
	Zone   *time.Location // of times in text and HTML; local when nil
}

// A writer writes entries in one format.
type writer interface {
	begin() error
	write(Entry) error
	end() error
}

// Write writes the history that the options ask for. The error wraps
// replay.ErrNoMatch when there is none, and is INVALID_INPUT for options that
// make no sense.
func Write(ctx context.Context, js jetstream.JetStream, out io.Writer, o Options) error {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	b := bufio.NewWriterSize(out, 64<<10)
	w, err := newWriter(b, o)
	if err != nil {
		return err
	}
	shown := 0
	for e, err := range readHistory(ctx, js, o.Query) {
		if err != nil {
			return err
		}
		if shown == 0 {
			err = w.begin()
		}
		if err == nil {
			err = w.write(e)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", e.Ref, err)
		}
		if shown++; shown == 1 {
			b.Flush()
		}
	}
	if shown == 0 {
		return fmt.Errorf("%w in the chat history of that range, channel and user", replay.ErrNoMatch)
	}
	if err := w.end(); err != nil {
		return err
	}
	return b.Flush()
}

func newWriter(w *bufio.Writer, o Options) (writer, error) {
	switch o.Format {
	case "", "text":
		return &textWriter{w: w, zone: o.Zone}, nil
	case "json":
		return &jsonWriter{w}, nil
	case "csv":
		return &csvWriter{csv.NewWriter(w)}, nil
	case "html":
		return &htmlWriter{w: w, o: o}, nil
	}
	return nil, event.Errorf(event.InvalidInput, "%q is not a format: choose %s", o.Format, strings.Join(Formats, ", "))
}

// formats are the text of an entry by kind.
var formats = map[string]func(Entry) string{
	KindChat: func(e Entry) string {
		if e.Action {
			return "* " + e.User + " " + e.Text
		}
		return "<" + e.User + "> " + e.Text
	},
	KindPM:     func(e Entry) string { return "<" + e.User + " to " + e.To + "> " + e.Text },
	KindJoin:   func(e Entry) string { return "--> " + e.User + " joins" + rank(e) },
	KindLeave:  func(e Entry) string { return "<-- " + e.User + " leaves" },
	KindRank:   func(e Entry) string { return "*** " + e.User + " has another rank" + rank(e) + by(e) },
	KindMedia:  func(e Entry) string { return ">>> plays " + e.Media.String() },
	KindQueue:  func(e Entry) string { return "+++ queued: " + e.Media.String() },
	KindDelete: func(e Entry) string { return "--- off the playlist: " + e.Media.String() },
	KindOnline: func(e Entry) string { return "=== the bot is in the channel: " + e.Text },

	event.ActionKick: func(e Entry) string {
		return "!!! " + cmp.Or(e.User, "everybody without a name") + " is kicked" + by(e) + because(e)
	},
	event.ActionBan:        func(e Entry) string { return "!!! " + e.User + " is banned" + by(e) + because(e) },
	event.ActionUnban:      func(e Entry) string { return "!!! " + e.User + " is not banned any more" + by(e) },
	event.ActionMute:       func(e Entry) string { return "!!! " + e.User + " is muted" + by(e) },
	event.ActionShadowMute: func(e Entry) string { return "!!! " + e.User + " is muted in secret" + by(e) },
	event.ActionUnmute:     func(e Entry) string { return "!!! " + e.User + " is not muted any more" + by(e) },
	event.ActionClear:      func(e Entry) string { return "!!! the chat is cleared" + by(e) },

	KindClock:     func(e Entry) string { return "=== " + e.Text },
	KindErasure:   func(e Entry) string { return "=== erased: " + e.Text },
	KindMalformed: func(e Entry) string { return "??? " + e.Text },
	KindGap: func(e Entry) string {
		if e.Until.IsZero() {
			return "~~~ GAP: the bot is not in the channel: " + e.Text
		}
		return "~~~ GAP of " + e.Until.Sub(e.At).Round(time.Second).String() + ": the bot was not in the channel: " + e.Text
	},
}

// String is the entry on one line, without time and channel. It is not safe for
// a terminal: see terminal.Escape.
func (e Entry) String() string {
	format, ok := formats[e.Kind]
	if !ok && strings.Contains(e.Kind, ".") { // one of changes
		return strings.Join(slices.DeleteFunc([]string{"***", cmp.Or(e.User, e.By), e.Text}, func(s string) bool { return s == "" }), " ")
	}
	if !ok { // an action that another version knows
		return "!!! " + e.User + ": " + e.Kind + by(e) + because(e)
	}
	return format(e)
}

func by(e Entry) string {
	if e.By == "" {
		return ""
	}
	return " by " + e.By
}

func because(e Entry) string {
	if e.Text == "" {
		return ""
	}
	return ": " + e.Text
}

func rank(e Entry) string {
	if e.Rank == nil {
		return ""
	}
	return ", rank " + strconv.Itoa(*e.Rank)
}

// String is the item on one line.
func (m Media) String() string {
	s := m.Title + " (" + (time.Duration(m.Duration) * time.Second).String() + ") " + m.URL
	if m.QueuedBy != "" {
		s += ", queued by " + m.QueuedBy
	}
	return s
}

type textWriter struct {
	w    io.Writer
	zone *time.Location
}

func (t *textWriter) begin() error { return nil }
func (t *textWriter) end() error   { return nil }

func (t *textWriter) write(e Entry) error {
	line := e.String()
	if e.Note != "" {
		line += "  [" + e.Note + "]"
	}
	channel := e.Channel
	if channel != "" {
		channel += "  "
	}
	_, err := fmt.Fprintf(t.w, "%s  %s%s\n", e.At.In(t.zone).Format(time.DateTime), terminal.Escape(channel), terminal.Escape(line))
	return err
}

type jsonWriter struct{ w io.Writer }

func (j *jsonWriter) begin() error { return nil }
func (j *jsonWriter) end() error   { return nil }

func (j *jsonWriter) write(e Entry) error {
	e.Until = e.Until.UTC()
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Time     time.Time `json:"time"`
		StoredAt time.Time `json:"stored_at"`
		Ref      string    `json:"ref,omitempty"`
		Entry
	}{e.At.UTC(), e.Stored.UTC(), e.Ref.String(), e})
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

type csvWriter struct{ w *csv.Writer }

func (c *csvWriter) begin() error {
	return c.w.Write([]string{"time", "stored_at", "ref", "kind", "channel", "user", "to", "rank", "text", "url", "duration", "until", "note", "by"})
}

func (c *csvWriter) write(e Entry) error {
	row := []string{stamp(e.At), stamp(e.Stored), e.Ref.String(), e.Kind, e.Channel, e.User, e.To, "", e.Text, "", "", stamp(e.Until), e.Note, e.By}
	if e.Rank != nil {
		row[7] = strconv.Itoa(*e.Rank)
	}
	if e.Media != nil {
		row[8], row[9], row[10] = e.Media.Title, e.Media.URL, strconv.Itoa(e.Media.Duration)
	}
	for i, cell := range row {
		if i != 7 {
			row[i] = escapeFormula(terminal.Escape(cell))
		}
	}
	return c.w.Write(row)
}

func (c *csvWriter) end() error {
	c.w.Flush()
	return c.w.Error()
}

// escapeFormula keeps a spreadsheet from evaluating what somebody said as a formula,
// with an apostrophe before it. Some take full-width signs for the usual ones.
func escapeFormula(cell string) string {
	if first := width.Narrow.String(cell); first != "" && strings.ContainsAny(first[:1], "=+-@\t\r") {
		return "'" + cell
	}
	return cell
}
