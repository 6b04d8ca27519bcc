package audit

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
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

// sealVersion is of the format.
const sealVersion = 1

type sealHead struct {
	Version int    `json:"rosey_seal"`
	Stream  string `json:"stream"`
	First   uint64 `json:"first"` // sequence
	Last    uint64 `json:"last"`
	Made    string `json:"made"` // RFC 3339
	Key     string `json:"key"`  // public, base64
}

type sealLine struct {
	Seq    uint64 `json:"seq"`
	At     string `json:"at"`     // when it was stored, RFC 3339 with ns
	Digest string `json:"digest"` // SHA-256, hex
}

func newSealLine(e replay.Event) sealLine {
	return sealLine{e.Ref.Seq, e.At.UTC().Format(time.RFC3339Nano), digest(e)}
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
	Key         string // public, as PublicKey writes it
}

// TimeRange says what to seal, by when it was stored.
type TimeRange struct{ Since, Until time.Time }

// Seal writes a seal over the chat history of a range to w: from then on Verify
// finds any event of the range that is changed, taken away or put in between.
// It reads the stream CYTUBE, up to what it holds when Seal begins. Keep the
// seal, and the public key, where whoever could change the stream cannot.
func Seal(ctx context.Context, js jetstream.JetStream, w io.Writer, key ed25519.PrivateKey, r TimeRange) (Sealed, error) {
	first, last, err := bounds(ctx, js, r)
	if err != nil {
		return Sealed{}, err
	}
	c := &chain{}
	b := bufio.NewWriter(w)
	line := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		c.add(raw)
		b.Write(raw)
		return b.WriteByte('\n')
	}
	done := Sealed{First: first, Last: last, Key: PublicKey(key)}
	head := sealHead{sealVersion, streams.Cytube, first, last, time.Now().UTC().Format(time.RFC3339), done.Key}
	if err := line(head); err != nil {
		return Sealed{}, fmt.Errorf("write the seal: %w", err)
	}
	for e, err := range replay.Slice(ctx, js, streams.Cytube, []string{">"}, first, last+1) {
		if err != nil {
			return Sealed{}, err
		}
		if err := line(newSealLine(e)); err != nil {
			return Sealed{}, fmt.Errorf("write the seal: %w", err)
		}
		done.Count++
	}
	chain := c.sum()
	foot, err := json.Marshal(sealFoot{done.Count, hex.EncodeToString(chain), hex.EncodeToString(ed25519.Sign(key, chain))})
	if err != nil {
		return Sealed{}, fmt.Errorf("write the seal: %w", err)
	}
	b.Write(append(foot, '\n'))
	if err := b.Flush(); err != nil {
		return Sealed{}, fmt.Errorf("write the seal: %w", err)
	}
	return done, nil
}

// bounds returns the sequences of the first and last event of a range.
func bounds(ctx context.Context, js jetstream.JetStream, r TimeRange) (first, last uint64, err error) {
	f := replay.Filter{Subjects: []string{event.AllCytube}, Since: r.Since, Until: r.Until}
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
		if !slices.ContainsFunc(transportHeaders, func(t string) bool { return strings.EqualFold(t, name) }) {
			put(name)
			put(e.Header[name]...)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
