package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// ErrNoMatch is wrapped by the error of Write and WriteTrace when no event matches.
var ErrNoMatch = errors.New("no event matches")

// Options are what `rosey replay` is asked for.
type Options struct {
	Query
	Tree        bool           // show conversations as trees of cause and effect
	Summary     bool           // show counts, slowest chains and errors instead of events
	JSON        bool           // write one JSON object a line instead of text
	Color       bool           // colour the text: see Terminal
	ShowChannel bool           // have a column of channels in the text
	Zone        *time.Location // of times in text; local when nil
}

// Write writes what the options ask for to out, events in the order they were
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
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if isRef(o.Correlation) {
		var err error
		if o.Correlation, err = conversationOf(ctx, js, o.Correlation); err != nil {
			return err
		}
	}
	w := bufio.NewWriterSize(out, 64<<10)
	flush := func() { w.Flush() }
	o.idle = flush
	if told := o.Progress; !o.Follow {
		o.Progress = func(p Progress) {
			flush()
			if told != nil {
				told(p)
			}
		}
	}
	shown, err := show(ctx, js, w, o)
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	switch {
	case err != nil && o.Follow && errors.Is(err, ctx.Err()):
		return nil
	case err == nil && shown == 0 && !o.Follow:
		return nothing(ctx, js, o.Filter)
	}
	return err
}

// show writes what is asked for and says how many events or conversations that
// were.
func show(ctx context.Context, js jetstream.JetStream, w *bufio.Writer, o Options) (shown int, err error) {
	switch {
	case o.Summary:
		return showSummary(ctx, js, w, o)
	case o.Tree:
		return showTrees(ctx, js, w, o)
	}
	write := func(e Event) error { return writeLine(w, e, terminal.Palette(o.Color), o.Zone, o.ShowChannel) }
	if o.JSON {
		write = func(e Event) error { return writeJSON(w, e) }
	}
	for e, err := range Read(ctx, js, o.Query) {
		if err != nil {
			return shown, err
		}
		if err := write(e); err != nil {
			return shown, fmt.Errorf("write %s: %w", e.Ref, err)
		}
		if shown++; shown == 1 {
			w.Flush()
		}
	}
	return shown, nil
}

func showTrees(ctx context.Context, js jetstream.JetStream, w *bufio.Writer, o Options) (shown int, err error) {
	t := painter{w, terminal.Palette(o.Color), o.Zone}
	for c, err := range conversations(ctx, js, o.Query, quiet) {
		if err == nil {
			err = t.write(c, o.JSON)
		}
		if err != nil {
			return shown, err
		}
		shown++
	}
	return shown, nil
}

// nothing says that nothing matched, and what there is instead.
func nothing(ctx context.Context, js jetstream.JetStream, f Filter) error {
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
	asked := f.String()
	if asked != "" {
		asked = " (" + asked + ")"
	}
	if total == 0 {
		return fmt.Errorf("%w%s: the streams are empty; has the bot run on this store?", ErrNoMatch, asked)
	}
	return fmt.Errorf("%w%s: the streams hold %d events, stored from %s to %s", ErrNoMatch, asked, total,
		first.Local().Format(time.DateTime), last.Local().Format(time.DateTime))
}
