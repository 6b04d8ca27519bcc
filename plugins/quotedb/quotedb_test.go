package quotedb

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// step is a line of a user and the beginning of the answer.
type step struct {
	user    string
	rank    int
	line    string
	answers string
}

func dialogue() []step {
	today := time.Now().UTC().Format(time.DateOnly)
	return []step{
		{"alice", 1, "!quote", "❌ there are no quotes yet: add one with !quote add TEXT"},
		{"alice", 1, "!quote count", "❌ there are no quotes yet"},
		{"alice", 1, "!quote add", "❌ say what to remember"},
		{"alice", 1, "!quote add   Hello,   \"world\"! ", "📖 Added quote #1"},
		{"alice", 1, "!quote", `📖 #1: “Hello, "world"!” — alice, ` + today},
		{"bob", 1, "!quote add <alice> That's  no moon", "📖 Added quote #2"},
		{"bob", 1, "!q add @Alice 100% sure_thing", "📖 Added quote #3"},
		{"bob", 1, "!q add that's no moon", "📖 Added quote #4"},
		{"carol", 1, "!quote add <ALICE> That's no moon", "❌ that is quote #2 already"},
		{"carol", 1, "!quote add " + strings.Repeat("x", MaxText+1), "❌ a quote has at most 400 characters, and that has 401"},
		{"carol", 1, "!quote 2", "📖 #2: “That's no moon” — alice, " + today},
		{"carol", 1, "!quote #2", "📖 #2: “That's no moon” — alice, " + today},
		{"carol", 1, "!quote 99", "❌ Quote #99 not found"},
		{"carol", 1, "!quote -1", "❌ I do not know quote -1: try"},
		{"carol", 1, "!quote bananas", "❌ I do not know quote bananas: try"},
		{"carol", 1, "!quote search", "❌ say what to look for"},
		{"carol", 1, "!quote SEARCH moon NO", "📖 #4: “that's no moon” — bob, " + today + " (also #2)"},
		{"carol", 1, "!quote search 100% _th", "📖 #3: “100% sure_thing” — Alice"},
		{"carol", 1, "!quote search %", "📖 #3: "},
		{"carol", 1, "!quote search marzipan", "❌ there are no quotes with marzipan"},
		{"carol", 1, "!quote by", "❌ say whose quotes"},
		{"carol", 1, "!quote by @aLiCe", "📖 #3: “100% sure_thing” — Alice, " + today + " (also #2, #1)"},
		{"carol", 1, "!quote by a%", "❌ there are no quotes by a%"},
		{"carol", 1, "!quote count", "📖 4 quotes: alice 3, bob 1"},
		{"carol", 1, "!quote count alice", "📖 alice: 3 quotes, added 1"},
		{"carol", 1, "!quote count bob", "📖 bob: 1 quote, added 3"},
		{"carol", 1, "!quote delete", "❌ say which one"},
		{"carol", 1, "!quote delete two", "❌ two is not a quote's number"},
		{"carol", 1, "!quote delete 2", "❌ quote #2 is not yours"},
		{"carol", 1, "!quote delete 99", "❌ Quote #99 not found"},
		{"BOB", 1, "!quote delete 2", "🗑️ Deleted quote #2"},     // added it
		{"alice", 1, "!quote del #3", "🗑️ Deleted quote #3"},     // said it
		{"mallory", 2, "!quote rm 4", "🗑️ Deleted quote #4"},     // a moderator
		{"mallory", 2, "!quote rm 4", "❌ Quote #4 not found"},    // again
		{"carol", 1, "!quote add a new one", "📖 Added quote #5"}, // no number is given twice
		{"carol", 1, "!quote count", "📖 2 quotes: alice 1, carol 1"},
	}
}

// The conversation of a channel with the plugin, in order. Each command that
// changes something is handled a second time, as after a crash, which must give
// no second reply, record or event.
func TestCommands(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, step := range dialogue() {
		if got := channel.SayAs(step.user, step.rank, step.line); !strings.HasPrefix(got, step.answers) {
			t.Errorf("%s: %s\n got %q\nwant %q", step.user, step.line, got, step.answers)
		}
		if !strings.Contains(step.answers, "ed quote #") {
			continue
		}
		said, quotes := channel.Said(), records(t, channel)
		channel.Repeat(Name)
		if again := channel.Said(); !slices.Equal(said, again) {
			t.Errorf("%s: handled again, it said %q more", step.line, again[len(said):])
		}
		if again := records(t, channel); again != quotes {
			t.Errorf("%s: handled again, the records are %s, after %s", step.line, again, quotes)
		}
	}

	if n := len(channel.Stored("plugin.quote-db.event.>")); n != 8 {
		t.Errorf("there are %d events, want 5 of added and 3 of deleted quotes", n)
	}
}

// A quote is found by any transcription of its letters.
func TestFindsTwins(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for text, words := range map[string][]string{
		"Die Straße": {"strasse", `"die strasse"`, "„Straße“", "«Die Straße»", "‘STRASSE’", "STRASSE", "straße"}, "Ægir lacht": {"aegir", "ægir"}, "Chef d’œuvre": {"OEUVRE", "œuvre"}, "Þor": {"thor"}, "Masse": {"maße"},
		"I don’t know": {"don't", "DON’T", "donʼt", "don´t"}, "we won't go": {"won’t", "won't"}, "minus 2−1 is": {"2-1", "2–1", "２-１"},
		"Cafe\u0301 au lait": {"Café", "cafe\u0301", "ＣＡＦÉ"}, "family 👨\u200d👩\u200d👧": {"👨👩👧", "👨\u200d👩\u200d👧"}, "zero\u200bwidth": {"zerowidth"},
		"say «oui»": {"oui", "«oui»", "“oui”"},
	} {
		if got := channel.Say("alice", "!quote add "+text); !strings.HasPrefix(got, "📖 Added") {
			t.Fatal(got)
		}
		for _, word := range words {
			if got := channel.Say("alice", "!quote search "+word); !strings.Contains(got, "“"+text+"”") {
				t.Errorf("%s finds %q, want %q", word, got, text)
			}
		}
	}
}

func records(t *testing.T, channel *plugintest.Channel) string {
	t.Helper()
	body, err := channel.Request(event.SubjectQuery, event.Query{Collection: Collection})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Records that something else wrote in another shape silence no command.
func TestRecordsOfAnotherShape(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for id, data := range map[event.ID]string{"1": `{"text":["a","list"],"user":7}`, "2": `{"text":"Hello there","user":"alice","timestamp":"noon"}`} {
		if _, err := channel.Request(event.SubjectSet, event.Set{Collection: Collection, ID: id, Data: json.RawMessage(data)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range [][2]string{
		{"!quote add Hello, world!", "📖 Added quote #3"},
		{"!quote 1", "❌ Quote #1 not found"},
		{"!quote", "📖 #3: "},
		{"!quote search Hello", "📖 #3: "},
		{"!quote count", "📖 "},
	} {
		if got := channel.Say("alice", step[0]); !strings.HasPrefix(got, step[1]) {
			t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
}

func TestRandomReachesAll(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for i := range 3 {
		channel.Say("alice", fmt.Sprintf("!quote add number %d", i))
	}
	seen := map[string]bool{}
	for range 60 { // that one of three is never drawn has a chance below 1e-9
		seen[channel.Say("alice", "!quote random")] = true
	}
	if len(seen) != 3 {
		t.Errorf("60 draws of 3 quotes gave %v", seen)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Type("bob", 1, "!quote add <alice> Hello, world!")
	added := channel.Emitted("plugin.quote-db.event.quote_added")
	if want := `{"added_by":"bob","channel":"test","event_type":"quote_added","id":1,"text":"Hello, world!","user":"alice"}`; string(added.Data) != want {
		t.Errorf("added %s, want %s", added.Data, want)
	}
	channel.Type("bob", 1, "!quote delete 1")
	deleted := channel.Emitted("plugin.quote-db.event.quote_deleted")
	if want := `{"channel":"test","deleted_by":"bob","event_type":"quote_deleted","id":1}`; string(deleted.Data) != want {
		t.Errorf("deleted %s, want %s", deleted.Data, want)
	}
}

// The request and the reply that the contract prints for plugin.{name}.request.
func TestRequestOfTheContract(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	set := event.Set{Collection: "quotes", ID: "42", Data: json.RawMessage(`{"text":"Hello, world!","user":"alice","timestamp":1732645200}`)}
	if _, err := channel.Request(event.SubjectSet, set); err != nil {
		t.Fatal(err)
	}
	body, err := channel.Request("plugin.quote-db.request", map[string]any{"action": "random", "channel": "main"})
	if want := `{"quote":{"id":42,"text":"Hello, world!","user":"alice","timestamp":1732645200},"success":true}`; err != nil || string(body) != want {
		t.Errorf("reply %s, %v\nwant %s", body, err, want)
	}
	// The contract's example of an error response.
	_, err = channel.Request("plugin.quote-db.request", map[string]any{"action": "get", "id": 999})
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Message != "Quote #999 not found" || e.Code != event.RecordNotFound || fmt.Sprint(e.Details) != "map[collection:quotes id:999]" {
		t.Errorf("error %v, want the contract's", err)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, step := range []struct {
		payload string
		reply   string // or
		code    event.Code
	}{
		{payload: `{"action":"random"}`, code: event.RecordNotFound},
		{payload: `{}`, code: event.InvalidInput},
		{payload: `{"action":"dance"}`, code: event.InvalidInput},
		{payload: `{"action":7}`, code: event.InvalidInput},
		{payload: `{"action":"get"}`, code: event.InvalidInput},
		{payload: `{"action":"add","user":"alice"}`, code: event.InvalidInput},
		{payload: `{"action":"search"}`, code: event.InvalidInput},
		{payload: `{"action":"count"}`, reply: `{"count":0,"success":true}`},
		{payload: `{"action":"add","text":"one","user":"alice","channel":"main"}`, reply: `{"quote":{"id":1,"text":"one","user":"alice",`},
		{payload: `{"action":"add","text":"one","user":"Alice"}`, code: event.PluginError},
		{payload: `{"action":"get","id":"1"}`, reply: `{"quote":{"id":1,"text":"one"`},
		{payload: `{"action":"search","query":"O"}`, reply: `{"count":1,"quotes":[{"id":1,"text":"one"`},
		{payload: `{"action":"search","query":"two"}`, reply: `{"count":0,"quotes":[],"success":true}`},
		{payload: `{"action":"random","user":"ALICE"}`, reply: `{"quote":{"id":1,`},
		{payload: `{"action":"random","user":"bob"}`, code: event.RecordNotFound},
		{payload: `{"action":"count","user":"alice"}`, reply: `{"count":1,"success":true}`},
	} {
		body, err := channel.Request("plugin.quote-db.request", json.RawMessage(step.payload))
		if event.CodeOf(err) != step.code || !strings.HasPrefix(string(body), step.reply) {
			t.Errorf("%s\n got %s, %v\nwant %s %s", step.payload, body, err, step.reply, step.code)
		}
	}
}

func TestAttribution(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"hello":                                {"", "hello"},
		"<bob> hello":                          {"bob", "hello"},
		"@bob hello":                           {"bob", "hello"},
		"<bob>":                                {"bob", ""},
		"@bob":                                 {"", "@bob"},
		"< bob > hello":                        {"", "< bob > hello"},
		"<> hello":                             {"", "<> hello"},
		"1 < 2 and 3 > 2":                      {"", "1 < 2 and 3 > 2"},
		"<b><i>x</i></b>":                      {"b", "<i>x</i></b>"},
		"<" + strings.Repeat("x", 50) + "> hi": {"", "<" + strings.Repeat("x", 50) + "> hi"},
	} {
		if user, rest := attribution(text); user != want[0] || rest != want[1] {
			t.Errorf("attribution(%q) = %q, %q; want %q", text, user, rest, want)
		}
	}
}
