package service_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A server that has no byte left on its disk cannot make a collection, and says
// no more than that. The answer is that of every other refusal for lack of room.
func TestNewCollectionOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := streamstest.SmallDisk(t, 32<<20)
	nc, _ := streamstest.External(t, disk.Dir, 1<<30)
	serve(t, nc)
	disk.Fill(0)
	for i, request := range []struct{ subject, body string }{
		{event.SubjectSet, `{"collection":"fresh","id":1,"data":{"text":"refused"}}`},
		{event.SubjectSet, `{"collection":"fresh","data":{"text":"refused"}}`},
		{event.SubjectBatch, `{"operations":[{"op":"set","collection":"fresh","data":{"text":"refused"}}]}`},
	} {
		got := ask(t, nc, request.subject, request.body)
		for _, want := range []string{`"success":false`, `"error_code":"DATABASE_ERROR"`, `"reason":"store_full"}}`, "the store is full", "fresh"} {
			if !strings.Contains(got, want) {
				t.Errorf("request %d is answered without %s: %s", i, want, got)
			}
		}
	}
	if got := ask(t, nc, event.SubjectGet, `{"collection":"fresh","id":1}`); !strings.Contains(got, "RECORD_NOT_FOUND") {
		t.Errorf("reading: %s", got)
	}
	disk.Clear()
	if got := ask(t, nc, event.SubjectSet, `{"collection":"fresh","data":{"text":"stored"}}`); !strings.Contains(got, `"success":true`) {
		t.Errorf("when there is room: %s", got)
	}
}
