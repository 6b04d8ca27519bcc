package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

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
