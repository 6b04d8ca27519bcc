// Package browsertest drives a real browser, Debian's chromium, through the
// console's pages.
package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// pageTimeout is how long a page may take to be as a test expects it, on a machine
// that is busy.
const pageTimeout = 2 * time.Minute

// loaded is when a page's scripts have begun to listen and nothing moves any more.
const loaded = `document.readyState === "complete"`

// Browser is a browser process.
type Browser struct {
	ctx context.Context
}

// Start starts a browser that ends with the test. Without chromium the test is
// skipped, but fails where CI is set.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("there is no chromium: apt-get install chromium")
	case err != nil:
		t.Skip("there is no chromium: apt-get install chromium to test the console in a browser")
	}
	// Not t.TempDir, which fails the test when a process of the browser still writes.
	dir, err := os.MkdirTemp("", "rosey-browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stopAllocator)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &Browser{ctx}
}

// Page opens a tab that is closed when the test ends.
func (b *Browser) Page(t testing.TB) *Page { t.Helper(); return b.page(t) }

// PageOfAnother opens a tab as Page does, whose cookies are not those of other tabs.
func (b *Browser) PageOfAnother(t testing.TB) *Page {
	t.Helper()
	return b.page(t, chromedp.WithNewBrowserContext())
}

func (b *Browser) page(t testing.TB, opts ...chromedp.ContextOption) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, opts...)
	t.Cleanup(cancel)
	p := &Page{t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(ev any) {
		if thrown, ok := ev.(*cdpruntime.EventExceptionThrown); ok {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.errors = append(p.errors, thrown.ExceptionDetails.Text+" "+fmt.Sprint(thrown.ExceptionDetails.Exception))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	remember := page.AddScriptToEvaluateOnNewDocumentParams{Source: rememberToasts}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, remember); err != nil {
		t.Fatal(err)
	}
	p.Size(1280, 800)
	return p
}

// rememberToasts keeps what a page said for a while, for a failure's message.
const rememberToasts = `document.addEventListener("DOMContentLoaded", () => {
  const toast = document.getElementById("toast");
  window.toasts = [];
  if (toast) new MutationObserver(() => toast.textContent && toasts.push(toast.textContent)).observe(toast, { childList: true });
});`

// Page is a tab. Its methods fail the test when the page does not do what they
// say.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	errors []string // what scripts threw
}

func (p *Page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.text())
	}
}

// text is what the page shows and said, for a failure's message.
func (p *Page) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? [location.href, ...(window.toasts || []), document.activeElement?.id, document.body.innerText.slice(0, 3000)].join("\n") : ""`))
	if err != nil {
		return err.Error()
	}
	return text
}

// Open goes to an address.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Size sets the size of the window, in CSS pixels.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(width, height))
}

// Dark sets whether the reader prefers dark pages.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// Wait waits until a JavaScript expression is true, over reloads of the page.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// While a page is being left there is nobody to ask.
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+condition+")")); err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("timed out waiting for %s\n%s", condition, p.text())
		case <-tick.C:
		}
	}
}

// WaitText waits until an element shows a text.
func (p *Page) WaitText(selector, text string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.innerText.includes(%s))", quote(selector), quote(text)))
}

// Eval evaluates a JavaScript expression, awaiting a promise.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return value
}

// Eval evaluates a JavaScript expression for what it does.
func (p *Page) Eval(expression string) {
	p.t.Helper()
	Eval[bool](p, "("+expression+", true)")
}

// Click clicks the first element that a selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Wait(loaded)
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types into an element; \r is the enter key.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Wait(loaded)
	p.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press presses a key where the focus is.
func (p *Page) Press(key string) {
	p.t.Helper()
	p.do("press a key", chromedp.KeyEvent(key))
}

// Drag moves the mouse from one point to another with its button down.
func (p *Page) Drag(x0, y0, x1, y1 float64) {
	p.t.Helper()
	p.do("drag", chromedp.DragAndDropXY(x0, y0, x1, y1))
}

// Scripts fails the test if a script of the page threw an error.
func (p *Page) Scripts() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		p.t.Errorf("a script failed: %s", e)
	}
}

// Shoot writes a picture of what the window shows.
func (p *Page) Shoot(path string) {
	p.t.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Violations returns what axe-core finds wrong with the page. Without axe-core, outside
// of CI, it checks nothing.
func (p *Page) Violations() []Violation {
	p.t.Helper()
	return p.violations(`["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`)
}

// ViolationsOfColor returns those that depend on the page's colors.
func (p *Page) ViolationsOfColor() []Violation {
	p.t.Helper()
	return p.violations(`{type: "rule", values: ["color-contrast", "link-in-text-block"]}`)
}

// violations returns what axe-core finds by rules: a value of its option runOnly.
func (p *Page) violations(rules string) []Violation {
	p.t.Helper()
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join(filepath.Dir(string(gomod)), "console", "browsertest", "node_modules", "axe-core", "axe.min.js"))
	switch {
	case err != nil && os.Getenv("CI") != "":
		p.t.Fatalf("axe-core is missing: run npm ci in console/browsertest (%v)", err)
	case err != nil:
		p.t.Log("accessibility not checked: axe-core is missing, run npm ci in console/browsertest")
		return nil
	}
	if !Eval[bool](p, `typeof axe === "object"`) {
		Eval[bool](p, string(axe)+"; true")
	}
	found := Eval[struct {
		Violations []Violation `json:"violations"`
		Passes     int         `json:"passes"`
	}](p, `axe.run(document, {runOnly: `+rules+`}).then((r) => ({violations: r.violations, passes: r.passes.length}))`)
	if found.Passes == 0 {
		p.t.Error("axe-core looked at nothing")
	}
	return found.Violations
}

func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(q)
}
