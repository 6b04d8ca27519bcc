package console

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

const (
	// timelineTimeout is how long the events of a range are read.
	timelineTimeout = 10 * time.Second
	// maxSteps is how many columns a chart has at most.
	maxSteps = 120
)

// steps are the lengths that a column may have.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

type timelineBody struct {
	From, To string // as they were asked for
	Subject  string
	Presets  []string
	Preset   string
	*replay.Summary
	Chart chart
	Unit  string // what a column is
}

var presets = []string{"15m", "1h", "6h", "1d", "7d"}

func (c *Console) timeline(w http.ResponseWriter, r *http.Request) error {
	v, now := r.URL.Query(), time.Now()
	body := timelineBody{From: v.Get("since"), To: v.Get("until"), Subject: v.Get("subject"), Presets: presets}
	if body.From == "" {
		body.From = "1h"
	}
	if body.To == "" {
		body.Preset = body.From
	}
	q := replay.Query{Filter: replay.Filter{Until: now}}
	if body.Subject != "" {
		q.Subjects = []string{body.Subject}
	}
	var err error
	if q.Since, err = replay.ParseTime(body.From, now); err != nil {
		return err
	}
	if body.To != "" {
		if q.Until, err = replay.ParseTime(body.To, now); err != nil {
			return err
		}
	}
	if !q.Since.Before(q.Until) {
		return event.Errorf(event.InvalidInput, "nothing lies between %s and %s: the start must be before the end", body.From, body.To)
	}
	step := stepFor(q.Until.Sub(q.Since))
	q.Since = q.Since.Truncate(step)
	if body.Summary, err = replay.Summarize(r.Context(), c.js, q, replay.SummaryOptions{Step: step, Limit: timelineTimeout}); err != nil {
		return err
	}
	body.Chart = newChart(body.Series, q.Since, q.Until, step)
	body.Unit = unit(step)
	slices.Reverse(body.Latest)
	if visitorOf(r).role != Operator {
		body.hidePrivate()
	}
	return c.show(w, r, "timeline", "Timeline", body)
}

// hidePrivate leaves out what the page would quote of private messages.
func (b *timelineBody) hidePrivate() {
	private := func(r replay.Record) bool { return isPrivate(r.Subject, r.Data) }
	b.Slowest = slices.DeleteFunc(b.Slowest, func(c replay.Chain) bool { return private(c.First) })
	b.Latest = slices.DeleteFunc(b.Latest, private)
}

// ProblemCount returns how many events report a problem.
func (b timelineBody) ProblemCount() (n int) {
	for _, count := range b.Problems {
		n += count
	}
	return n
}

func stepFor(d time.Duration) time.Duration {
	for _, s := range steps {
		if d/s < maxSteps {
			return s
		}
	}
	return d / maxSteps
}

func unit(step time.Duration) string {
	switch step {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	if step%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", step/(24*time.Hour))
	}
	return terminal.FormatDuration(step)
}
