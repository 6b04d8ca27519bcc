package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

// ErrSealBroken is wrapped by Verify's error when the seal itself was changed,
// cut off or signed by somebody else, so that it proves nothing.
var ErrSealBroken = errors.New("the seal is broken")

// ErrNotSeal is returned by Verify for a file that Seal did not write. It is an
// INVALID_INPUT.
var ErrNotSeal error = event.Errorf(event.InvalidInput, "this is not a seal")

// The kinds of Finding. What is erased or expired is explained; the others mean
// that the record was tampered with.
const (
	Altered  = "altered"
	Missing  = "missing"
	Inserted = "inserted"
	Erased   = "erased"  // by Forget, which signed for it
	Expired  = "expired" // by the stream's retention
)

// Finding is a place where a stream is not as it was sealed.
type Finding struct {
	Kind   string
	Ref    event.Ref // its place in the stream
	At     time.Time // when it was stored, by the seal where that has it
	Detail string
}

// Report is what Verify found.
type Report struct {
	Stream      string
	First, Last uint64 // sequences
	Made        time.Time
	Key         string // public key that signed the seal
	Sealed      int    // events in the seal
	Intact      int    // of those that are there as they were
	Findings    []Finding
}

// OK reports whether everything is as it was sealed or explained.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind != Erased && f.Kind != Expired })
}

// Verify compares a stream with a seal. Trusted is the key that must have signed
// the seal, and the erasures that explain what is missing; nil takes the seal's
// own word for it, which proves only that nothing changed by accident. The error
// wraps ErrSealBroken when the seal proves nothing.
func Verify(ctx context.Context, js jetstream.JetStream, seal io.Reader, trusted ed25519.PublicKey) (Report, error) {
	head, sealed, err := readSeal(seal, trusted)
	if err != nil {
		return Report{}, err
	}
	key, _ := ParsePublicKey(head.Key) // readSeal has read it
	r := Report{Stream: head.Stream, First: head.First, Last: head.Last, Key: head.Key, Sealed: len(sealed)}
	r.Made, _ = time.Parse(time.RFC3339, head.Made)
	s, err := js.Stream(ctx, head.Stream)
	if err != nil {
		return r, event.Errorf(event.NATSError, "look at stream %s: %w", head.Stream, err)
	}
	stored, err := readAround(ctx, js, head, sealed)
	if err != nil {
		return r, err
	}
	erased, err := erasures(ctx, js, head.Stream, key)
	if err != nil {
		return r, err
	}
	r.compare(sealed, stored, explainer{s.CachedInfo(), erased})
	return r, nil
}

// searchMargin is how many events may have been inserted into a copy of a stream, or
// removed from it, for the later ones to be found again.
const searchMargin = 1000

// readAround reads the stream where it was sealed, and what was sealed also within
// searchMargin.
func readAround(ctx context.Context, js jetstream.JetStream, head sealHead, sealed []sealLine) (stored []sealLine, err error) {
	known := make(map[string]bool, len(sealed))
	for _, l := range sealed {
		known[l.Digest] = true
	}
	for e, err := range replay.Slice(ctx, js, head.Stream, []string{">"}, max(head.First, searchMargin+1)-searchMargin, head.Last+searchMargin+1) {
		if err != nil {
			return nil, err
		}
		l := newSealLine(e)
		if l.Seq >= head.First && l.Seq <= head.Last || known[l.Digest] {
			stored = append(stored, l)
		}
	}
	return stored, nil
}

// readSeal reads a seal and checks that it is whole and signed.
func readSeal(seal io.Reader, trusted ed25519.PublicKey) (head sealHead, lines []sealLine, err error) {
	broken := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrSealBroken, fmt.Errorf(format, args...))
	}
	c := &chain{}
	scanner := bufio.NewScanner(seal)
	var previous []byte
	for n := 0; scanner.Scan(); n++ {
		// The last line is the foot, which the chain does not cover.
		if n > 0 {
			c.add(previous)
			switch n {
			case 1:
				if json.Unmarshal(previous, &head) != nil || head.Version == 0 {
					return head, nil, ErrNotSeal
				}
				if head.Version != sealVersion {
					return head, nil, event.Errorf(event.InvalidInput, "the seal has version %d, this program knows %d", head.Version, sealVersion)
				}
			default:
				var l sealLine
				if err := json.Unmarshal(previous, &l); err != nil || l.Digest == "" {
					return head, nil, broken("line %d is not an event's", n)
				}
				lines = append(lines, l)
			}
		}
		previous = bytes.Clone(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		return head, nil, fmt.Errorf("read the seal: %w", err)
	}
	if head.Version == 0 {
		return head, nil, ErrNotSeal
	}
	var foot sealFoot
	if err := json.Unmarshal(previous, &foot); err != nil || foot.Signature == "" {
		return head, nil, broken("its end is missing")
	}
	if foot.Count != len(lines) {
		return head, nil, broken("it has %d events and says %d", len(lines), foot.Count)
	}
	if chain := hex.EncodeToString(c.sum()); chain != foot.Chain {
		return head, nil, broken("its lines were changed after it was signed")
	}
	key, err := ParsePublicKey(head.Key)
	if err != nil {
		return head, nil, broken("%w", err)
	}
	signature, err := hex.DecodeString(foot.Signature)
	if err != nil || !ed25519.Verify(key, c.sum(), signature) {
		return head, nil, broken("its signature is wrong")
	}
	if trusted != nil && !trusted.Equal(key) {
		return head, nil, broken("it is signed by %s, and not by %s", head.Key, encodeKey(trusted))
	}
	return head, lines, nil
}

// An explainer finds out why an event is missing.
type explainer struct {
	stream *jetstream.StreamInfo
	erased map[uint64]string // why, by sequence
}

func (e explainer) missing(l sealLine) (kind, detail string) {
	if why, ok := e.erased[l.Seq]; ok {
		return Erased, "erased on request: " + why
	}
	if l.Seq >= e.stream.State.FirstSeq {
		return Missing, "the event was taken out of the stream"
	}
	at, _ := time.Parse(time.RFC3339Nano, l.At)
	switch age := e.stream.Config.MaxAge; {
	case age > 0 && time.Since(at) > age:
		return Expired, "older than the stream's max_age of " + age.String()
	case e.stream.Config.MaxBytes > 0:
		return Expired, fmt.Sprintf("it may have gone by the stream's max_bytes of %d", e.stream.Config.MaxBytes)
	}
	return Missing, "the stream's beginning was cut off, and its retention does not explain that"
}

// compare finds the differences between what was sealed and what is stored.
func (r *Report) compare(sealed, stored []sealLine, e explainer) {
	i, j := 0, 0
	shift := uint64(0) // by how much the events are moved; wraps round for less
	for _, m := range append(matches(sealed, stored), match{len(sealed), len(stored)}) {
		r.compareRun(sealed[i:m.i], stored[j:m.j], shift, e)
		if m.i < len(sealed) {
			r.Intact++
			shift = stored[m.j].Seq - sealed[m.i].Seq
			i, j = m.i+1, m.j+1
		}
	}
}

// compareRun reports a run of events none of which is as it was.
func (r *Report) compareRun(sealed, stored []sealLine, shift uint64, e explainer) {
	for len(sealed) > 0 || len(stored) > 0 {
		switch {
		case len(stored) == 0 || len(sealed) > 0 && sealed[0].Seq+shift < stored[0].Seq:
			kind, detail := e.missing(sealed[0])
			r.add(kind, sealed[0], detail)
			sealed = sealed[1:]
		case len(sealed) == 0 || stored[0].Seq < sealed[0].Seq+shift:
			r.add(Inserted, stored[0], "the event was not there when the range was sealed")
			stored = stored[1:]
		default:
			r.add(Altered, sealed[0], "sealed with digest "+sealed[0].Digest+", stored with "+stored[0].Digest)
			sealed, stored = sealed[1:], stored[1:]
		}
	}
}

func (r *Report) add(kind string, l sealLine, detail string) {
	at, _ := time.Parse(time.RFC3339Nano, l.At)
	r.Findings = append(r.Findings, Finding{kind, event.Ref{Stream: r.Stream, Seq: l.Seq}, at, detail})
}

// A match is an event that is the same in both lists, by its places there.
type match struct{ i, j int }

// matches finds the longest run of events that are in both lists in the same
// order. Sequences do not count: who puts an event into a copy of a stream moves
// all those after it.
func matches(sealed, stored []sealLine) []match {
	where := make(map[string]int, len(stored))
	for j, l := range stored {
		where[l.Digest] = j
	}
	// Longest increasing subsequence of the places: tails[n] ends the best run of
	// n+1 matches so far, and before[k] is the match that comes before match k.
	var all []match
	var tails, before []int
	for i, l := range sealed {
		j, ok := where[l.Digest]
		if !ok {
			continue
		}
		n, _ := slices.BinarySearchFunc(tails, j, func(k, j int) int { return all[k].j - j })
		previous := -1
		if n > 0 {
			previous = tails[n-1]
		}
		all, before = append(all, match{i, j}), append(before, previous)
		if n == len(tails) {
			tails = append(tails, len(all)-1)
		} else {
			tails[n] = len(all) - 1
		}
	}
	run := make([]match, len(tails))
	if len(tails) == 0 {
		return nil
	}
	for n, k := len(tails)-1, tails[len(tails)-1]; n >= 0; n, k = n-1, before[k] {
		run[n] = all[k]
	}
	return run
}

// erasures are the sequences of a stream that were erased on request, with the
// reasons, as far as the key has signed for them.
func erasures(ctx context.Context, js jetstream.JetStream, stream string, key ed25519.PublicKey) (map[uint64]string, error) {
	erased := map[uint64]string{}
	q := replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectErasure}}}
	for e, err := range replay.Read(ctx, js, q) {
		if err != nil {
			return nil, err
		}
		stored, err := e.Decode()
		if err != nil {
			continue
		}
		p, err := event.As[event.Erasure](stored.Envelope)
		if err != nil || !hasValidSignature(p, key) {
			continue
		}
		for _, seq := range p.Events[stream] {
			erased[seq] = fmt.Sprintf("%s (%s)", p.Reason, time.UnixMilli(p.Time).UTC().Format(time.RFC3339))
		}
	}
	return erased, nil
}
