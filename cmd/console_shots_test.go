package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/console/browsertest"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// shots are the pictures of docs/console.md. The name of each says its page.
var shots = []struct {
	name, path    string
	width, height int64
	dark          bool
}{
	{"live", "/", 1120, 660, false},
	{"live-dark", "/", 1120, 660, true},
	{"live-narrow", "/", 360, 740, true},
	{"history", "/history", 1200, 720, false},
	{"trace", "TRACE", 1280, 760, false},
	{"channel", "/channel", 1280, 900, false},
	{"timeline", "/timeline?since=5m", 1280, 900, true},
	{"plugins", "/plugins", 1280, 760, false},
	{"streams", "/streams", 1280, 900, false},
	{"dead-letters", "/dead", 1280, 420, false},
	{"data", "/data/quotes", 1280, 520, true},
}

// TestScreenshots makes the pictures in the folder that ROSEY_SCREENSHOTS names.
// With ROSEY_SCREENSHOTS_ALL it takes every page in every width and scheme, to be
// looked at.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("ROSEY_SCREENSHOTS")
	if dir == "" {
		t.Skip("make screenshots takes pictures of the console")
	}
	url, trace := evening(t)
	page := browsertest.Start(t).Page(t)
	shoot := func(name, path string, width, height int64, dark bool) {
		if path == "TRACE" {
			path = trace
		}
		page.Size(width, height)
		page.Dark(dark)
		page.Open(url + path)
		page.Wait(`document.readyState === "complete" && !(document.querySelector("#older")||{textContent:""}).textContent.includes("Loading")`)
		if path == trace {
			page.Wait(`(document.querySelectorAll("summary")[2].click(), true)`)
		}
		page.Shoot(filepath.Join(dir, name+".png"))
	}
	if os.Getenv("ROSEY_SCREENSHOTS_ALL") == "" {
		for _, s := range shots {
			shoot(s.name, s.path, s.width, s.height, s.dark)
		}
		return
	}
	for _, path := range []string{"/", "/history", "/history?q=roll", "TRACE", "/trace", "/channel", "/timeline", "/plugins", "/streams", "/dead", "/dead/PLUGIN:DEAD", "/data", "/data/quotes", "/data/quotes/1", "/nowhere"} {
		for _, width := range []int64{360, 1920} {
			for _, dark := range []bool{false, true} {
				name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(path, "-"), "-")
				shoot(fmt.Sprintf("%s-%d-%t", name, width, dark), path, width, map[int64]int64{360: 740, 1920: 1000}[width], dark)
			}
		}
	}
}

// evening is a bot with something to show, and the path of a trace.
func evening(t *testing.T) (url, trace string) {
	store := t.TempDir()
	p, url := startConsole(t, store, "--listen-channel", "127.0.0.1:0")
	channel := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(fetchChannel(t, url))
	ctx := soon(t)
	alice, err := cytubetest.Join(ctx, channel, "local", "alice", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)
	queueing, err := cytubetest.Join(ctx, channel, "local", "bob", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queueing.Close)
	_ = alice.Queue(ctx, "yt", "dQw4w9WgXcQ")
	for _, line := range []string{
		"carol: good evening, everybody", "dave: what are we watching tonight?", "carol: !8ball will it be a good film?", "!quote add In the end there is only popcorn -- carol",
		"dave: !roll 2d6+3", "carol: <b>bold</b> & <script>alert('no')</script>", "!quote random", "dave: !roll banana", "!trivia start", "carol: !countdown 2026-12-31 New Year",
		"dave: ha, good one", "!roll 4d20", "!help",
	} {
		p.say(line)
		time.Sleep(300 * time.Millisecond)
	}
	nc := storeConn(t, store)
	spoil(t, nc, "trivia")
	spoil(t, nc, "quote-db")
	waitStored(t, store, "4d20")
	waitStored(t, store, "dead_letter")
	for _, l := range strings.Split(replayed(t, store), "\n") {
		if strings.Contains(l, `!quote add`) && strings.Contains(l, `"subject":"cytube.chat"`) {
			if m := regexp.MustCompile(`"seq":(\d+)`).FindStringSubmatch(l); m != nil {
				trace = "/trace/CYTUBE:" + m[1]
			}
		}
	}
	time.Sleep(2 * time.Second)
	return url, trace
}

// fetchChannel is the live page, which says where the channel is.
func fetchChannel(t *testing.T, url string) string {
	_, body := fetch(t, url+"/")
	return body[strings.Index(body, `class="where"`):]
}
