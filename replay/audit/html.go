package audit

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/terminal"
)

//go:embed page.html
var page string

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.Format(time.TimeOnly) },
	"full":  func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	"plain": terminal.Escape,
}).Parse(page))

// htmlWriter writes a page that needs nothing but itself.
type htmlWriter struct {
	w     io.Writer
	o     Options
	day   string
	count int
}

type htmlHead struct {
	Title, Channel, User, Grep string
	Since, Until               string
	Zone                       string
}

func (h *htmlWriter) begin() error {
	head := htmlHead{Title: "Chat history", Channel: h.o.Channel, User: h.o.User, Zone: h.o.Zone.String(), Since: h.moment(h.o.Since), Until: h.moment(h.o.Until)}
	if h.o.Grep != nil {
		head.Grep = h.o.Grep.String()
	}
	return pages.ExecuteTemplate(h.w, "head", head)
}

func (h *htmlWriter) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(h.o.Zone).Format(time.DateTime)
}

func (h *htmlWriter) write(e Entry) error {
	at := e.At.In(h.o.Zone)
	if day := at.Format("Monday, 2 January 2006"); day != h.day {
		h.day = day
		if err := pages.ExecuteTemplate(h.w, "day", day); err != nil {
			return err
		}
	}
	h.count++
	text := e.String()
	if e.Kind == KindChat && !e.Action {
		text = strings.TrimPrefix(text, "<"+e.User+"> ")
	}
	return pages.ExecuteTemplate(h.w, "entry", struct {
		Entry
		At   time.Time
		Line string
	}{e, at, text})
}

func (h *htmlWriter) end() error { return pages.ExecuteTemplate(h.w, "foot", h.count) }
