package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestEnvelopeRoundTripKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	in := `{"subject":"cytube.chat","data":{"user":"alice","message":"<b>hi</b> \u2028","channel":"main","rank":2,"time":1732645200000,"colour":{"r":1.50}},` +
		`"timestamp":1732645200.123456,"priority":3,"correlation_id":"c-1","metadata":{"big":12345678901234567890,"source":"x"},"shard":[1,2],"zone":null}`
	e, err := event.Decode("cytube.chat", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != in {
		t.Errorf("the envelope changed:\n%s\n%s", in, out)
	}

	chat, err := event.As[event.Chat](e)
	if err != nil {
		t.Fatal(err)
	}
	if chat.Message != "<b>hi</b> \u2028" || chat.Rank != 2 || string(chat.Extra["colour"]) != `{"r":1.50}` || len(chat.Extra) != 1 {
		t.Errorf("payload: %+v", chat)
	}
	data, err := event.Encode(chat)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != string(e.Data) {
		t.Errorf("the payload changed:\n%s\n%s", e.Data, data)
	}
}

func TestEveryPayloadRoundTrips(t *testing.T) {
	t.Parallel()
	for _, ex := range examples {
		with := strings.TrimSuffix(ex.payload, "}") + `,"x_unknown":[1.50,null]}`
		if ex.payload == "{}" {
			with = `{"x_unknown":[1.50,null]}`
		}
		e, err := event.Decode(ex.subject, []byte(with))
		if err != nil {
			t.Fatal(err)
		}
		got, err := reencode(e)
		if err != nil {
			t.Errorf("%s: %v", ex.name, err)
			continue
		}
		var before, after map[string]any
		if json.Unmarshal([]byte(with), &before) != nil || json.Unmarshal(got, &after) != nil {
			t.Fatalf("%s: %s is not JSON", ex.name, got)
		}
		for name, value := range before {
			if diff := cmp.Diff(value, after[name]); diff != "" {
				t.Errorf("%s: %s changed (-before +after):\n%s", ex.name, name, diff)
			}
		}
		if err := event.CheckData(ex.subject, got); err != nil {
			t.Errorf("%s: what was written is refused: %v", ex.name, err)
		}
	}
}

// reencode reads the data as the subject's payload type and writes it again.
func reencode(e event.Envelope) (json.RawMessage, error) {
	switch e.Subject {
	case "cytube.chat":
		return again[event.Chat](e)
	case "cytube.pm":
		return again[event.PM](e)
	case "cytube.user.join":
		return again[event.UserJoin](e)
	case "cytube.user.leave":
		return again[event.UserLeave](e)
	case "cytube.user.rank":
		return again[event.UserRank](e)
	case "cytube.media.change":
		return again[event.MediaChange](e)
	case "cytube.media.queue":
		return again[event.MediaQueue](e)
	case "cytube.media.delete":
		return again[event.MediaDelete](e)
	case "cytube.connection":
		return again[event.Connection](e)
	case "cytube.delivery":
		return again[event.Delivery](e)
	case "cytube.erasure":
		return again[event.Erasure](e)
	case "cytube.send.chat":
		return again[event.SendChat](e)
	case "cytube.send.pm":
		return again[event.SendPM](e)
	case "cytube.send.emote":
		return again[event.SendEmote](e)
	case "platform.startup":
		return again[event.Startup](e)
	case "platform.shutdown":
		return again[event.Shutdown](e)
	case "platform.heartbeat":
		return again[event.Heartbeat](e)
	case "database.get":
		return again[event.Get](e)
	case "database.set":
		return again[event.Set](e)
	case "database.query":
		return again[event.Query](e)
	case "database.delete":
		return again[event.Delete](e)
	case "database.update":
		return again[event.Update](e)
	case "database.batch":
		return again[event.Batch](e)
	case "database.collections":
		return again[event.Collections](e)
	}
	switch _, kind, _ := strings.Cut(strings.TrimPrefix(e.Subject, "plugin."), "."); kind {
	case "command":
		return again[event.Command](e)
	case "event.dead_letter":
		return again[event.DeadLetter](e)
	case "event.expired":
		return again[event.Expired](e)
	case "event.denied":
		return again[event.Denied](e)
	case "request", "request.question":
		return again[event.PluginRequest](e)
	case "event", "event.game_start":
		return again[event.PluginEvent](e)
	}
	return nil, fmt.Errorf("no payload type for %s", e.Subject)
}

func again[T any](e event.Envelope) (json.RawMessage, error) {
	payload, err := event.As[T](e)
	if err != nil {
		return nil, err
	}
	return event.Encode(payload)
}

// Extra must never write a field that the object already has: two fields of one
// name mean different things to different readers.
func TestExtraDoesNotShadowNamedFields(t *testing.T) {
	t.Parallel()
	data, err := event.Encode(event.UserLeave{User: "bob", Channel: "main", Extra: event.Extra{"user": []byte(`"mallory"`), "note": []byte(`1`)}})
	if err != nil || string(data) != `{"user":"bob","channel":"main","note":1}` {
		t.Errorf("payload: %s, %v", data, err)
	}
	e := event.Envelope{Subject: "cytube.user.leave", Data: data, Extra: event.Extra{"subject": []byte(`"x"`), "zone": []byte(`2`)}}
	body, err := e.MarshalJSON()
	if err != nil || strings.Count(string(body), `"subject"`) != 1 || !strings.Contains(string(body), `"zone":2`) {
		t.Errorf("envelope: %s, %v", body, err)
	}
}

func TestEnvelopeFieldsAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, field string }{
		{`{"subject":1,"data":{}}`, "subject"},
		{`{"subject":null,"data":{}}`, "subject"},
		{`{"subject":"cytube.pm","data":{}}`, "subject"},
		{`{"subject":"cytube.chat","data":null}`, "data"},
		{`{"subject":"cytube.chat","data":[]}`, "data"},
		{`{"subject":"cytube.chat","data":{},"timestamp":"now"}`, "timestamp"},
		{`{"subject":"cytube.chat","data":{},"timestamp":-1}`, "timestamp"},
		{`{"subject":"cytube.chat","data":{},"timestamp":1732645200000}`, "timestamp"},
		{`{"subject":"cytube.chat","data":{},"timestamp":1e999}`, "timestamp"},
		{`{"subject":"cytube.chat","data":{},"priority":4}`, "priority"},
		{`{"subject":"cytube.chat","data":{},"priority":-1}`, "priority"},
		{`{"subject":"cytube.chat","data":{},"priority":1.5}`, "priority"},
		{`{"subject":"cytube.chat","data":{},"priority":"URGENT"}`, "priority"},
		{`{"subject":"cytube.chat","data":{},"correlation_id":7}`, "correlation_id"},
		{`{"subject":"cytube.chat","data":{},"metadata":[]}`, "metadata"},
		{`[]`, ""}, {`"x"`, ""}, {``, ""}, {`{`, ""}, {`{"a":1}{`, ""}, {"\xff", ""},
	} {
		_, err := event.Decode("cytube.chat", []byte(c.body))
		var e *event.Error
		if !errors.As(err, &e) || e.Code != event.InvalidInput || e.Details["field"] != c.field || !strings.Contains(e.Message, c.field) {
			t.Errorf("%s: got %v, want INVALID_INPUT naming %q", c.body, err, c.field)
		}
	}
}

func TestPriorities(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]event.Priority{
		`0`: event.Low, `1`: event.Normal, `2`: event.High, `3`: event.Critical, `2.0`: event.High,
		`"LOW"`: event.Low, `"normal"`: event.Normal, `"High"`: event.High, `"CRITICAL"`: event.Critical, `null`: event.Normal,
	} {
		e, err := event.Decode("cytube.chat", []byte(`{"subject":"cytube.chat","data":{},"priority":`+raw+`}`))
		if err != nil || e.Priority != want {
			t.Errorf("priority %s: got %v, %v", raw, e.Priority, err)
		}
	}
	if e, err := event.Decode("cytube.chat", []byte(`{"subject":"cytube.chat","data":{}}`)); err != nil || e.Priority != event.Normal {
		t.Errorf("no priority: got %v, %v", e.Priority, err)
	}
}

func TestBarePayloads(t *testing.T) {
	t.Parallel()
	// The contract's database.set has a data field of its own: not an envelope.
	body := []byte(`{"collection":"quotes","id":null,"data":{"text":"hi"}}`)
	e, err := event.Decode("database.set", body)
	if err != nil || string(e.Data) != string(body) || !e.Timestamp.IsZero() || e.Priority != event.Normal {
		t.Fatalf("got %+v, %v", e, err)
	}
	out, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	back, err := event.Decode("database.set", out)
	if err != nil || !back.Timestamp.IsZero() {
		t.Errorf("an envelope without a time does not survive being written: %v, %s", err, out)
	}
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 8_000_000_000_000_000).Draw(t, "microseconds"))
		body, err := event.Envelope{Subject: "x", Data: json.RawMessage(`{}`), Timestamp: at}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Decode("x", body)
		if err != nil || !e.Timestamp.Equal(at) {
			t.Fatalf("%v became %v, %v", at, e.Timestamp, err)
		}
	})
}

func TestMetadataAndCausation(t *testing.T) {
	t.Parallel()
	e := event.Envelope{Metadata: map[string]any{event.MetaSource: "router"}}
	ref := event.Ref{Stream: "CYTUBE", Seq: 42}
	caused := e.WithMeta(event.MetaCausation, ref.String())
	if got, ok := caused.Causation(); !ok || got != ref || caused.Meta(event.MetaSource) != "router" {
		t.Errorf("got %v %v", got, ok)
	}
	if _, ok := e.Causation(); ok {
		t.Error("WithMeta changed the envelope it was called on")
	}
	for _, bad := range []string{"", "CYTUBE", "CYTUBE:", ":1", "CYTUBE:x", "CYTUBE:01", "CYTUBE:-1", "CYTUBE:1 "} {
		if r, err := event.ParseRef(bad); err == nil {
			t.Errorf("%q was read as %v", bad, r)
		}
	}
}

func TestErrorResponse(t *testing.T) {
	t.Parallel()
	err := event.Errorf(event.RecordNotFound, "Quote #%d not found", 999).With("collection", "quotes").With("id", event.IntID(999))
	raw, merr := json.Marshal(err)
	if want := `{"success":false,"error":"Quote #999 not found","error_code":"RECORD_NOT_FOUND","details":{"collection":"quotes","id":999}}`; merr != nil || string(raw) != want {
		t.Errorf("got %s, %v", raw, merr)
	}
	back := event.ReplyError(raw)
	var e *event.Error
	if !errors.As(back, &e) || e.Code != event.RecordNotFound || e.Message != err.Message || e.Details["collection"] != "quotes" {
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

func TestIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.Map(rapid.Int64(), event.IntID),
			rapid.Map(rapid.StringN(1, 20, -1), func(s string) event.ID { return event.ID(s) }),
		).Draw(t, "id")
		raw, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		var back event.ID
		if err := json.Unmarshal(raw, &back); err != nil || back != id {
			t.Fatalf("%q became %q, %v", id, back, err)
		}
	})
	if raw, err := json.Marshal(event.ID("")); err != nil || string(raw) != "null" {
		t.Errorf("the empty ID: %s, %v", raw, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, ex := range examples {
		f.Add(ex.subject, envelope(ex.subject, ex.payload))
		f.Add(ex.subject, []byte(ex.payload))
	}
	f.Add("cytube.chat", []byte(`{"subject":"cytube.chat","data":{},"timestamp":8589934591.999999,"priority":"high","metadata":{"a":1e400},"x":"\ud800"}`))
	f.Fuzz(func(t *testing.T, subject string, body []byte) {
		if !utf8.ValidString(subject) {
			t.Skip("JSON cannot hold it, and no subject of the contract looks so")
		}
		e, err := event.Decode(subject, body)
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Fatalf("not INVALID_INPUT: %v", err)
			}
			return
		}
		_ = e.Validate()
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(e.Data, &fields); err != nil {
			t.Fatal(err)
		}
		payload, err := event.As[event.PluginEvent](e)
		if err != nil || len(payload.Extra) != len(fields) {
			t.Fatalf("%d of %d fields: %v", len(payload.Extra), len(fields), err)
		}
		for name, raw := range fields {
			if string(payload.Extra[name]) != string(raw) {
				t.Fatalf("%s is %s, read as %s", name, raw, payload.Extra[name])
			}
		}
		out, err := e.MarshalJSON()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		back, err := event.Decode(e.Subject, out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v: %s", err, out)
		}
		if diff := cmp.Diff(e, back, cmpopts.IgnoreUnexported(e), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
			cmp.Comparer(func(a, b json.RawMessage) bool { return string(a) == string(b) }),
			cmp.Comparer(func(a, b map[string]any) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) })); diff != "" {
			t.Fatalf("changed (-read +written):\n%s", diff)
		}
	})
}
