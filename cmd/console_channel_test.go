package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/console/browsertest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// secretFile makes a file with the hash of "open sesame", of costs that a race detector does
// not multiply.
func secretFile(t *testing.T) string {
	t.Helper()
	const cheap = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgYSB0ZXN0$I+BUyj3rm1lz55VDLtwkf5E9W41WNIo53Ny4cX+S8IY\n"
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(cheap), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hasRow is a condition for a table with a row of a text.
func hasRow(table, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#%s tbody tr")].some((r) => r.innerText.includes(%q))`, table, text)
}

// An operator runs the channel from its page, and a viewer watches that.
func TestConsoleChannel(t *testing.T) {
	streamstest.Slow(t, "runs a browser")
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users")
	var lines []byte
	hash, err := os.ReadFile(secretFile(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ann operator ", "vic viewer "} {
		lines = append(append(lines, user...), hash...)
	}
	settings := filepath.Join(t.TempDir(), "rosey.yaml")
	for path, content := range map[string][]byte{users: lines, settings: fmt.Appendf(nil, "console_access: {users_file: %s}\n", users)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bot, at := startConsole(t, t.TempDir(), "--config", settings)
	bot.say("alice: hello")
	browser := browsertest.Start(t)
	signIn := func(name string) *browsertest.Page {
		page := browser.PageOfAnother(t)
		page.Open(at + "/channel")
		page.Type("#name", name)
		page.Type("#password", "open sesame\r")
		page.WaitText("h1", "Channel local")
		page.Wait(`document.body.dataset.live === "yes"`)
		return page
	}
	viewer, operator := signIn("vic"), signIn("ann") // whose page has the browser's focus from now on
	v := channelVisit{t, bot, operator, viewer}
	opened := v.playlist()
	v.poll()
	v.moderate()
	v.restore(opened)
	v.refuseViewer()
	operator.Scripts()
	viewer.Scripts()
}

type channelVisit struct {
	*testing.T
	bot              *process
	operator, viewer *browsertest.Page
}

// both waits until both pages are so.
func (v channelVisit) both(condition string) {
	v.Helper()
	v.operator.Wait(condition)
	v.viewer.Wait(condition)
}

// playlist changes the playlist, and returns a time at which it had two items and was open.
func (v channelVisit) playlist() (opened time.Time) {
	v.operator.Type("#url", "https://youtu.be/dQw4w9WgXcQ\r")
	v.operator.WaitText("#toast", "Done: queue")
	v.both(`document.querySelectorAll("#playlist tbody tr").length === 1`)
	v.operator.Type("#url", "https://youtu.be/9bZkp7q19f0\r")
	v.both(`document.querySelectorAll("#playlist tbody tr").length === 2`)
	opened = time.Now()
	v.operator.Click("#lock")
	v.both(`document.querySelector("#playing .pill").innerText === "locked"`)
	v.operator.Click(`#playlist tbody tr:last-child [id^="delete-"]`)
	v.both(`document.querySelectorAll("#playlist tbody tr").length === 1`)
	v.operator.Click("#clear")
	v.operator.WaitText("#question", "Take everything off the playlist?")
	v.operator.Click(`#sure button[value="no"]`)
	v.operator.Wait(`!document.querySelector("#sure").open && document.querySelectorAll("#playlist tbody tr").length === 1`)
	v.operator.Click("#clear")
	v.operator.Click(`#sure button[value="yes"]`)
	v.both(`!document.querySelector("#playlist") && document.querySelector("#playing").innerText.includes("nothing")`)
	return opened
}

// restore shows the channel as it was when its playlist was open, and opens it again.
func (v channelVisit) restore(opened time.Time) {
	v.operator.Click(`a[href^="/channel/past"]`)
	v.operator.Type("#at", opened.UTC().Format(time.RFC3339Nano)+"\r")
	v.operator.WaitText("main li code", "~ lock: true → false")
	v.operator.WaitText("main pre", "9bZkp7q19f0")
	v.operator.Eval(`document.querySelectorAll("#restore [name=part]").forEach((b) => { b.checked = b.value === "lock"; })`)
	v.operator.Click("#restore button")
	v.operator.WaitText("h1", "Make lock what they were at")
	v.operator.Click(`button[name="confirm"]`)
	v.operator.WaitText("#restoring", "Differences left")
	v.operator.WaitText("#restoring", "1 of 1")
	v.viewer.Wait(`document.querySelector("#playing .pill").innerText === "open to all"`)
}

func (v channelVisit) poll() {
	v.operator.Type("#title", "What next?")
	v.operator.Type("#options", "Solaris\rStalker")
	v.operator.Click("#poll button")
	v.both(hasRow("poll-now", "Stalker"))
	v.operator.Click("#poll-close")
	v.both(`!document.querySelector("#poll-now")`)
}

func (v channelVisit) moderate() {
	v.both(hasRow("users", "alice"))
	v.operator.Click("#moderate-alice")
	v.operator.Wait(`document.querySelector("#user").value === "alice" && document.activeElement.id === "reason"`)
	v.operator.Click("#mute")
	v.both(hasRow("users", "muted"))
	v.operator.Type("#reason", "enough of it")
	v.operator.Click("#kick")
	v.operator.WaitText("#question", "Kick alice?")
	v.operator.Click(`#sure button[value="yes"]`)
	v.both("!" + hasRow("users", "alice"))
	v.operator.Type("#reason", "x")
	v.operator.Click("#kick")
	v.operator.Click(`#sure button[value="yes"]`)
	v.operator.WaitText("#toast", "refused: alice is not in the channel")
}

// refuseViewer has the viewer's page ask for what it has no button for.
func (v channelVisit) refuseViewer() {
	if browsertest.Eval[bool](v.viewer, `document.querySelector("main form, main button") !== null`) {
		v.Error("a viewer has buttons")
	}
	status := browsertest.Eval[int](v.viewer, `fetch("/channel/skip", {method: "POST", headers: {"X-Rosey": "1", "X-CSRF-Token": document.body.dataset.csrf}}).then((a) => a.status)`)
	if status != 403 {
		v.Errorf("a viewer who asks gets %d", status)
	}
}
