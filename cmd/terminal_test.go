package cmd

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// spell is what somebody might say to whoever looks at it in a terminal: colours,
// a title, a link, bells, C1 controls, text that runs the other way, what cannot
// be seen, and a line of its own.
const spell = "A\x1b[31mB\x1b]8;;http://evil\x07C\x1b]0;title\x07D\rE\bF\u009b31mG\u202eH\u200bI\u2066J\x00K\x7fL\u2028M\ufeffN\nO\u0085P\U000e0041Q"

// controlCharacters returns those of a text that a terminal would act upon.
func controlCharacters(text string) (found []string) {
	for i, r := range text {
		_, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\n' || r == '\u200d':
		case r == utf8.RuneError && n < 2, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			found = append(found, fmt.Sprintf("%+q in %+q", r, text[max(0, i-20):min(len(text), i+20)]))
		}
	}
	return found
}

// half has half a surrogate pair in each text, as Python's surrogateescape makes it.
const half = `{"user":"\ud800","message":"A\udcffB","channel":"\ud800","time":1,"\udc00":"\ud83d\ude00\ud83d"}`

var surrogates = regexp.MustCompile(`\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..`)

// halves are the halves of surrogate pairs in JSON.
func halves(text string) []string {
	return slices.DeleteFunc(surrogates.FindAllString(text, -1), func(s string) bool { return len(s) != len(`\ud800`) })
}

// Whatever people and plugins put into events and records, no command writes a
// control character, an escape or an invisible character of it to the terminal,
// be it for people, as JSON, CSV or HTML, nor JSON at which other programs stop.
func TestNothingSpeaksToTheTerminal(t *testing.T) {
	streamstest.Slow(t, "runs dozens of commands")
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store, "--log-level", "debug")
	bot.say("hello")
	bot.expect("^operator: hello$")
	castSpells(t, busOf(t, store))
	bot.say("mallory: " + strings.ReplaceAll(spell, "\n", ""))
	bot.expect("^mallory: A")
	bot.say("!help")
	bot.expect("^rosey: ")
	waitStored(t, store, `"mallory"`)

	commands := 0
	check := func(name, text string) {
		t.Helper()
		commands++
		if found := controlCharacters(text); len(found) > 0 {
			t.Errorf("%s lets through %d characters, such as %s", name, len(found), found[0])
		}
	}
	lines := terminalCommands(t)
	for i := range lines {
		lines[i] = append(lines[i], "--store", store)
	}
	for i, r := range roseyAll(t, lines) {
		args := lines[i][:len(lines[i])-2]
		check(fmt.Sprintf("rosey %.60q", args), r.stdout+r.stderr)
		if found := halves(r.stdout); len(found) > 0 && (args[0] == "db" || args[len(args)-1] == "json") {
			t.Errorf("rosey %.60q writes %d halves of surrogate pairs, such as %s", args, len(found), found[0])
		}
		if args[0] == "audit" && args[len(args)-1] == "csv" {
			noFormulas(t, r.stdout)
		}
	}
	var shown strings.Builder
	for len(bot.lines) > 0 {
		shown.WriteString(<-bot.lines + "\n")
	}
	check("the local channel", shown.String())
	check("the log", bot.stderr.String())
	t.Logf("%d outputs looked at, none with a control character of the %d in %d runes of the text", commands, len(controlCharacters(spell)), utf8.RuneCountInString(spell))
}

// spelled is the correlation ID of what castSpells stores.
const spelled = "550e8400-e29b-41d4-a716-446655440000"

// castSpells stores the spell in every place that can hold it.
func castSpells(t *testing.T, bus *streams.Bus) {
	t.Helper()
	ctx := soon(t)
	publish := func(subject string, payload any) {
		t.Helper()
		e, err := event.New(subject, payload)
		if err != nil {
			t.Fatal(err)
		}
		e.CorrelationID = spelled
		e = e.WithMeta(event.MetaSource, spell).WithMeta(spell, spell)
		if _, err := bus.Publish(ctx, e); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	publish(event.SubjectChat, event.Chat{User: spell, Message: spell, Channel: spell, Time: 1})
	publish(event.SubjectChat, event.Chat{User: "mallory", Message: "!roll " + spell, Channel: "local", Time: 2})
	publish(event.SubjectChat, event.Chat{User: "=cmd|' /C calc'!A0", Message: "@SUM(1+1)*cmd", Channel: "local", Time: 3})
	publish(event.SubjectUserJoin, event.UserJoin{User: spell, Channel: spell})
	publish(event.SubjectMediaChange, event.MediaChange{Title: spell, URL: spell, Type: spell, Channel: spell, QueuedBy: spell})
	publish(event.SubjectDelivery, event.Delivery{Channel: spell, Status: event.DeliveryRefused, Reason: spell, Send: spell})
	publish(event.SubjectConnection, event.Connection{Channel: spell, State: event.StateDown, Reason: spell})
	publish(event.EventSubject("evil", "thing"), map[string]any{"event_type": spell, "channel": spell, spell: []string{spell}})
	publish(event.EventSubject("evil", event.TypeDeadLetter), event.DeadLetter{EventType: event.TypeDeadLetter, Consumer: spell,
		Stream: streams.Cytube, Seq: 1, Subject: event.SubjectChat, Error: spell, Code: event.Code(spell), Attempts: 1, Stack: spell})
	publish(event.CommandSubject("evil"), event.Command{Command: spell, User: spell, Channel: spell, RawMessage: spell, Args: []string{spell}})
	if _, err := bus.Conn().Request("database.set", []byte(`{"collection":"c","id":`+quoted(t, "x"+spell[1:40])+`,"data":{`+quoted(t, spell)+`:`+quoted(t, spell)+`}}`), streams.DefaultTimeout); err != nil {
		t.Fatal(err)
	}
	kv, err := bus.JetStream().KeyValue(ctx, "plugins")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "evil", []byte(`{"name":"evil","version":`+quoted(t, spell)+`,"commands":[`+quoted(t, spell)+`],"description":`+quoted(t, spell)+`,"usage":`+quoted(t, spell)+`}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.JetStream().Publish(ctx, event.SubjectChat, []byte(half)); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Conn().Request("database.set", []byte(`{"collection":"c","id":"half","data":`+half+`}`), streams.DefaultTimeout); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.JetStream().Publish(ctx, event.SubjectChat, []byte(spell)); err != nil { // no JSON at all
		t.Fatal(err)
	}
}

// terminalCommands lists command lines that print what others wrote, or what was typed.
func terminalCommands(t *testing.T) [][]string {
	t.Helper()
	return [][]string{
		{"replay", "--since", "1h"}, {"replay", "--since", "1h", "--tree"}, {"replay", "--since", "1h", "--summary"},
		{"replay", "--since", "1h", "--output", "json"}, {"replay", "--since", "1h", "--user", spell}, {"replay", "--since", spell},
		{"replay", "--since", "1h", "--summary", "--output", "json"}, {"replay", "--since", "1h", "--subject", spell},
		{"replay", "--since", "1h", "--into", "dice-roller"}, {"replay", "--since", "1h", "--into", "dice-roller", "--output", "json"},
		{"trace", spelled}, {"trace", spelled, "--output", "json"}, {"trace", spell},
		{"audit", "--since", "1h"}, {"audit", "--since", "1h", "--output", "csv"}, {"audit", "--since", "1h", "--output", "json"},
		{"audit", "--since", "1h", "--output", "html"}, {"audit", "--grep", "(" + spell},
		{"plugin", "ls"}, {"plugin", "ls", "--output", "json"}, {"plugin", "run", spell}, {"plugin", "pause", spell},
		{"db", "ls"}, {"db", "query", "c"}, {"db", "query", "c", "--output", "json"}, {"db", "export", "c"}, {"db", "get", "c", "x" + spell[1:40]},
		{"db", "get", "c", "x" + spell[1:40], "--output", "json"}, {"db", "history", "c", "x" + spell[1:40]}, {"db", "get", "c", spell},
		{"db", "get", spell, "1"}, {"db", "set", "c", spell}, {"db", "query", "c", "--filter", `{"$` + spell + `":1}`}, {"db", "query", "c", "--filter", spell},
		{"db", "query", "c", "--order-by", spell}, {"db", "query", "c", "--explain", "--filter", `{"a":` + quoted(t, spell) + `}`},
		{"db", "get", "c", "half"}, {"db", "history", "c", "half", "--output", "json"},
		{"dead", "ls"}, {"dead", "ls", "--output", "json"}, {"dead", "show", "CYTUBE:1"}, {"dead", "show", spell}, {"dead", "retry", spell},
		{"status"}, {"status", "--output", "json"}, {"doctor"}, {"doctor", "--output", "json"}, {"send", spell}, {"send", "--channel", spell, "x"},
		{spell}, {"run", "--" + spell}, {"replay", "--output", spell}, {"run", spell},
	}
}

// noFormulas looks for fields that a spreadsheet takes for a formula.
func noFormulas(t *testing.T, table string) {
	t.Helper()
	for line := range strings.Lines(table) {
		for _, field := range strings.Split(line, ",") {
			if field = strings.Trim(field, `"`); field != "" && strings.ContainsRune("=@", rune(field[0])) {
				t.Errorf("a spreadsheet takes %q for a formula", field)
			}
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
