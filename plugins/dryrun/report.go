package dryrun

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

// WriteText writes a result for people: the event, and below it the recorded and the
// current outputs. An event without outputs is left out.
func (r Result) WriteText(w io.Writer, colour bool, zone *time.Location) error {
	if len(r.Diffs) == 0 {
		return nil
	}
	var b strings.Builder
	d := replay.Describe(r.Event.Event)
	fmt.Fprintf(&b, "%s  %s  %s\n", d.At.In(zone).Format(time.DateTime), d.Ref, terminal.Escape(d.Actor+": "+d.Text))
	line := func(status Status, text string) {
		fmt.Fprintf(&b, "    %s  %s\n", terminal.Palette(colour).Paint(fmt.Sprintf("%-8s", status), colorOf(status)), terminal.Escape(text))
	}
	lines := r.Diffs
	if r.Status() == Excluded {
		line(Excluded, r.Excluded)
		lines = nil
	}
	for _, l := range lines {
		switch l.Status {
		case Same:
			line(l.Status, "     "+l.Current.text(zone))
		case Changed:
			line(l.Status, "said "+l.Recorded.text(zone))
			fmt.Fprintf(&b, "    %8s  %s\n", "", terminal.Escape("now  "+l.Current.text(zone)))
		case Missing:
			line(l.Status, "said "+l.Recorded.text(zone))
		default:
			line(l.Status, "now  "+l.Current.text(zone))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func colorOf(status Status) terminal.Color {
	if status == Same || status == Unproven || status == Excluded {
		return terminal.Dim
	}
	return terminal.Red
}

func (o Output) text(zone *time.Location) string {
	var d struct{ Message, Emote, To, Error string }
	_ = json.Unmarshal(o.Data, &d)
	s := o.Subject + " " + string(o.Data)
	switch {
	case o.Subject == event.SubjectSendChat:
		s = d.Message
	case o.Subject == event.SubjectSendEmote:
		s = "/me " + d.Emote
	case o.Subject == event.SubjectSendPM:
		s = "(to " + d.To + ") " + d.Message
	case strings.HasSuffix(o.Subject, "."+event.TypeDeadLetter):
		s = "(fails) " + d.Error
	}
	if !o.Due.IsZero() {
		s += " (timer for " + o.Due.In(zone).Format("15:04:05") + ")"
	}
	return s
}

// MarshalJSON writes the result with stream, seq, stored_at, subject, status and
// lines, each of which has a status and said and now, of which one may be null;
// and where the status is excluded, the reason.
func (r Result) MarshalJSON() ([]byte, error) {
	diffs := append([]Diff{}, r.Diffs...) // [] and not null
	line := map[string]any{
		"stream": r.Event.Ref.Stream, "seq": r.Event.Ref.Seq, "stored_at": r.Event.At.UTC(), "subject": r.Event.Subject,
		"status": r.Status(), "lines": diffs,
	}
	if r.Status() == Excluded {
		line["reason"] = r.Excluded
	}
	return event.Encode(line)
}
