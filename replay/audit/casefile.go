package audit

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A case file is a file of JSON lines: a head with the record of an act, a line for each of
// its events, and a foot as that of a seal. It can be read without the bot, and Verify of the
// streams shows whether they still have these events.
const caseVersion = 1

type caseHead struct {
	Version int             `json:"rosey_case"`
	Case    json.RawMessage `json:"case"`
	Made    string          `json:"made"` // RFC 3339
	Key     string          `json:"key"`  // public, base64
}

type caseEvent struct {
	Event   string      `json:"event"` // STREAM:SEQ
	At      time.Time   `json:"at"`
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Body    []byte      `json:"body"` // base64
	Digest  string      `json:"digest"`
	Text    string      `json:"text"` // who did what, for people; not sealed apart from the line
}

// ErrNotCase is wrapped by VerifyCase's error for what is no case file.
var ErrNotCase = errors.New("this is no case file")

// SealCase writes a case file with the record of an act, and the events of its conversation and
// those that are named, in the order in which they were stored. It returns how many there are.
func SealCase(ctx context.Context, js jetstream.JetStream, w io.Writer, key ed25519.PrivateKey, record json.RawMessage, correlation string, lines []event.Ref, since time.Time) (int, error) {
	named := map[event.Ref]bool{}
	for _, ref := range lines {
		named[ref] = true
	}
	c, b := &chain{}, bufio.NewWriter(w)
	put := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		c.add(raw)
		_, err = b.Write(append(raw, '\n'))
		return err
	}
	if err := put(caseHead{caseVersion, record, time.Now().UTC().Format(time.RFC3339), PublicKey(key)}); err != nil {
		return 0, fmt.Errorf("write the case: %w", err)
	}
	n := 0
	for e, err := range replay.Read(ctx, js, replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCytube, event.AllPlugin}, Since: since}}) {
		if err != nil {
			return n, err
		}
		of, _ := e.Lineage()
		if !named[e.Ref] && of != correlation || e.Header.Get(jetstream.ScheduleHeader) != "" {
			continue
		}
		n++
		if err := put(caseEvent{e.Ref.String(), e.At.UTC(), e.Subject, sealedHeader(e), e.Body, digest(e), replay.Describe(e).Text}); err != nil {
			return n, fmt.Errorf("write the case: %w", err)
		}
	}
	foot, err := json.Marshal(sealFoot{n, hex.EncodeToString(c.sum()), hex.EncodeToString(ed25519.Sign(key, c.sum()))})
	if err == nil {
		_, err = b.Write(append(foot, '\n'))
	}
	if err = errors.Join(err, b.Flush()); err != nil {
		return n, fmt.Errorf("write the case: %w", err)
	}
	return n, nil
}

// sealedHeader returns the headers that a digest covers.
func sealedHeader(e replay.Event) nats.Header {
	kept := nats.Header{}
	for name, values := range e.Header {
		if !transport(name) {
			kept[name] = values
		}
	}
	return kept
}

// CaseReport says what VerifyCase found.
type CaseReport struct {
	Record   json.RawMessage
	Key      string
	Events   int
	Gone     []string // events that the streams do not have any more
	Findings []string // what does not fit
}

// VerifyCase checks a case file: its signature, its events' digests, and whether the streams
// have the same events. js may be nil: then the streams are not looked at.
func VerifyCase(ctx context.Context, js jetstream.JetStream, trusted []ed25519.PublicKey, r io.Reader) (CaseReport, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	var all [][]byte
	for lines.Scan() {
		all = append(all, append([]byte(nil), lines.Bytes()...))
	}
	var head caseHead
	var foot sealFoot
	if lines.Err() != nil || len(all) < 2 || json.Unmarshal(all[0], &head) != nil || head.Version != caseVersion || json.Unmarshal(all[len(all)-1], &foot) != nil {
		return CaseReport{}, ErrNotCase
	}
	report := CaseReport{Record: head.Case, Key: head.Key, Events: len(all) - 2}
	found := func(format string, args ...any) {
		report.Findings = append(report.Findings, fmt.Sprintf(format, args...))
	}
	c := &chain{}
	for _, line := range all[:len(all)-1] {
		c.add(line)
	}
	key, err := ParsePublicKey(head.Key)
	signature, hexErr := hex.DecodeString(foot.Signature)
	switch {
	case err != nil || hexErr != nil || hex.EncodeToString(c.sum()) != foot.Chain || !ed25519.Verify(key, c.sum(), signature):
		found("the file was changed after it was signed")
	case trusted != nil && !isTrusted(key, trusted):
		found("it is signed by a key that is not trusted: %s", head.Key)
	}
	for _, line := range all[1 : len(all)-1] {
		var ce caseEvent
		ref, err := event.Ref{}, json.Unmarshal(line, &ce)
		if err == nil {
			ref, err = event.ParseRef(ce.Event)
		}
		if err != nil || digest(replay.Event{Ref: ref, At: ce.At, Subject: ce.Subject, Header: ce.Header, Body: ce.Body}) != ce.Digest {
			found("%s in the file is not what its digest says", ce.Event)
			continue
		}
		if js == nil {
			continue
		}
		stored, err := storedDigest(ctx, js, ref)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			report.Gone = append(report.Gone, ce.Event)
		case err != nil:
			return report, err
		case stored != ce.Digest:
			found("%s in the stream is another than in the file", ce.Event)
		}
	}
	return report, nil
}

func isTrusted(key ed25519.PublicKey, trusted []ed25519.PublicKey) bool {
	for _, t := range trusted {
		if t.Equal(key) {
			return true
		}
	}
	return false
}

// storedDigest returns the digest of a stored event.
func storedDigest(ctx context.Context, js jetstream.JetStream, ref event.Ref) (string, error) {
	for raw, err := range streams.Messages(ctx, js, streams.Selection{Stream: ref.Stream, From: ref.Seq, To: ref.Seq}) {
		if err != nil {
			return "", event.Errorf(event.NATSError, "read %s: %w", ref, err)
		}
		return digest(replay.NewEvent(ref.Stream, raw)), nil
	}
	return "", jetstream.ErrMsgNotFound
}
