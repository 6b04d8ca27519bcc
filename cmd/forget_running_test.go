package cmd

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// After audit forget beside a bot that runs, which has records in views, sends and games in memory, and
// a console: nobody hears of the person from it afterwards, and no file has the texts.
func TestForgetBesideARunningBot(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := t.TempDir()
	expect(t, []outcome{{[]string{"audit", "key"}, 0, ""}}, "--store", store)
	if r := rosey(t, "zoebartholomew: hello\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("run: %+v", r)
	}
	fillHistory(t, store, backgroundEvents(t))
	bot, console := startConsole(t, store)
	expect(t, []outcome{
		{[]string{"settings", "set", "dice-roller", "roll.cooldown_user", "1h"}, 0, ""},
		{[]string{"grant", "zoebartholomew", "trivia"}, 0, ""},
	}, "--store", store)
	for _, said := range []struct{ line, answer string }{ // which makes views
		{"alice: !quote add harmless", "Added"}, {"alice: !quote search harmless", "harmless"}, {"alice: !countdown list", ""}, {"alice: !trivia top", ""},
	} {
		bot.say(said.line)
		bot.expect("rosey: .*" + said.answer)
	}
	expect(t, []outcome{
		{[]string{"db", "set", "trivia_scores", "zoebartholomew", `{"user":"zoebartholomew","points":3,"note":"zoebartholomewsecretscore"}`}, 0, ""},
		{[]string{"db", "set", "countdowns", "local/zoebartholomewsecretparty", `{"name":"zoebartholomewsecretparty","channel":"local","by":"zoebartholomew","set":"PLUGIN:1","zone":"UTC","every":{},"due":9999999999,"next":9999999999,"first":9999999999,"done":false}`}, 0, ""},
	}, "--store", store)
	for _, said := range []struct{ line, answer string }{
		{"zoebartholomew: !roll 1d6", "Rolled"}, {"zoebartholomew: !roll 1d6", "⏳ zoebartholomew"}, {"zoebartholomew: !quote add zoebartholomewsecretquote", "Added"},
		{"zoebartholomew: !quote search zoebartholomewsecret", "zoebartholomewsecretquote"}, {"zoebartholomew: !countdown list", "zoebartholomewsecretparty"},
	} {
		bot.say(said.line)
		bot.expect("rosey: .*" + said.answer)
	}
	if page := consolePage(t, console); !strings.Contains(page, "zoebartholomewsecretquote") {
		t.Error("the console does not show the history: the test looks in the wrong place")
	}
	began := time.Now()
	r := rosey(t, "", "audit", "forget", "--user", "zoebartholomew", "--answers", "--yes", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "collection quotes: ") || !strings.Contains(r.stdout, "grants: 1,") || !strings.Contains(r.stdout, "cooldowns: ") {
		t.Fatalf("forget: %+v", r)
	}
	t.Logf("forgotten in %s\n%s", time.Since(began).Round(time.Millisecond), r.stdout)
	for _, line := range []string{"bob: !quote search secretquote", "bob: !quote", "bob: !countdown list", "bob: !trivia top"} {
		bot.say(line)
		if said := bot.expect("^rosey: "); strings.Contains(said, "zoebartholomew") {
			t.Errorf("%s: the bot still says %q", line, said)
		}
	}
	if page := consolePage(t, console); strings.Contains(page, "zoebartholomewsecretquote") || strings.Contains(page, "zoebartholomewsecretparty") {
		t.Error("the console still shows what was erased")
	}
	bot.interrupt()
	expect(t, []outcome{{[]string{"grants", "ls"}, 0, ""}}, "--store", store)
	expectForgotten(t, store, []string{"zoebartholomewsecretline", "zoebartholomewsecretquote", "zoebartholomewsecretparty", "zoebartholomewsecretscore"})
	t.Logf("the name is left in %v", filesWith(t, store, "zoebartholomew"))
}

// consolePage returns what the console shows of the last hour, on its pages.
func consolePage(t *testing.T, console string) (all string) {
	t.Helper()
	for _, path := range []string{"/", "/history", "/history?q=zoebartholomewsecret", "/timeline", "/plugins"} {
		resp, err := http.Get(console + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all += string(body)
	}
	return all
}
