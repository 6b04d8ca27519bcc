package cmd

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/console/browsertest"
)

// consoleVisit is a browser at the console of a bot. Its steps follow each other.
type consoleVisit struct {
	browser *browsertest.Browser
	page    *browsertest.Page
	bot     *process
	at      string // the console's URL
	store   string
}

func (c consoleVisit) answerAndTrace(t *testing.T) {
	c.page.Open(c.at + "/")
	c.page.Wait(`document.body.dataset.live === "yes"`)
	c.page.Type("#text", "!roll 2d6+3\r")
	c.page.Wait(onPage("Rolled 2d6+3"))
	c.page.WaitText(".bot .answer", "answers operator: !roll 2d6+3")
	c.page.Wait(`document.querySelector("#text").value === ""`)
	c.page.Click(".bot .answer")
	c.page.WaitText(".line.found .said", "!roll 2d6+3")
	c.bot.expect(`^rosey: 🎲 Rolled 2d6\+3`)
	c.page.Eval(`[...document.querySelectorAll(".line.bot .trace")].at(-1).click()`)
	// Plugins that listen to lines look into the database because of it.
	c.page.Wait(`[...document.querySelectorAll(".fall .kind")].map((k) => k.textContent).filter((k) => k !== "database").join(" ") === "chat command send chat"`)
	for _, part := range []string{"queue", "route", "plugin", "send", "echo"} {
		c.page.Wait(fmt.Sprintf(`document.querySelector(".bar .p-%s")`, part))
	}
	id := browsertest.Eval[string](c.page, `document.querySelector("#correlation").textContent`)
	link := browsertest.Eval[string](c.page, `document.querySelector("a[rel=noreferrer]").href`)
	if link != "http://jaeger.example/trace/"+strings.ReplaceAll(id, "-", "") {
		t.Errorf("the trace %s is at %s", id, link)
	}
	c.page.Open(c.at + "/trace")
	c.page.Type("#id", id[:8]+"\r")
	c.page.WaitText("#correlation", id)
}

func (c consoleVisit) markupIsText(t *testing.T) {
	const evil = `<img src=x onerror="window.broken=1"><script>window.broken=1</script><b>bold</b>`
	c.page.Open(c.at + "/")
	c.page.Wait(`document.body.dataset.live === "yes"`)
	c.bot.say("alice: " + evil)
	c.page.Wait(onPage(evil))
	c.page.Open(c.at + "/history?q=onerror")
	c.page.Wait(onPage(evil))
	if browsertest.Eval[bool](c.page, `"broken" in window || document.querySelector(".lines img, .lines script, .lines b:not(.who)") !== null`) {
		t.Error("what somebody wrote is part of the page")
	}
}

func (c consoleVisit) twoTabs(t *testing.T) {
	other := c.browser.Page(t)
	for _, p := range []*browsertest.Page{c.page, other} {
		p.Open(c.at + "/")
		p.Wait(`document.body.dataset.live === "yes"`)
	}
	c.page.Type("#text", "from one tab\r")
	other.Wait(onPage("from one tab"))
	other.Type("#text", "from the other\r")
	c.page.Wait(onPage("from the other"))
	other.Wait(onPage("from the other"))
	if a, b := chatLines(c.page), chatLines(other); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("one tab shows\n%q, the other\n%q", a, b)
	}
	other.Wait(`[...document.querySelectorAll("#side .users li")].some((u) => u.innerText.includes("alice"))`)
	other.Scripts()
}

func (c consoleVisit) searchHistory(t *testing.T) {
	c.bot.say("bob: I like bananas")
	c.bot.say("carol: bananas are berries")
	c.page.Open(c.at + "/")
	c.page.Wait(onPage("bananas are berries"))
	c.page.Open(c.at + "/history")
	c.page.Type("#q", "BANANAS\r")
	c.page.Wait(`document.querySelectorAll(".line").length === 2 && ` + onPage("I like bananas") + " && " + onPage("bananas are berries"))
	c.page.Type("#user", "bob\r")
	c.page.Wait(`document.querySelectorAll(".line").length === 1 && ` + onPage("I like bananas"))
	c.page.Open(c.at + "/history?at=" + url.QueryEscape("1h"))
	c.page.WaitText("#older", "where the history begins")
	c.page.Wait(onPage("bananas are berries"))
	c.page.Open(c.at + "/history?q=nothing+like+it")
	c.page.WaitText("#older", "Nothing matches")
}

func (c consoleVisit) pausePlugin(t *testing.T) {
	live, other := c.browser.Page(t), c.browser.Page(t)
	live.Open(c.at + "/")
	other.Open(c.at + "/plugins")
	c.page.Open(c.at + "/plugins")
	c.page.Click("#pause-dice-roller")
	c.page.WaitText("#toast", "dice-roller is paused")
	const state = `[...document.querySelectorAll("tbody tr")].find((r) => r.innerText.startsWith("dice-roller")).innerText`
	for _, p := range []*browsertest.Page{c.page, other} {
		p.Wait(state + `.includes("paused")`)
	}
	c.bot.say("dave: !roll 1d4")
	live.Wait(onPage("!roll 1d4"))
	other.Wait(`document.querySelector("#resume-dice-roller").closest("tr").querySelector("[data-label=Waiting]").innerText.trim().startsWith("1")`)
	// With the keyboard: the focus stays where it was.
	c.page.Eval(`document.querySelector("#resume-dice-roller").focus()`)
	c.page.Press("\r")
	c.page.WaitText("#toast", "dice-roller is resumed")
	other.Wait(state + `.includes("running")`)
	c.page.Wait(`document.activeElement.id === "pause-dice-roller"`)
	live.WaitText(".bot .answer", "answers dave: !roll 1d4")
	c.page.Click("#restart-help")
	c.page.WaitText("#toast", "told 1 process(es) of help to start over")
}

func (c consoleVisit) deadLetters(t *testing.T) {
	c.page.Open(c.at + "/dead")
	c.page.WaitText("#part", "No dead letters")
	nc := storeConn(t, c.store)
	spoil(t, nc, "trivia")
	c.page.WaitText("#part", "user must be a string")
	c.page.Click("tbody th a")
	c.page.WaitText("pre", `"user": 7`)
	c.page.Click(".do button")
	c.page.WaitText("#toast", "malformed")
	c.page.Open(c.at + "/dead")
	c.page.Click(".do form:last-child button")
	c.page.WaitText("#part", "No dead letters")
	c.page.Open(c.at + "/dead?all=1")
	c.page.WaitText("#part", "dropped")
}

func (c consoleVisit) data(t *testing.T) {
	c.bot.say("!quote add To be or not to be -- hamlet")
	c.bot.expect("^rosey: .*Added quote")
	c.page.Open(c.at + "/data")
	c.page.Click(`a[href="/data/quotes"]`)
	c.page.WaitText("tbody", "To be or not to be")
	c.page.Type("#filter", `{"text": {"$contains": "nothing"}}`+"\r")
	c.page.WaitText("main", "No record matches")
	c.page.Open(c.at + "/data/quotes?filter=" + url.QueryEscape("{"))
	c.page.WaitText(".warn", "not JSON")
	c.page.Open(c.at + "/data/quotes/1")
	c.page.WaitText("pre", "To be or not to be")
	c.page.Click(".revisions a")
	c.page.WaitText(".fall", "!quote add")
	c.page.WaitText(".fall", "database")
}

func (c consoleVisit) brushTimeline(t *testing.T) {
	c.page.Open(c.at + "/timeline?since=15m")
	c.page.WaitText(".legend", "cytube.chat")
	box := browsertest.Eval[[]float64](c.page, `((b) => [b.left, b.top, b.width, b.height])(document.querySelector("#plot").getBoundingClientRect())`)
	y := box[1] + box[3]/2
	c.page.Drag(box[0]+box[2]*0.8, y, box[0]+box[2]*0.99, y)
	c.page.Wait(`new URLSearchParams(location.search).get("until") && document.querySelector("#plot")`)
	c.page.WaitText(".legend", "cytube.chat")
}

func (c consoleVisit) keyboard(t *testing.T) {
	c.page.Open(c.at + "/history")
	c.page.Press("\t")
	c.page.WaitText(":focus", "Skip to content")
	c.page.Press("\r")
	c.page.Wait(`document.activeElement.id === "main"`)
	seen := map[string]bool{}
	for range 40 {
		c.page.Press("\t")
		seen[browsertest.Eval[string](c.page, `document.activeElement.id || document.activeElement.className || document.activeElement.tagName`)] = true
	}
	for _, want := range []string{"q", "user", "at", "media", "regexp", "scroll", "trace"} {
		if !seen[want] {
			t.Errorf("the tab key does not reach %s: %v", want, seen)
		}
	}
}
