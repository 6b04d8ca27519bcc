package audit

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
)

// A seal is a file of JSON lines: a head, a line for each event with its digest,
// and a foot with the end of the hash chain over all lines before and its
// signature. An event's digest covers everything but its sequence, and the chain
// covers that.

//
// Seals form a log: each names the one before it by its chain, begins no later than
// where that ended, and notes what was missing already and how long events are kept.

// sealVersion is of the format. Seals of version 1 have no links, notes and sizes.
const sealVersion = 2

type sealHead struct {
	Version  int      `json:"rosey_seal"`
	Stream   string   `json:"stream"`
	First    uint64   `json:"first"` // sequence
	Last     uint64   `json:"last"`
	Made     string   `json:"made"`               // RFC 3339
	Key      string   `json:"key"`                // public, base64
	Previous string   `json:"previous,omitempty"` // Chain of the seal before
	MaxAge   float64  `json:"max_age,omitempty"`  // retention of the stream, seconds
	MaxBytes int64    `json:"max_bytes,omitempty"`
	Holes    []uint64 `json:"holes,omitempty"` // sequences of events that were missing, and not erased
	// HolesFrom is the sequence from which Holes has them: in a log's first seal the
	// stream's first one. 0 in seals that begin at First, and of earlier releases.
	HolesFrom uint64 `json:"holes_from,omitempty"`
}

type sealLine struct {
	Seq    uint64 `json:"seq"`
	At     string `json:"at"`     // when it was stored, RFC 3339 with ns
	Digest string `json:"digest"` // SHA-256, hex
	Size   int    `json:"size,omitempty"`
}

func newSealLine(e replay.Event) sealLine {
	return sealLine{e.Ref.Seq, e.At.UTC().Format(time.RFC3339Nano), digest(e), len(e.Body)}
}

type sealFoot struct {
	Count     int    `json:"count"`
	Chain     string `json:"chain"`     // SHA-256, hex
	Signature string `json:"signature"` // of the chain, hex
}

// Sealed is what Seal sealed.
type Sealed struct {
	First, Last uint64 // sequences in the stream CYTUBE
	Count       int
	Key         string   // public, as PublicKey writes it
	Holes       []uint64 // events that are missing, and were not erased
	Link        Link
}

// A Link names a seal for the next one.
type Link struct {
	Last  uint64 `json:"last"`  // sequence
	Chain string `json:"chain"` // end of its hash chain, hex
	Made  string `json:"made"`  // RFC 3339
}

// SealOptions say what to seal, by when it was stored, and which seal was made before.
type SealOptions struct {
	Since, Until time.Time
	Previous     Link
	Trusted      []ed25519.PublicKey // further keys that may have signed erasures
	AcceptHoles  bool                // seal although events are missing that were not erased on request
}

// ErrHoles is wrapped by Seal's error when events of the range are missing.
var ErrHoles = errors.New("events are missing that were not erased on request")

// Seal writes a seal over the chat history of a range to w: from then on Verify
// finds any event of the range that is changed, taken away or put in between.
// It reads the stream CYTUBE, up to what it holds when Seal begins. A range that begins
// after the previous seal is extended to that. Events that are missing already are noted
// in it. Keep the seal, and the public key, where whoever could change the stream cannot.
func Seal(ctx context.Context, js jetstream.JetStream, w io.Writer, key ed25519.PrivateKey, o SealOptions) (Sealed, error) {
	first, last, err := bounds(ctx, js, o)
	if err != nil {
		return Sealed{}, err
	}
	if next := o.Previous.Last + 1; o.Previous.Chain != "" && next < first {
		first = next
	}
	info, err := streamInfo(ctx, js, streams.Cytube)
	if err != nil {
		return Sealed{}, err
	}
	erased, err := erasures(ctx, js, streams.Cytube, append(slices.Clone(o.Trusted), key.Public().(ed25519.PublicKey)))
	if err != nil {
		return Sealed{}, err
	}
	done := Sealed{First: first, Last: last, Key: PublicKey(key)}
	before, holes := holesOf(info.State.Deleted, erased, first, last)
	done.Holes = holes
	if len(holes) > 0 && !o.AcceptHoles {
		return done, fmt.Errorf("%w: %d of CYTUBE:%d to CYTUBE:%d, the first is CYTUBE:%d", ErrHoles, len(holes), first, last, holes[0])
	}
	head := sealHead{
		Version: sealVersion, Stream: streams.Cytube, First: first, Last: last, Made: time.Now().UTC().Format(time.RFC3339), Key: done.Key,
		Previous: o.Previous.Chain, MaxAge: info.Config.MaxAge.Seconds(), MaxBytes: max(info.Config.MaxBytes, 0), Holes: holes,
	}
	if o.Previous.Chain == "" {
		head.Holes, head.HolesFrom = slices.Concat(before, holes), info.State.FirstSeq
	}
	seal := &sealWriter{w: bufio.NewWriter(w)}
	seal.line(head)
	for e, err := range replay.Slice(ctx, js, streams.Cytube, []string{">"}, first, last+1) {
		if err != nil {
			return Sealed{}, err
		}
		if seal.line(newSealLine(e)); seal.err != nil {
			break
		}
		done.Count++
	}
	end, err := seal.sign(key, done.Count)
	if err != nil {
		return Sealed{}, fmt.Errorf("write the seal: %w", err)
	}
	done.Link = Link{last, end, head.Made}
	return done, nil
}

// holesOf returns which sequences were deleted, and not erased on request: those before a
// range, and those in it.
func holesOf(deleted []uint64, erased map[uint64]erasure, first, last uint64) (before, holes []uint64) {
	for _, seq := range deleted {
		switch {
		case erased[seq].trusted || seq > last:
		case seq < first:
			before = append(before, seq)
		default:
			holes = append(holes, seq)
		}
	}
	return before, holes
}

// sealWriter writes the lines of a seal and the hash chain over them. The first error stays.
type sealWriter struct {
	w     *bufio.Writer
	chain chain
	err   error
}

func (s *sealWriter) line(v any) {
	if raw := s.write(v); s.err == nil {
		s.chain.add(raw)
	}
}

func (s *sealWriter) write(v any) (raw []byte) {
	if s.err == nil {
		raw, s.err = json.Marshal(v)
	}
	if s.err == nil {
		_, s.err = s.w.Write(append(raw, '\n'))
	}
	return raw
}

// sign writes the foot and returns the end of the chain.
func (s *sealWriter) sign(key ed25519.PrivateKey, count int) (end string, err error) {
	sum := s.chain.sum()
	end = hex.EncodeToString(sum)
	s.write(sealFoot{count, end, hex.EncodeToString(ed25519.Sign(key, sum))})
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return end, s.err
}

// streamInfo returns a stream's information, with the sequences of what is missing.
func streamInfo(ctx context.Context, js jetstream.JetStream, stream string) (*jetstream.StreamInfo, error) {
	s, err := js.Stream(ctx, stream)
	if err == nil {
		var info *jetstream.StreamInfo
		if info, err = s.Info(ctx, jetstream.WithDeletedDetails(true)); err == nil {
			return info, nil
		}
	}
	return nil, event.Errorf(event.NATSError, "look at stream %s: %w", stream, err)
}

// bounds returns the sequences of the first and last event of a range.
func bounds(ctx context.Context, js jetstream.JetStream, o SealOptions) (first, last uint64, err error) {
	f := replay.Filter{Subjects: []string{event.AllCytube}, Since: o.Since, Until: o.Until}
	if err := f.Validate(); err != nil {
		return 0, 0, err
	}
	for e, err := range replay.Read(ctx, js, replay.Query{Filter: f}) {
		if err != nil {
			return 0, 0, err
		}
		if first == 0 {
			first = e.Ref.Seq
		}
		last = max(last, e.Ref.Seq)
	}
	if first == 0 {
		return 0, 0, fmt.Errorf("%w (%s): there is nothing to seal", replay.ErrNoMatch, f)
	}
	return first, last, nil
}

// A chain hashes each line together with the hash of all before.
type chain struct{ hash [sha256.Size]byte }

func (c *chain) add(line []byte) {
	h := sha256.New()
	h.Write(c.hash[:])
	h.Write(line)
	c.hash = [sha256.Size]byte(h.Sum(nil))
}

func (c *chain) sum() []byte { return c.hash[:] }

// transportHeaders are those that the server adds to what it returns.
var transportHeaders = []string{
	jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.LastSequenceHeader,
	"Nats-Num-Pending", "Nats-UpTo-Sequence",
}

// transport reports whether a header is one that the server adds.
func transport(name string) bool {
	return slices.ContainsFunc(transportHeaders, func(t string) bool { return strings.EqualFold(t, name) })
}

// digest covers everything that is stored of an event but its sequence.
func digest(e replay.Event) string {
	h := sha256.New()
	put := func(parts ...string) {
		for _, p := range parts {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
			io.WriteString(h, p)
		}
	}
	put(e.Subject, e.At.UTC().Format(time.RFC3339Nano), string(e.Body))
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		if !transport(name) {
			put(name)
			put(e.Header[name]...)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
