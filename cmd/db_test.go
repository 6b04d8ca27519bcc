package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// stoppedStore returns the store of a bot that ran once, so that its plugins registered.
func stoppedStore(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--store", store)
	bot.say("hi")
	bot.expect("^operator: hi")
	bot.interrupt()
	return store
}

func TestRestoreARevision(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := stoppedStore(t)
	db := func(args ...string) result { return rosey(t, "", append([]string{"--store", store, "db"}, args...)...) }
	for _, text := range []string{"first", "second"} {
		if r := db("set", "quotes", "1", fmt.Sprintf(`{"text":%q,"user":"alice"}`, text)); r.code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	line, _, _ := strings.Cut(db("history", "quotes", "1", "--output", "json").stdout, "\n")
	var first kvstore.Revision
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	if r := db("set", "quotes", "1", line); r.code != exitUsage || !strings.Contains(r.stderr, "rosey db restore quotes ID REVISION") {
		t.Errorf("a line of the history was set: %+v", r)
	}
	if r := db("restore", "quotes", "1", fmt.Sprint(first.Revision)); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if r := db("get", "quotes", "1"); strings.TrimSpace(r.stdout) != string(first.Data) {
		t.Errorf("the record is %+v, want %s", r, first.Data)
	}
	for _, revision := range []string{"999", "-1", "first"} {
		if r := db("restore", "quotes", "1", revision); r.code == 0 {
			t.Errorf("revision %s was restored: %+v", revision, r)
		}
	}
	if r := db("forget-history", "quotes", "1"); r.code != 0 || !strings.Contains(r.stdout, "forgot 2 older revision(s)") {
		t.Errorf("%+v", r)
	}
	if r := db("history", "quotes", "1", "--output", "json"); strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("the history is %+v", r)
	}
}

// What a plugin's records hold is checked before an import, and can be at any time.
func TestCheckRecords(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := stoppedStore(t)
	db := func(in string, args ...string) result {
		return rosey(t, in, append([]string{"--store", store, "db"}, args...)...)
	}
	if r := db(`{"id":1,"text":"Hello","user":"alice"}`+"\n"+`{"id":2,"text":["Hello"]}`, "import", "quotes"); r.code != 1 || !strings.Contains(r.stderr, "line 2: the record has a list in text, where its plugin has a string") {
		t.Errorf("%+v", r)
	}
	if r := db("", "get", "quotes", "1"); r.code == 0 {
		t.Errorf("a part was imported: %+v", r)
	}
	for id, record := range map[string]string{"1": `{"text":"Hello","user":"alice"}`, "2": `{"text":["Hello"]}`} {
		if r := db("", "set", "quotes", id, record); r.code != 0 {
			t.Errorf("%+v", r)
		}
	}
	for checked, args := range map[string][]string{" record(s)": {"check", "--output", "json"}, "2 record(s)": {"check", "quotes", "--output", "json"}} {
		r := db("", args...)
		var p kvstore.Problem
		if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || r.code != 1 || p.ID != "2" || p.Collection != "quotes" || !strings.Contains(r.stderr, checked+", 1 with a problem") {
			t.Errorf("%q: %v, %+v", args, err, r)
		}
	}
	if r := db("", "delete", "quotes", "2"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if r := db("", "check"); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestDatabaseOnARunningAndOnAStoppedBot(t *testing.T) {
	streamstest.Slow(t, "restarts a bot")
	t.Parallel()
	store := t.TempDir()
	p := start(t, "run", "--local", "--store", store)
	p.say("hi")
	p.expect("^operator: hi")
	check := func() {
		t.Helper()
		batch := rosey(t, `{"op":"set","id":"a","data":{"n":1}}
			{"op":"delete","id":"none"}{"op":"update","id":"a","ops":{"$inc":{"n":1}}}`, "db", "batch", "batched", "--store", store)
		if lines := strings.Split(batch.stdout, "\n"); batch.code != 1 || len(lines) != 4 || !strings.Contains(lines[0], `"id":"a"`) ||
			!strings.Contains(lines[1], "RECORD_NOT_FOUND") || !strings.Contains(lines[2], `"changed":1`) || !strings.Contains(batch.stderr, "1 of 3") {
			t.Errorf("batch: %+v", batch)
		}
		for in, says := range map[string]string{`{"op":"drop"}`: "operation 0: op must be", `nonsense`: "operation 0 is not JSON", `{"op":"get","id":"a"} nonsense`: "operation 1 is not JSON"} {
			if batch := rosey(t, in, "db", "batch", "batched", "--store", store); !strings.Contains(batch.stdout+batch.stderr, says) {
				t.Errorf("batch of %s: %+v, want %s", in, batch, says)
			}
		}
		for _, c := range []struct {
			args   []string
			stdout string
		}{
			{[]string{"db", "set", "quotes", "42", `{"text":"Hello, world!","user":"alice"}`, "--output", "json"}, `"success":true,"id":42`},
			{[]string{"db", "get", "quotes", "42"}, `"text":"Hello, world!"`},
			{[]string{"db", "query", "quotes", "--filter", `{"user":"alice"}`, "--output", "json"}, `"count":1`},
			{[]string{"db", "update", "quotes", "42", `{"$inc":{"votes":2}}`, "--output", "json"}, `"changed":1`},
			{[]string{"db", "update", "quotes", "--filter", `{"user":"alice"}`, `{"$set":{"votes":2}}`, "--output", "json"}, `"matched":1,"changed":0`},
			{[]string{"db", "ls"}, "quotes"},
			{[]string{"db", "history", "quotes", "42"}, "votes"},
			{[]string{"db", "export", "quotes"}, `"votes":2`},
			{[]string{"db", "delete", "quotes", "42"}, "deleted"},
			{[]string{"db", "compact", "quotes"}, "forgot 0 deleted"},
			{[]string{"db", "compact", "quotes", "--older-than", "0s"}, "forgot 1 deleted"},
		} {
			r := rosey(t, "", append(c.args, "--store", store)...)
			if r.code != 0 || !strings.Contains(r.stdout, c.stdout) {
				t.Errorf("rosey %s: %+v, want %s", strings.Join(c.args, " "), r, c.stdout)
			}
		}
		r := rosey(t, "", "db", "get", "quotes", "42", "--output", "json", "--store", store)
		if r.code != 1 || !strings.Contains(r.stdout, `"error_code":"RECORD_NOT_FOUND"`) {
			t.Errorf("a deleted record: %+v", r)
		}
	}
	check()
	p.interrupt()
	check()
}
