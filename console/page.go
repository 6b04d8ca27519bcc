package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

//go:embed templates assets
var files embed.FS

// A tab is an entry of the navigation.
type tab struct{ Path, Name string }

var tabs = []tab{
	{"/", "Live"}, {"/channel", "Channel"}, {"/calendar", "Calendar"}, {"/history", "History"}, {"/trace", "Trace"}, {"/timeline", "Timeline"}, {"/plugins", "Plugins"}, {"/settings", "Settings"},
	{"/streams", "Streams"}, {"/dead", "Dead letters"}, {"/data", "Data"},
}

// page is what every page's template gets.
type page struct {
	Title    string
	Tab      string // path of the tab it belongs to
	Tabs     []tab
	Channel  Channel
	Channels []Channel // when there are several
	Version  string
	Zone     string
	Problem  string // what the bot waits for
	User     string
	Role     Role
	SignOut  bool // whether there is a session to end
	CSRF     string
	Boot     string
	Body     any
}

// Operator reports whether the page's reader may change things.
func (p page) Operator() bool { return p.Role == Operator }

// InChannel keeps the channel in the addresses of other pages.
func (p page) InChannel() string {
	if len(p.Channels) == 0 {
		return ""
	}
	return "?channel=" + url.QueryEscape(p.Channel.Name)
}

// templates are parsed when a page is first shown: commands that show none need
// not wait for that.
var templates = sync.OnceValue(parse)

func parse() map[string]*template.Template {
	funcs := template.FuncMap{
		"text": terminal.Escape, "bytes": humanize.IBytes, "ago": humanize.Time, "span": terminal.FormatDuration,
		"comma": func(n any) (string, error) {
			i, err := strconv.ParseInt(fmt.Sprint(n), 10, 64)
			return humanize.Comma(i), err
		},
		"length": func(seconds int) string { return terminal.FormatDuration(time.Duration(seconds) * time.Second) },
		"json":   func(raw json.RawMessage) string { return pretty(raw) },
		"lines":  terminal.EscapeLines,
		"settle": func(ref event.Ref, csrf string) any { return map[string]any{"Ref": ref.String(), "CSRF": csrf} },
		"clock":  func(t time.Time) string { return t.Local().Format("15:04:05") },
		"day":    func(t time.Time) string { return t.Local().Format("2006-01-02") },
		"when":   func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") },
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	}
	shared := template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/*parts.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{"": shared}
	for _, name := range names {
		short := strings.TrimSuffix(path.Base(name), ".html")
		if short != "layout" && !strings.HasSuffix(short, "parts") {
			all[short] = template.Must(template.Must(shared.Clone()).ParseFS(files, name))
		}
	}
	return all
}

// show renders a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, name, title string, body any) error {
	return c.showStatus(w, r, http.StatusOK, name, title, body)
}

func (c *Console) showStatus(w http.ResponseWriter, r *http.Request, status int, name, title string, body any) error {
	who := visitorOf(r)
	p := page{
		Title: title, Tabs: tabs, Channel: c.channel(r), Version: c.Version, Zone: time.Now().Format("MST"),
		User: who.name, Role: who.role, SignOut: who.session && !c.auth.policy.Load().open(), CSRF: c.auth.token(r), Boot: c.boot, Body: body,
	}
	for _, t := range tabs {
		if t.Path == r.URL.Path || t.Path != "/" && strings.HasPrefix(r.URL.Path, t.Path) {
			p.Tab = t.Path
		}
	}
	p.Problem = p.Channel.Problem()
	if len(c.Channels) > 1 {
		p.Channels = c.Channels
	}
	var b bytes.Buffer
	if err := templates()[name].ExecuteTemplate(&b, "layout", p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

// part renders one of the shared parts, for a page that is open already.
func renderPart(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates()[""].ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return b.String(), nil
}

var errNotFound = event.Errorf(event.RecordNotFound, "there is no such page")

// operatorOf names the operator who makes a request.
func operatorOf(r *http.Request) string { return cmp.Or(visitorOf(r).name, string(Operator)) }

// errShown ends a request that was answered by a page, such as a question, and did nothing.
var errShown = errors.New("nothing was done")

// recorded makes a handler of an operator's action publish who did what, once it is done.
func (c *Console) recorded(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		// What is done and who did it are one conversation.
		r = r.WithContext(propagation.WithCorrelation(r.Context(), event.NewCorrelationID()))
		if err := h(w, r); err != nil {
			return err
		}
		e, err := event.New(event.SubjectOperation, event.Operation{
			Operator: operatorOf(r), Action: path.Base(r.URL.Path),
			Target: cmp.Or(r.PathValue("name"), r.PathValue("ref"), c.channel(r).Name), Timestamp: float64(time.Now().UnixMicro()) / 1e6,
		})
		if err == nil {
			_, err = c.Bus.Publish(r.Context(), e)
		}
		if err != nil {
			c.Logger.WarnContext(r.Context(), "console: operation not recorded", "path", r.URL.Path, "user", visitorOf(r).name, "error", err)
		}
		return nil
	}
}

// statuses are the HTTP statuses of the contract's error codes.
var statuses = map[event.Code]int{
	event.RecordNotFound: http.StatusNotFound, event.InvalidInput: http.StatusBadRequest, event.PermissionDenied: http.StatusForbidden,
	event.Timeout: http.StatusGatewayTimeout, event.NATSError: http.StatusServiceUnavailable,
}

// handler answers a request, or fails.
type handler func(http.ResponseWriter, *http.Request) error

// within limits how long the handler may take.
func (h handler) within(limit time.Duration) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		return h(w, r.WithContext(ctx))
	}
}

// handle makes an http.Handler of one that can fail. The failure is shown as a page, or
// as text to a script.
func (c *Console) handle(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil || errors.Is(err, errShown) || r.Context().Err() != nil {
			return
		}
		status, ok := statuses[event.CodeOf(err)]
		switch {
		case errors.Is(err, replay.ErrNoMatch):
			status = http.StatusNotFound
		case !ok:
			status = http.StatusInternalServerError
			c.Logger.WarnContext(r.Context(), "console: a page could not be made", "path", r.URL.Path, "error", err)
		}
		message := terminal.Escape(err.Error())
		if fromScript(r) {
			http.Error(w, message, status)
			return
		}
		if err := c.showStatus(w, r, status, "error", "That did not work", message); err != nil {
			http.Error(w, message, status)
		}
	})
}

// fromScript reports whether a script of the page asks, which reads text.
func fromScript(r *http.Request) bool { return r.Header.Get("X-Rosey") != "" }

// done answers an operator's change: a script with the text, a form with the
// page to go to.
func redirect(w http.ResponseWriter, r *http.Request, text, to string) error {
	if fromScript(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := w.Write([]byte(text))
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// assets serves the embedded files. They are asked for again each time, so that those of
// a new version are seen at once, and sent only if their content is another.
func assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		content, err := files.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}
