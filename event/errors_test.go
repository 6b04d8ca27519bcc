package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

func TestErrorResponse(t *testing.T) {
	t.Parallel()
	err := event.Errorf(event.RecordNotFound, "Quote #%d not found", 999).With("collection", "quotes").With("id", event.IntID(999))
	raw, merr := json.Marshal(err)
	if want := `{"success":false,"error":"Quote #999 not found","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":999}}`; merr != nil || string(raw) != want {
		t.Errorf("got %s, %v", raw, merr)
	}
	back := event.ReplyError(raw)
	e, ok := errors.AsType[*event.Error](back)
	if !ok || e.Code != event.RecordNotFound || e.Message != err.Message || e.Details["collection"] != "quotes" {
		t.Errorf("read back: %#v", back)
	}
	for body, code := range map[string]event.Code{
		`{"success":true,"data":{}}`: "", `{"quote":1}`: "", `{"success":false}`: event.PluginError,
		`{"success":false,"error":"no","error_code":"TIMEOUT"}`: event.Timeout, `nonsense`: event.PluginError,
	} {
		if got := event.CodeOf(event.ReplyError([]byte(body))); got != code {
			t.Errorf("%s: got code %q, want %q", body, got, code)
		}
	}
	cause := errors.New("disk full")
	wrapped := event.AsError(fmt.Errorf("set quotes/1: %w", event.Errorf(event.DatabaseError, "write: %w", cause).With("k", 1)), event.NATSError)
	if wrapped.Code != event.DatabaseError || wrapped.Message != "set quotes/1: write: disk full" || wrapped.Details["k"] != 1 || !errors.Is(wrapped, cause) {
		t.Errorf("got %#v", wrapped)
	}
	if event.AsError(nil, event.NATSError) != nil || event.AsError(cause, event.NATSError).Code != event.NATSError {
		t.Error("AsError of a plain error")
	}
}
