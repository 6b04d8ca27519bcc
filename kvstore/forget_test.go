package kvstore_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// storeWithFiles returns a store and the folder of its server's files.
func storeWithFiles(t *testing.T) (s *kvstore.Store, js jetstream.JetStream, dir string) {
	t.Helper()
	dir = t.TempDir()
	js = jetStream(t, streamstest.Connect(t, streamstest.ServerOn(t, dir)))
	return openStore(t, js), js, dir
}

// inFiles returns those of the words that are in a file.
func inFiles(t *testing.T, dir string, words ...string) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // removed meanwhile
		}
		content, _ := os.ReadFile(path)
		for _, word := range words {
			if strings.Contains(string(content), word) {
				found[word] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

func TestForgetHistory(t *testing.T) {
	t.Parallel()
	s, _, dir := storeWithFiles(t)
	ctx := streamstest.Context(t)
	for _, text := range []string{"first-text", "second-text", "last-text"} {
		set(t, s, "c", "a b", `{"text":"`+text+`"}`)
		set(t, s, "c", "other", `{"text":"others-`+text+`"}`)
	}
	if n, err := s.ForgetHistory(ctx, "c", "a b"); err != nil || n != 2 {
		t.Fatalf("forgot %d revisions, %v", n, err)
	}
	if h, err := s.History(ctx, "c", "a b"); err != nil || len(h) != 1 || get(t, s, "c", "a b") != `{"id":"a b","text":"last-text"}` {
		t.Errorf("%d revisions are left, %v", len(h), err)
	}
	if h, err := s.History(ctx, "c", "other"); err != nil || len(h) != 3 {
		t.Errorf("of another record %d revisions are left, %v", len(h), err)
	}
	if diff := cmp.Diff([]string{`"last-text`, `"others-first-text`}, inFiles(t, dir, `"first-text`, `"second-text`, `"last-text`, `"others-first-text`)); diff != "" {
		t.Errorf("in the files (-want +got):\n%s", diff)
	}
	if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: "a b"}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ForgetHistory(ctx, "c", "a b"); err != nil || n != 1 || len(inFiles(t, dir, `"last-text`)) != 0 {
		t.Errorf("of a deleted record %d revisions were forgotten, %v", n, err)
	}
	for _, c := range []string{"c", "no-such"} {
		if _, err := s.ForgetHistory(ctx, c, "never"); event.CodeOf(err) != event.RecordNotFound {
			t.Errorf("a record of %s that never was: %v", c, err)
		}
	}
}

// A bucket of an earlier release denies deletes of single messages.
func TestForgetHistoryInAnOlderBucket(t *testing.T) {
	t.Parallel()
	s, js := newStore(t)
	ctx := streamstest.Context(t)
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "db_c", History: 10}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		set(t, s, "c", "1", `{}`)
	}
	if n, err := s.ForgetHistory(ctx, "c", "1"); err != nil || n != 2 {
		t.Fatalf("forgot %d revisions, %v", n, err)
	}
	if h, err := s.History(ctx, "c", "1"); err != nil || len(h) != 1 {
		t.Errorf("%d revisions are left, %v", len(h), err)
	}
}

var markedFields = []event.Field{
	{Name: "user", Mark: event.MarkPerson}, {Name: "by", Mark: event.MarkPerson}, {Name: "text", Mark: event.MarkText}, {Name: "players.user", Mark: event.MarkPerson},
	{Name: "scores", Mark: event.MarkPerson}, {Name: "scores.*.name", Mark: event.MarkPerson},
}

func TestForgetAPerson(t *testing.T) {
	t.Parallel()
	s, js, dir := storeWithFiles(t)
	other := openStore(t, js) // as of another process
	ctx := streamstest.Context(t)
	for _, r := range [][2]string{
		{"1", `{"user":"Mallory","text":"her-words","by":"bob"}`},
		{"2", `{"user":"bob","text":"his-words","by":"mallory"}`},
		{"3", `{"user":"mallory","text":"old-words"}`}, {"3", `{"user":"carol","text":"new-words"}`},
		{"4", `{"user":"mallory","text":"deleted-words"}`},
		{"5", `{"players":[{"user":"bob"},{"user":"MALLORY"}]}`},
		{"lounge/mallory", `{"user":"mallory","points":3}`},
		{"6", `{"user":"bob","text":"as mallory said"}`},
		{"7", `{"user":"mallory2"}`},
		{"8", `{"scores":{"mallory":{"n":1},"bob":{"name":"mallory","n":2}}}`},
	} {
		set(t, s, "c", event.ID(r[0]), r[1])
	}
	if _, err := s.Delete(ctx, event.Delete{Collection: "c", ID: "4"}); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*kvstore.Store{s, other} {
		find(t, store, "c", "", "")
	}
	want := kvstore.Forgotten{Changed: 6, Deleted: 1, Revisions: 7, Mentions: 1}
	if got, err := s.Forget(ctx, "c", "mallory", markedFields, true); err != nil || got != want || len(inFiles(t, dir, "her-words")) != 1 {
		t.Errorf("a dry run counts %+v, %v, want %+v", got, err, want)
	}
	if got, err := s.Forget(ctx, "c", "mallory", markedFields, false); err != nil || got != want {
		t.Errorf("forgot %+v, %v, want %+v", got, err, want)
	}
	for _, store := range []*kvstore.Store{s, other} {
		var left []string
		for _, r := range allRows(t, store, "c") {
			left = append(left, r.Data)
		}
		if diff := cmp.Diff([]string{
			`{"id":1,"user":"(forgotten)","text":"(forgotten)","by":"bob"}`, `{"id":2,"user":"bob","text":"his-words","by":"(forgotten)"}`, `{"id":3,"user":"carol","text":"new-words"}`,
			`{"id":5,"players":[{"user":"bob"},{"user":"(forgotten)"}]}`, `{"id":6,"user":"bob","text":"as mallory said"}`, `{"id":7,"user":"mallory2"}`,
			`{"id":8,"scores":{"bob":{"name":"(forgotten)","n":2}}}`,
		}, left); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := inFiles(t, dir, "her-words", "old-words", "deleted-words", `"mallory"`, `"MALLORY"`, "lounge=2Fmallory"); len(got) > 0 {
		t.Errorf("in the files are %q", got)
	}
}

// What the SDK keeps of handled events in a record may quote the person.
func TestForgetWhatHandlersReturned(t *testing.T) {
	t.Parallel()
	s, _, dir := storeWithFiles(t)
	const other = `"x/PLUGIN:2/1":{"at":2,"out":[{"subject":"cytube.send.chat","data":{"message":"well done, bob"}}]}`
	set(t, s, "c", "1", `{"n":1,"_handled":{"x/PLUGIN:1/1":{"at":1,"out":[{"subject":"cytube.send.chat","data":{"message":"well done, Mallory"}}]},`+other+`}}`)
	if got, err := s.Forget(streamstest.Context(t), "c", "mallory", nil, false); err != nil || got.Changed != 1 || got.Mentions != 0 {
		t.Errorf("forgot %+v, %v", got, err)
	}
	if got, want := get(t, s, "c", "1"), `{"id":1,"n":1,"_handled":{"x/PLUGIN:1/1":{"at":1},`+other+`}}`; got != want {
		t.Errorf("left is\n%s, want\n%s", got, want)
	}
	if found := inFiles(t, dir, "well done, Mallory"); len(found) > 0 {
		t.Errorf("the files have %v", found)
	}
}

// Of records of which nobody says what they hold, each value that is the name is a person.
// What the person wrote may also be in the ID.
func TestForgetInUnknownFieldsAndIDs(t *testing.T) {
	t.Parallel()
	s, _, dir := storeWithFiles(t)
	ctx := streamstest.Context(t)
	set(t, s, "unknown", "1", `{"who":"Mallory","list":[{"mallory":1,"n":["mallory","bob"]}],"said":"mallory was here"}`)
	set(t, s, "unknown", "2", `{"who":"bob"}`)
	if got, err := s.Forget(ctx, "unknown", "mallory", nil, false); err != nil || got.Changed != 1 || got.Deleted != 0 {
		t.Errorf("forgot %+v, %v", got, err)
	}
	if got, want := get(t, s, "unknown", "1"), `{"id":1,"who":"(forgotten)","list":[{"n":["(forgotten)","bob"]}],"said":"mallory was here"}`; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
	set(t, s, "countdowns", "lounge/secret-party", `{"name":"Secret-Party","by":"mallory"}`)
	set(t, s, "countdowns", "lounge/film", `{"name":"film","by":"bob"}`)
	fields := []event.Field{{Name: "name", Mark: event.MarkText}, {Name: "by", Mark: event.MarkPerson}}
	if got, err := s.Forget(ctx, "countdowns", "mallory", fields, false); err != nil || got.Deleted != 1 || got.Changed != 0 {
		t.Errorf("forgot %+v, %v", got, err)
	}
	if found := inFiles(t, dir, "secret-party", "Secret-Party"); len(found) > 0 {
		t.Errorf("the files have %v", found)
	}
}
