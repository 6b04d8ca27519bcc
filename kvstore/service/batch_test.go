package service_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	_, nc := newService(t)
	got := ask(t, nc, "database.batch", `{"collection":"c","operations":[
		{"op":"set","data":{"a":1}},
		{"op":"update","id":1,"ops":{"$inc":{"a":1}}},
		{"op":"get","id":1},
		{"op":"set","collection":"other","id":"x","data":{"t":"<&>"}},
		{"op":"get","collection":"other","id":"x"},
		{"op":"delete","id":1}]}`)
	var answer struct {
		Success bool
		Data    []json.RawMessage
		Count   int
		Failed  int
		Error   *string
		Code    string `json:"error_code"`
		Details struct{ Failed []int }
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil || !answer.Success || answer.Count != 6 || answer.Failed != 0 || answer.Error != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for i, want := range []string{`"id":1`, `"changed":1`, `"data":{"id":1,"a":2}`, `"id":"x"`, `{"t":"<&>"`, `{"success":true,"error":null}`} {
		if !strings.Contains(string(answer.Data[i]), want) && !strings.Contains(string(answer.Data[i]), strings.Replace(want, `{"t"`, `"t"`, 1)) {
			t.Errorf("operation %d: %s, want %s", i, answer.Data[i], want)
		}
	}
	got = ask(t, nc, "database.batch", `{"collection":"c","operations":[{"op":"get","id":1},{"op":"set","data":{}},{"op":"drop"},7,{"op":"set"}]}`)
	answer.Data, answer.Details.Failed = nil, nil
	if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Success || answer.Count != 5 || answer.Failed != 4 || answer.Code != "RECORD_NOT_FOUND" ||
		!cmp.Equal(answer.Details.Failed, []int{0, 2, 3, 4}) || event.ReplyError([]byte(got)) == nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, bad := range []string{`{}`, `{"operations":{}}`, `{"operations":[` + strings.Repeat("1,", event.MaxBatch) + `1]}`} {
		if got := ask(t, nc, "database.batch", bad); event.CodeOf(event.ReplyError([]byte(got))) != event.InvalidInput {
			t.Errorf("%.40s: %s", bad, got)
		}
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s, nc := newService(t)
	if got := ask(t, nc, "database.collections", `{}`); got != `{"success":true,"data":[],"count":0,"error":null}` {
		t.Errorf("an empty store: %s", got)
	}
	for i := range 5 {
		set(t, s.Store(), "numbers", "", fmt.Sprintf(`{"n":%d}`, i))
		set(t, s.Store(), "words", event.ID(fmt.Sprint("w", i)), `{}`)
	}
	ask(t, nc, "database.delete", `{"collection":"numbers","id":2}`)
	ask(t, nc, "database.query", `{"collection":"words"}`) // counted in memory, the others on disk
	list, err := s.Store().Collections(streamstest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Bytes == 0 {
			t.Errorf("%s has no bytes", list[i].Name)
		}
		list[i].Bytes = 0
	}
	if diff := cmp.Diff([]kvstore.Collection{{Name: "numbers", Count: 4}, {Name: "words", Count: 5}}, list); diff != "" {
		t.Error(diff)
	}
}
