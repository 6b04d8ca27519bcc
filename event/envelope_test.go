package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

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
		e, ok := errors.AsType[*event.Error](err)
		if !ok || e.Code != event.InvalidInput || e.Details["field"] != c.field || !strings.Contains(e.Message, c.field) {
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
