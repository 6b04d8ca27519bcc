package audit

import (
	"bufio"
	"bytes"
	"cmp"
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
// are missing between them and behind the last. Trusted are the keys one of which must
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
		switch covering := slices.IndexFunc(e.seals, inside); {
		case seq < r.First:
		case e.erased[seq].trusted:
			if covering < 0 {
				r.add(Erased, sealLine{Seq: seq}, e.erased[seq].detail)
			}
		case covering < 0:
			r.add(Missing, sealLine{Seq: seq}, "the event was taken out of the stream, and is in no seal"+e.claim(seq))
		case slices.Contains(e.seals[covering].Holes, seq):
			r.add(Known, sealLine{Seq: seq}, "it was missing when it was sealed, "+e.seals[covering].Made)
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

// maxSealLine is the length of a seal's longest line, which is one that lists holes.
const maxSealLine = 64 << 20

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

// A sealFile is a seal that was read.
type sealFile struct {
	sealHead
	lines []sealLine
	chain string
}

// readSeal reads a seal and checks that it is whole and signed.
func readSeal(seal io.Reader, trusted []ed25519.PublicKey) (f sealFile, err error) {
	broken := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrSealBroken, fmt.Errorf(format, args...))
	}
	c := &chain{}
	scanner := bufio.NewScanner(seal)
	scanner.Buffer(nil, maxSealLine)
	var previous []byte
	for n := 0; scanner.Scan(); n++ {
		// The last line is the foot, which the chain does not cover.
		if n > 0 {
			c.add(previous)
			switch n {
			case 1:
				if json.Unmarshal(previous, &f.sealHead) != nil || f.Version == 0 {
					return f, ErrNotSeal
				}
				if f.Version > sealVersion {
					return f, event.Errorf(event.InvalidInput, "the seal has version %d, this program knows %d", f.Version, sealVersion)
				}
			default:
				var l sealLine
				if err := json.Unmarshal(previous, &l); err != nil || l.Digest == "" {
					return f, broken("line %d is not an event's", n)
				}
				f.lines = append(f.lines, l)
			}
		}
		previous = bytes.Clone(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		return f, fmt.Errorf("read the seal: %w", err)
	}
	if f.Version == 0 {
		return f, ErrNotSeal
	}
	var foot sealFoot
	if err := json.Unmarshal(previous, &foot); err != nil || foot.Signature == "" {
		return f, broken("its end is missing")
	}
	if foot.Count != len(f.lines) {
		return f, broken("it has %d events and says %d", len(f.lines), foot.Count)
	}
	if f.chain = hex.EncodeToString(c.sum()); f.chain != foot.Chain {
		return f, broken("its lines were changed after it was signed")
	}
	key, err := ParsePublicKey(f.Key)
	if err != nil {
		return f, broken("%w", err)
	}
	signature, err := hex.DecodeString(foot.Signature)
	if err != nil || !ed25519.Verify(key, c.sum(), signature) {
		return f, broken("its signature is wrong")
	}
	if trusted != nil && !slices.ContainsFunc(trusted, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
		return f, broken("it is signed by %s, which is not trusted", f.Key)
	}
	return f, nil
}

// An explainer finds out why an event is missing.
type explainer struct {
	stream *jetstream.StreamInfo
	erased map[uint64]erasure
	seals  []sealFile
}

func (e explainer) missing(l sealLine) (kind, detail string) {
	if e.erased[l.Seq].trusted {
		return Erased, e.erased[l.Seq].detail
	}
	if l.Seq >= e.stream.State.FirstSeq {
		return Missing, "the event was taken out of the stream" + e.claim(l.Seq)
	}
	at, _ := time.Parse(time.RFC3339Nano, l.At)
	ages, sizes := e.limits()
	for _, age := range ages {
		if time.Since(at) > age {
			return Expired, "older than the stream's max_age of " + age.String()
		}
	}
	// Retention removes the oldest event as long as the stream is larger than its limit.
	state := e.stream.State
	average := state.Bytes / max(state.Msgs, 1)
	held := state.Bytes + 2*max(average, uint64(l.Size)+sizeOverhead) + uint64(len(e.erased))*average
	for _, size := range sizes {
		if held >= uint64(size) {
			return Expired, fmt.Sprintf("it may have gone by the stream's max_bytes of %d", size)
		}
	}
	return Missing, "the stream's beginning was cut off, and its retention, as it was sealed, does not explain that" + e.claim(l.Seq)
}

// sizeOverhead is what headers and the file store add to an event's body, about.
const sizeOverhead = 1 << 10

// limits returns the stream's limits of age and size as the seals have them; those of
// today count for seals that have none.
func (e explainer) limits() (ages []time.Duration, sizes []int64) {
	for _, f := range e.seals {
		age, size := time.Duration(f.MaxAge*float64(time.Second)), f.MaxBytes
		if f.Version == 1 {
			age, size = e.stream.Config.MaxAge, e.stream.Config.MaxBytes
		}
		if age > 0 {
			ages = append(ages, age)
		}
		if size > 0 {
			sizes = append(sizes, size)
		}
	}
	return ages, sizes
}

// claim says who else claims to have erased an event.
func (e explainer) claim(seq uint64) string {
	if other, ok := e.erased[seq]; ok {
		return "; " + other.detail + ", signed by " + other.key + ", which is not trusted"
	}
	return ""
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

// An erasure says why an event was erased on request.
type erasure struct {
	detail, key string
	trusted     bool // whether the signature is of a trusted key
}

// erasures are the sequences of a stream that were erased on request.
func erasures(ctx context.Context, js jetstream.JetStream, stream string, trusted []ed25519.PublicKey) (map[uint64]erasure, error) {
	erased := map[uint64]erasure{}
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
		if err != nil {
			continue
		}
		why := erasure{detail: fmt.Sprintf("erased on request: %s (%s)", p.Reason, time.UnixMilli(p.Time).UTC().Format(time.RFC3339)), key: p.Key,
			trusted: slices.ContainsFunc(trusted, func(key ed25519.PublicKey) bool { return hasValidSignature(p, key) })}
		for _, seq := range p.Events[stream] {
			if !erased[seq].trusted {
				erased[seq] = why
			}
		}
	}
	return erased, nil
}
