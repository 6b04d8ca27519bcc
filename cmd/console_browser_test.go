package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/console/browsertest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// lines are the chat lines that a page shows, each as its ID and words.
func chatLines(p *browsertest.Page) []string {
	return browsertest.Eval[[]string](p, `[...document.querySelectorAll(".line")].map((l) => l.id + " " + l.querySelector(".said").innerText)`)
}

// onPage is a condition for a line with a text on the page.
func onPage(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".line .said")].some((l) => l.innerText.includes(%q))`, text)
}

// One browser is used for one thing at a time: keys go where its focus is, and a
// click in a second tab takes that away from the first. The console's bots share
// one where each has little to show.
func TestConsoleOfBots(t *testing.T) {
	streamstest.Slow(t, "runs several bots")
	t.Parallel()
	browser := browsertest.Start(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *browsertest.Browser)
	}{
		{"restart", testRestart}, {"scroll", testScroll}, {"sign in", testSignIn},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, browser) })
	}
}

// A real bot in a real channel, and people at real pages.
func TestConsole(t *testing.T) {
	streamstest.Slow(t, "runs a browser")
	t.Parallel()
	c := consoleVisit{browser: browsertest.Start(t), store: t.TempDir()}
	c.bot, c.at = startConsole(t, c.store, "--trace-url", "http://jaeger.example/trace/{id}")
	c.page = c.browser.Page(t)
	for _, step := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"type a command, see the answer and its trace", c.answerAndTrace},
		{"markup is text", c.markupIsText},
		{"two tabs stay in step", c.twoTabs},
		{"search the history", c.searchHistory},
		{"pause and resume a plugin", c.pausePlugin},
		{"dead letters", c.deadLetters},
		{"data", c.data},
		{"brush over the timeline", c.brushTimeline},
		{"keyboard", c.keyboard},
		{"every page, in every light and width", func(t *testing.T) { everyPage(t, c.page, c.at) }},
	} {
		t.Run(step.name, step.run)
	}
	c.page.Scripts()
}

// violations returns what is wrong with a page in the light, and with its colors in the dark: a stylesheet
// for the dark has nothing else.
func violations(page *browsertest.Page) []browsertest.Violation {
	page.Dark(false)
	found := page.Violations()
	page.Dark(true)
	return append(found, page.ViolationsOfColor()...)
}

// everyPage looks at each page as somebody would who sees badly, has a small
// window, or a slow line.
func everyPage(t *testing.T, page *browsertest.Page, at string) {
	for _, path := range []string{"/", "/history", "/history?q=roll", "/trace", "/trace/CYTUBE:4", "/channel", "/settings", "/settings/trivia", "/timeline", "/plugins", "/streams", "/dead", "/dead?all=1", "/data", "/data/quotes", "/data/quotes/1", "/nowhere"} {
		page.Size(1280, 800)
		page.Open(at + path)
		for _, v := range violations(page) {
			t.Errorf("%s: %s, %s", path, v.ID, v.Help)
			for _, n := range v.Nodes {
				t.Logf("%s\n%s", n.HTML, n.Summary)
			}
		}
		for _, width := range []int64{360, 1920} {
			page.Size(width, 800)
			if got := browsertest.Eval[int64](page, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s is %d wide in a window of %d: %s", path, got, width,
					browsertest.Eval[string](page, `[...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth).slice(0, 3).map((e) => e.outerHTML.slice(0, 200)).join("\n")`))
			}
		}
		loaded := browsertest.Eval[map[string]int](page, `Promise.all([...new Set(performance.getEntriesByType("resource").map((e) => e.name))]
			.concat(location.href).filter((n) => !n.includes("events")).map((n) => fetch(n, {cache: "reload"}).then((r) => r.arrayBuffer()).then((b) => [n, b.byteLength]))).then(Object.fromEntries)`)
		total := 0
		for name, size := range loaded {
			total += size
			if !strings.HasPrefix(name, at) {
				t.Errorf("%s loads %s", path, name)
			}
		}
		t.Logf("%-16s %6d bytes in %d files", path, total, len(loaded))
		if total > 100<<10 {
			t.Errorf("%s has %d bytes: %v", path, total, loaded)
		}
	}
}

// The server restarts, and the page goes on.
func testRestart(t *testing.T, browser *browsertest.Browser) {
	store := t.TempDir()
	bot, at := startConsole(t, store)
	page := browser.Page(t)
	page.Open(at + "/")
	page.Wait(`document.body.dataset.live === "yes"`)
	page.Type("#text", "before the end\r")
	page.Wait(onPage("before the end"))
	bot.kill()
	page.Wait(`!document.querySelector("#link").hidden`)
	bot = start(t, "run", "--local", "--store", store, "--console", strings.TrimPrefix(at, "http://"))
	bot.consoleURL()
	page.Wait(`document.querySelector("#link").hidden && document.body.dataset.live === "yes"`)
	page.Wait(onPage("Gap") + " || " + onPage("joined as rosey"))
	bot.say("alice: said after the end")
	page.Wait(onPage("said after the end"))
	page.Type("#text", "!roll 1d2\r")
	page.WaitText(".bot .answer", "answers operator: !roll 1d2")
	shown := chatLines(page)
	if strings.Count(strings.Join(shown, "\n"), "before the end") != 1 {
		t.Errorf("the page shows\n%q", shown)
	}
	for i, line := range shown[1:] {
		if before := shown[i]; seqOf(t, line) <= seqOf(t, before) {
			t.Errorf("%q comes after %q", line, before)
		}
	}
	if code := bot.interrupt(); code != 0 {
		t.Errorf("with a page open, the bot ends with %d\n%s", code, bot.stderr.String())
	}
	page.Scripts()
}

func seqOf(t *testing.T, line string) (seq int) {
	t.Helper()
	if _, err := fmt.Sscanf(line, "e%d ", &seq); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return seq
}

// Ten thousand lines are scrolled through with few of them on the page.
func testScroll(t *testing.T, browser *browsertest.Browser) {
	store := t.TempDir()
	_, at := startConsole(t, store)
	js, err := jetstream.New(storeConn(t, store), jetstream.WithPublishAsyncMaxPending(20_000))
	if err != nil {
		t.Fatal(err)
	}
	const n = 10_000
	for i := range n {
		body := fmt.Sprintf(`{"user":"alice","message":"line %d","channel":"local","rank":1,"time":%d}`, i, 1795000000000+i*1000)
		if _, err := js.PublishAsync("cytube.chat", []byte(body), jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	page := browser.Page(t)
	page.Open(at + "/history")
	page.Wait(onPage("line 9999"))
	page.Eval(`window.most = 0, window.walk = setInterval(() => {
		document.querySelector("#scroll").scrollTop = 0;
		window.most = Math.max(window.most, document.querySelectorAll(".line").length);
	}, 40)`)
	page.WaitText("#older", "where the history begins")
	page.Wait(onPage("line 0"))
	if most := browsertest.Eval[int](page, `(clearInterval(walk), most)`); most > 2500 {
		t.Errorf("at most %d lines were on the page at once", most)
	}
	page.Eval(`document.querySelector("#scroll").scrollTop = document.querySelector("#scroll").scrollHeight`)
	page.Wait(onPage("line 9999"))
	page.Eval(`document.querySelector("#scroll").scrollTop = document.querySelector("#scroll").scrollHeight / 2`)
	page.Wait(`((box) => [...document.querySelectorAll(".line")].some((l) => { const r = l.getBoundingClientRect(); return r.top > box.top && r.bottom < box.bottom; }))(document.querySelector("#scroll").getBoundingClientRect())`)
	if total := browsertest.Eval[int](page, `[...document.querySelectorAll(".chunk")].length`); total < n/200 {
		t.Errorf("%d chunks were loaded", total)
	}
	page.Scripts()
}

func testSignIn(t *testing.T, browser *browsertest.Browser) {
	store := t.TempDir()
	secret := filepath.Join(t.TempDir(), "password")
	hash := rosey(t, "open sesame\n", "console", "hash")
	if hash.code != 0 || !regexp.MustCompile(`^\$argon2id\$v=19\$m=65536,t=3,p=4\$\S+\n$`).MatchString(hash.stdout) {
		t.Fatalf("%+v", hash)
	}
	// The same with costs that a race detector does not multiply.
	const cheap = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgYSB0ZXN0$I+BUyj3rm1lz55VDLtwkf5E9W41WNIo53Ny4cX+S8IY\n"
	if err := os.WriteFile(secret, []byte(cheap), 0o600); err != nil {
		t.Fatal(err)
	}
	_, at := startConsole(t, store, "--console-password-file", secret)
	page := browser.Page(t)
	page.Open(at + "/plugins")
	page.WaitText("h1", "Rosey")
	for _, v := range violations(page) {
		t.Errorf("%s, %s: %+v", v.ID, v.Help, v.Nodes)
	}
	page.Type("#password", "guess\r")
	page.WaitText("#failed", "not the password")
	page.Type("#password", "open sesame\r")
	page.WaitText("h1", "Plugins")
	page.Click(`form[action="/logout"] button`)
	page.Wait(`location.pathname === "/login"`)
	page.Scripts()
}

func TestConsoleAddress(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot of its own")
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"open to all", []string{"--console", "0.0.0.0:0"}, 1, "others could use it too"},
		{"no port", []string{"--console", "localhost"}, 2, "write HOST:PORT"},
		{"a link without the ID", []string{"--trace-url", "http://jaeger.example/"}, 2, "{id}"},
		{"none", []string{"--console", "off"}, 0, ""},
	} {
		r := rosey(t, "hello\n", append([]string{"run", "--local", "--store", t.TempDir()}, test.args...)...)
		if r.code != test.code || !strings.Contains(r.stderr, test.want) || strings.Contains(r.stderr, "console is at") {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}
