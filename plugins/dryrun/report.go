package dryrun

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// WriteText writes a result for people: the event, and below it the recorded and the
// current outputs. An event without outputs is left out.
func (r Result) WriteText(w io.Writer, colour bool, zone *time.Location) error {
	if len(r.Diffs) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", r.Event.At.In(zone).Format("2006-01-02 15:04:05"), r.Event.Ref, terminal.Escape(r.Event.text()))
	lines := r.Diffs
	if r.Status() == Excluded {
		fmt.Fprintf(&b, "    %s  %s\n", paint(fmt.Sprintf("%-8s", Excluded), Excluded, colour), r.Excluded)
		lines = nil
	}
	for _, l := range lines {
		first, second := "", ""
		switch l.Status {
		case Changed:
			first, second = "said "+l.Recorded.text(zone), "now  "+l.Current.text(zone)
		case Missing:
			first = "said " + l.Recorded.text(zone)
		default:
			first = "now  " + l.Current.text(zone)
			if l.Status == Same {
				first = "     " + l.Current.text(zone)
			}
		}
		fmt.Fprintf(&b, "    %s  %s\n", paint(fmt.Sprintf("%-8s", l.Status), l.Status, colour), terminal.Escape(first))
		if second != "" {
			fmt.Fprintf(&b, "    %8s  %s\n", "", terminal.Escape(second))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func paint(s string, status Status, colour bool) string {
	switch {
	case !colour:
		return s
	case status == Same || status == Unproven || status == Excluded:
		return "\x1b[2m" + s + "\x1b[0m"
	default:
		return "\x1b[31m" + s + "\x1b[0m"
	}
}

// text is what a person recognises the event by.
func (e Event) text() string {
	var d struct {
		User    string
		Raw     string `json:"raw_message"`
		Message string
		Command string
		Args    []string
	}
	stored, _ := e.stored()
	_ = json.Unmarshal(stored.Data, &d)
	switch {
	case d.Raw != "":
		return d.User + ": " + d.Raw
	case d.Command != "":
		return d.User + ": " + strings.Join(append([]string{d.Command}, d.Args...), " ")
	case d.Message != "":
		return d.User + ": " + d.Message
	default:
		return e.Subject + " " + string(stored.Data)
	}
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
