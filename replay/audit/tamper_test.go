package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A sealedHistory has twenty events in each of two linked seals, and twenty after them.
type sealedHistory struct {
	ctx           context.Context
	t             *testing.T
	bus           *streams.Bus
	js            jetstream.JetStream
	key           ed25519.PrivateKey
	first, second []byte
}

func newSealedHistory(t *testing.T) *sealedHistory {
	t.Helper()
	h := &sealedHistory{ctx: streamstest.Context(t), t: t, bus: streamstest.Bus(t, streamstest.Server(t)), key: newKey(t)}
	h.js = h.bus.JetStream()
	evening(h.ctx, t, h.bus)
	var link Link
	h.first, link = h.seal(SealOptions{})
	evening(h.ctx, t, h.bus)
	h.second, _ = h.seal(SealOptions{Since: time.Now().Add(-time.Hour), Previous: link})
	evening(h.ctx, t, h.bus)
	return h
}

func (h *sealedHistory) seal(o SealOptions) ([]byte, Link) {
	h.t.Helper()
	var b bytes.Buffer
	sealed, err := Seal(h.ctx, h.js, &b, h.key, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return b.Bytes(), sealed.Link
}

func (h *sealedHistory) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *sealedHistory) delete(seqs ...uint64) {
	h.t.Helper()
	for _, seq := range seqs {
		h.ok(cytubeStream(h.ctx, h.t, h.js).DeleteMsg(h.ctx, seq))
	}
}

func (h *sealedHistory) purge(before uint64) {
	h.t.Helper()
	h.ok(cytubeStream(h.ctx, h.t, h.js).Purge(h.ctx, jetstream.WithPurgeSequence(before)))
}

func (h *sealedHistory) limit(l streams.Limits) {
	h.t.Helper()
	h.ok(streams.Open(h.ctx, h.js, streams.Options{Limits: map[string]streams.Limits{streams.Cytube: l}}))
}

func (h *sealedHistory) forget(key ed25519.PrivateKey) {
	h.t.Helper()
	_, err := Forget(h.ctx, h.bus, key, "carol", ForgetOptions{})
	h.ok(err)
}

// tampers are what somebody with access to the streams may do, and what Verify finds.
var tampers = map[string]struct {
	do   func(*sealedHistory)
	want []string
	ok   bool
}{
	"nothing":             {func(*sealedHistory) {}, nil, true},
	"an event is taken":   {func(h *sealedHistory) { h.delete(3) }, []string{"missing CYTUBE:3"}, false},
	"at the seam":         {func(h *sealedHistory) { h.delete(20, 21) }, []string{"missing CYTUBE:20", "missing CYTUBE:21"}, false},
	"after the last seal": {func(h *sealedHistory) { h.delete(45) }, []string{"missing CYTUBE:45"}, false},
	"the last event":      {func(h *sealedHistory) { h.delete(60) }, []string{"missing CYTUBE:60"}, false},
	"the beginning, with a limit of size": {func(h *sealedHistory) {
		h.limit(streams.Limits{MaxBytes: 1 << 20})
		h.purge(3)
	}, []string{"missing CYTUBE:1", "missing CYTUBE:2"}, false},
	"the beginning, by a lower limit": {func(h *sealedHistory) {
		h.limit(streams.Limits{MaxBytes: 64 << 10})
		h.purge(3)
	}, []string{"missing CYTUBE:1", "missing CYTUBE:2"}, false},
	"erased on request":                    {func(h *sealedHistory) { h.forget(h.key) }, []string{"erased CYTUBE:9", "erased CYTUBE:29", "erased CYTUBE:49"}, true},
	"erased with a key that nobody trusts": {func(h *sealedHistory) { h.forget(newKey(h.t)) }, []string{"missing CYTUBE:9", "missing CYTUBE:29", "missing CYTUBE:49"}, false},
	"the erasure is taken": {func(h *sealedHistory) {
		h.forget(h.key)
		h.delete(61)
	}, []string{"missing CYTUBE:9", "missing CYTUBE:29", "missing CYTUBE:49", "missing CYTUBE:61"}, false},
	"an erasure says more than was signed": {func(h *sealedHistory) {
		h.delete(3)
		p := event.Erasure{Events: map[string][]uint64{streams.Cytube: {3}}, Reason: "x", Key: PublicKey(h.key), Signature: "AAAA"}
		streamstest.Publish(h.t, h.bus, event.SubjectErasure, p)
	}, []string{"missing CYTUBE:3"}, false},
}

func TestTampering(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a history for each case")
	for name, c := range tampers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newSealedHistory(t)
			c.do(h)
			r, err := Verify(h.ctx, h.js, []ed25519.PublicKey{public(h.key)}, bytes.NewReader(h.second), bytes.NewReader(h.first))
			if err != nil || r.OK() != c.ok || !slices.Equal(places(r), c.want) {
				t.Errorf("found %v, %v; want %v", places(r), err, c.want)
			}
		})
	}
}

// The stream is made anew, with all events but one, at other times.
func TestStreamMadeAnew(t *testing.T) {
	t.Parallel()
	h := newSealedHistory(t)
	h.ok(h.js.DeleteStream(h.ctx, streams.Cytube))
	h.ok(streams.Open(h.ctx, h.js, streams.Options{}))
	happen(h.ctx, t, h.bus, said[1:])
	if r := verify(h.ctx, t, h.js, h.first, h.key); r.OK() || r.Intact != 0 {
		t.Errorf("of a stream made anew it says %v", places(r))
	}
}

// A log that begins in the middle notes what was missing before, and finds what is taken
// from there later.
func TestHolesBeforeTheFirstSeal(t *testing.T) {
	t.Parallel()
	h := newSealedHistory(t)
	h.delete(2)
	h.forget(h.key)
	late, _ := h.seal(SealOptions{Since: h.storedAt(30)})
	if r := verify(h.ctx, t, h.js, late, h.key); !r.OK() || !slices.Equal(places(r), []string{"known CYTUBE:2", "erased CYTUBE:9", "erased CYTUBE:29"}) {
		t.Errorf("as it was sealed it says %v", places(r))
	}
	h.delete(5)
	if r := verify(h.ctx, t, h.js, late, h.key); r.OK() || !slices.Equal(places(r), []string{"known CYTUBE:2", "missing CYTUBE:5", "erased CYTUBE:9", "erased CYTUBE:29"}) {
		t.Errorf("with a hole before it says %v", places(r))
	}
}

func (h *sealedHistory) storedAt(seq uint64) time.Time {
	h.t.Helper()
	msg, err := cytubeStream(h.ctx, h.t, h.js).GetMsg(h.ctx, seq)
	h.ok(err)
	return msg.Time
}

// What was missing when it was sealed is noted with the operator's consent, and found
// without it; an erasure with another key that is trusted explains as well.
func TestSealsAndHoles(t *testing.T) {
	t.Parallel()
	h := newSealedHistory(t)
	h.delete(45)
	var b bytes.Buffer
	link := Link{Last: 40, Chain: "x"}
	if _, err := Seal(h.ctx, h.js, &b, h.key, SealOptions{Previous: link}); !errors.Is(err, ErrHoles) || b.Len() > 0 {
		t.Errorf("it seals %d bytes over a hole: %v", b.Len(), err)
	}
	third, _ := h.seal(SealOptions{AcceptHoles: true})
	other := newKey(t)
	h.forget(other)
	trusted := []ed25519.PublicKey{public(h.key), public(other)}
	r, err := Verify(h.ctx, h.js, trusted, bytes.NewReader(h.first), bytes.NewReader(third))
	want := []string{"unlinked CYTUBE:1", "erased CYTUBE:9", "erased CYTUBE:29", "known CYTUBE:45", "erased CYTUBE:49"}
	if err != nil || !r.OK() || !slices.Equal(places(r), want) {
		t.Errorf("found %v, %v; want %v", places(r), err, want)
	}
}

// Seals of earlier releases have version 1 and go on being verified.
func TestSealsOfVersion1(t *testing.T) {
	t.Parallel()
	h := newSealedHistory(t)
	old := sealVersion1(t, h)
	if r := verify(h.ctx, t, h.js, old, h.key); !r.OK() || r.Intact != 20 {
		t.Errorf("of an old seal it says %v, %+v", places(r), r)
	}
	h.delete(7)
	if r := verify(h.ctx, t, h.js, old, h.key); r.OK() || !slices.Equal(places(r), []string{"missing CYTUBE:7"}) {
		t.Errorf("of an old seal it says %v", places(r))
	}
	if _, err := Verify(h.ctx, h.js, nil, io.MultiReader(strings.NewReader(`{"rosey_seal":3}`), bytes.NewReader(old))); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("of a newer version it says %v", err)
	}
}

// sealVersion1 writes a seal as earlier releases did.
func sealVersion1(t *testing.T, h *sealedHistory) []byte {
	t.Helper()
	f, err := readSeal(bytes.NewReader(h.first), nil)
	h.ok(err)
	c, out := &chain{}, &bytes.Buffer{}
	write := func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		c.add([]byte(line))
		out.WriteString(line + "\n")
	}
	write(`{"rosey_seal":1,"stream":"CYTUBE","first":%d,"last":%d,"made":%q,"key":%q}`, f.First, f.Last, f.Made, f.Key)
	for _, l := range f.lines {
		write(`{"seq":%d,"at":%q,"digest":%q}`, l.Seq, l.At, l.Digest)
	}
	fmt.Fprintf(out, "{\"count\":%d,\"chain\":\"%x\",\"signature\":\"%x\"}\n", len(f.lines), c.sum(), ed25519.Sign(h.key, c.sum()))
	return out.Bytes()
}
