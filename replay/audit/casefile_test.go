package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A case file proves its events: what is changed in it or in the streams is found, and what the
// streams have forgotten is still there.
func TestSealCase(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, key := bus.JetStream(), newKey(t)
	evening(ctx, t, bus)
	var file bytes.Buffer
	record := json.RawMessage(`{"kind":"ban","user":"alice"}`)
	lines := []event.Ref{{Stream: "CYTUBE", Seq: 2}, {Stream: "CYTUBE", Seq: 3}}
	if n, err := SealCase(ctx, js, &file, key, record, "none", lines, time.Time{}); err != nil || n != 2 {
		t.Fatalf("%d events, %v", n, err)
	}
	check := func(text string, trusted ed25519.PrivateKey) CaseReport {
		t.Helper()
		r, err := VerifyCase(ctx, js, []ed25519.PublicKey{public(trusted)}, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := file.String()
	if r := check(whole, key); len(r.Findings) != 0 || r.Events != 2 || len(r.Gone) != 0 || string(r.Record) != string(record) {
		t.Errorf("of an untouched file: %+v", r)
	}
	if r := check(whole, newKey(t)); len(r.Findings) != 1 || !strings.Contains(r.Findings[0], "not trusted") {
		t.Errorf("with another key: %+v", r)
	}
	if r := check(strings.Replace(whole, `"alice"`, `"bob"`, 1), key); len(r.Findings) != 1 || !strings.Contains(r.Findings[0], "changed after it was signed") {
		t.Errorf("of another user: %+v", r)
	}
	other := string(seal(ctx, t, js, key))
	if err := cytubeStream(ctx, t, js).DeleteMsg(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if r := check(whole, key); len(r.Findings) != 0 || strings.Join(r.Gone, " ") != "CYTUBE:3" {
		t.Errorf("after the stream forgot one: %+v", r)
	}
	for _, text := range []string{"", "{}\n{}\n", other} {
		if _, err := VerifyCase(ctx, js, nil, strings.NewReader(text)); !errors.Is(err, ErrNotCase) {
			t.Errorf("%.20q is taken for a case file: %v", text, err)
		}
	}
}
