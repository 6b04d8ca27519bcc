package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// ErrNoMatch is wrapped by the error of a reader that found no event.
var ErrNoMatch = errors.New("no event matches")

// Style says how output looks.
type Style struct {
	JSON   bool           // one JSON object a line instead of text
	Colors bool           // colour the text: see terminal.HasColor
	Zone   *time.Location // of times in text; local when nil
	// ShowChannel adds a column of channels to the text.
	ShowChannel bool
	// TruncatedHint follows a text that was cut at 400 characters.
	TruncatedHint string
}

// Options are what Write writes.
type Options struct {
	Query
	Style
	Tree    bool // conversations as trees of cause and effect instead of events
	Summary bool // counts, slowest conversations and problems instead of events
}

// Write writes to out what the options select, events in the order they were
// stored. Following, it ends without an error when ctx does. The error wraps
// ErrNoMatch when nothing matched, and is INVALID_INPUT for options that
// contradict each other or can match nothing.
func Write(ctx context.Context, js jetstream.JetStream, out io.Writer, o Options) error {
	switch {
	case o.Tree && o.Summary:
		return event.Errorf(event.InvalidInput, "a tree and a summary are two outputs: choose one")
	case o.Follow && (o.Tree || o.Summary):
		return event.Errorf(event.InvalidInput, "a tree or a summary needs an end: do not follow")
	}
	if isRef(o.Correlation) {
		var err error
		if o.Correlation, err = resolveID(ctx, js, o.Correlation); err != nil {
			return err
		}
	}
	if o.Tree || o.Summary {
		o.ShowChannel = false
	}
	p := newPrinter(out, o.Style)
	o.onIdle = p.flush
	if progress := o.Progress; !o.Follow {
		o.Progress = func(at Progress) {
			p.flush()
			if progress != nil {
				progress(at)
			}
		}
	}
	written, err := write(ctx, js, p, o)
	if ferr := p.w.Flush(); err == nil {
		err = ferr
	}
	switch {
	case err != nil && o.Follow && errors.Is(err, ctx.Err()):
		return nil
	case err == nil && written == 0 && !o.Follow:
		return NoMatch(ctx, js, o.Filter)
	}
	return err
}

// write returns how many events or conversations it wrote.
func write(ctx context.Context, js jetstream.JetStream, p *printer, o Options) (written int, err error) {
	switch {
	case o.Summary:
		s, err := Summarize(ctx, js, o.Query, SummaryOptions{})
		if err != nil || s.Events == 0 {
			return 0, err
		}
		return s.Events, p.summary(s)
	case o.Tree:
		for c, err := range Conversations(ctx, js, o.Query) {
			if err == nil {
				err = p.conversation(c)
			}
			if err != nil {
				return written, err
			}
			written++
		}
		return written, nil
	}
	for e, err := range Read(ctx, js, o.Query) {
		if err != nil {
			return written, err
		}
		if err := p.event(e); err != nil {
			return written, fmt.Errorf("write %s: %w", e.Ref, err)
		}
		if written++; written == 1 {
			p.flush()
		}
	}
	return written, nil
}

// WriteTrace writes a conversation as a tree, and where its time went from the first
// event to the last: queues, router, plugins, sending and the echo. The ID and errors
// are ReadConversation's.
func WriteTrace(ctx context.Context, js jetstream.JetStream, out io.Writer, id string, o ConversationOptions, s Style) error {
	c, err := ReadConversation(ctx, js, id, o)
	if err != nil {
		return err
	}
	p := newPrinter(out, s)
	return errors.Join(p.trace(c), p.w.Flush())
}

// NoMatch returns an error that wraps ErrNoMatch and says what the streams hold.
func NoMatch(ctx context.Context, js jetstream.JetStream, f Filter) error {
	var first, last time.Time
	total := uint64(0)
	for _, spec := range streams.Specs() {
		s, err := js.Stream(ctx, spec.Name)
		if err != nil {
			continue
		}
		state := s.CachedInfo().State
		if state.Msgs == 0 {
			continue
		}
		total += state.Msgs
		if first.IsZero() || state.FirstTime.Before(first) {
			first = state.FirstTime
		}
		if state.LastTime.After(last) {
			last = state.LastTime
		}
	}
	query := f.String()
	if query != "" {
		query = " (" + query + ")"
	}
	if total == 0 {
		return fmt.Errorf("%w%s: the streams are empty; has the bot run on this store?", ErrNoMatch, query)
	}
	return fmt.Errorf("%w%s: the streams hold %d events, stored from %s to %s", ErrNoMatch, query, total,
		first.Local().Format(time.DateTime), last.Local().Format(time.DateTime))
}

// A printer writes events, conversations and summaries. Its bufio.Writer keeps the
// first error, which the last Write or Flush of a text reports.
type printer struct {
	w *bufio.Writer
	Style
}

func newPrinter(w io.Writer, s Style) *printer {
	if s.Zone == nil {
		s.Zone = time.Local
	}
	return &printer{bufio.NewWriterSize(w, 64<<10), s}
}

func (p *printer) flush() { _ = p.w.Flush() }

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p.w, format, args...) }

func (p *printer) paint(s string, c terminal.Color) string {
	return terminal.Palette(p.Colors).Paint(s, c)
}

func (p *printer) time(t time.Time) string { return t.In(p.Zone).Format(timeLayout) }

func (p *printer) json(v any) error {
	line, err := encode(v)
	if err == nil {
		_, err = p.w.Write(append(line, '\n'))
	}
	return err
}

func trimmed(parts ...string) string { return strings.TrimRight(strings.Join(parts, ""), " ") }
