package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
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

// The kinds of Finding. What is erased, expired or known is explained; what is unlinked
// leaves open whether there was another seal; the others mean that the record was
// tampered with.
const (
	Altered  = "altered"
	Missing  = "missing"
	Inserted = "inserted"
	Erased   = "erased"   // by Forget, which signed for it
	Expired  = "expired"  // by the stream's retention
	Known    = "known"    // missing already when it was sealed, and noted in the seal
	Unlinked = "unlinked" // the seal that one names as the one before it was not given
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
	Key         string // public key that signed the last seal
	Sealed      int    // events in the seals
	Intact      int    // of those that are there as they were
	Findings    []Finding
}

// OK reports whether everything is as it was sealed or explained.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains([]string{Altered, Missing, Inserted}, f.Kind) })
}

// Verify compares a stream with seals of it, in any order. It also finds events that
// are missing between them and after the last. Trusted are the keys one of which must
// have signed each seal, and the erasures that explain what is missing; none takes the
// seals' own word for it, which proves only that nothing changed by accident. The error
// wraps ErrSealBroken when a seal proves nothing.
func Verify(ctx context.Context, js jetstream.JetStream, trusted []ed25519.PublicKey, seals ...io.Reader) (Report, error) {
	var read []sealFile
	for _, seal := range seals {
		f, err := readSeal(seal, trusted)
		if err != nil {
			return Report{}, err
		}
		read = append(read, f)
	}
	if len(read) == 0 {
		return Report{}, ErrNotSeal
	}
	slices.SortStableFunc(read, func(a, b sealFile) int { return cmp.Or(cmp.Compare(a.Last, b.Last), cmp.Compare(a.Made, b.Made)) })
	last := read[len(read)-1]
	r := Report{Stream: last.Stream, First: last.First, Last: last.Last, Key: last.Key}
	r.Made, _ = time.Parse(time.RFC3339, last.Made)
	keys := trusted
	for _, f := range read {
		if f.Stream != r.Stream {
			return r, event.Errorf(event.InvalidInput, "the seals are of the streams %s and %s", f.Stream, r.Stream)
		}
		if key, err := ParsePublicKey(f.Key); err == nil && trusted == nil {
			keys = append(keys, key)
		}
		r.First = min(r.First, f.First)
		r.Sealed += len(f.lines)
	}
	info, err := streamInfo(ctx, js, r.Stream)
	if err != nil {
		return r, err
	}
	erased, err := erasures(ctx, js, r.Stream, keys)
	if err != nil {
		return r, err
	}
	e := explainer{info, erased, read}
	for _, f := range read {
		stored, err := readAround(ctx, js, f.sealHead, f.lines)
		if err != nil {
			return r, err
		}
		r.compare(f.lines, stored, e)
	}
	r.findHoles(e)
	r.findUnlinked(read)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Ref.Seq, b.Ref.Seq) })
	r.Findings = slices.CompactFunc(r.Findings, func(a, b Finding) bool { return a.Ref == b.Ref && a.Kind == b.Kind })
	return r, nil
}

// findHoles reports what is missing and in no seal: JetStream numbers events without
// holes, and its retention takes them from the beginning.
func (r *Report) findHoles(e explainer) {
	for _, seq := range e.stream.State.Deleted {
		inside := func(f sealFile) bool { return seq >= f.First && seq <= f.Last }
		noted := func(f sealFile) bool { return slices.Contains(f.Holes, seq) }
		sealed := slices.ContainsFunc(e.seals, inside)
		switch at := slices.IndexFunc(e.seals, noted); {
		case seq < r.First && !slices.ContainsFunc(e.seals, func(f sealFile) bool { return f.HolesFrom > 0 && f.HolesFrom <= seq }):
			// Seals of earlier releases do not note what was missing before they began.
		case e.erased[seq].trusted:
			if !sealed {
				r.add(Erased, sealLine{Seq: seq}, e.erased[seq].detail)
			}
		case at >= 0:
			r.add(Known, sealLine{Seq: seq}, "it was missing when it was sealed, "+e.seals[at].Made)
		case !sealed:
			r.add(Missing, sealLine{Seq: seq}, "the event was taken out of the stream, and is in no seal"+e.claim(seq))
		}
	}
}

// findUnlinked reports seals whose predecessor is not among those that were given.
func (r *Report) findUnlinked(seals []sealFile) {
	for i, f := range seals {
		if i == 0 || f.Version == 1 || slices.ContainsFunc(seals, func(other sealFile) bool { return other.chain == f.Previous }) {
			continue
		}
		r.add(Unlinked, sealLine{Seq: f.First}, "the seal of "+f.Made+" does not follow one of the others: give all of them")
	}
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
