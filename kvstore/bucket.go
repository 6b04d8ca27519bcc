package kvstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	headerOperation = "KV-Operation" // DEL or PURGE on a delete marker
	// headerInserted is on what was inserted under the collection's next number, and on
	// what replaced that. No instance holds the number any more, see Store.Compact.
	headerInserted = "Rosey-Inserted"
)

type msgIDKey struct{}

// WithMsgID returns a context whose writes are made at most once: a write that
// is sent again with the same id, within the duplicate window, is answered with
// the first one's result.
func WithMsgID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, msgIDKey{}, id)
}

func msgID(ctx context.Context) string {
	id, _ := ctx.Value(msgIDKey{}).(string)
	return id
}

// An entry is a stored message of a bucket: a revision of a record, or, with an empty
// ID, something that is no record. The zero entry is none.
type entry struct {
	id       event.ID
	revision uint64 // the message's sequence
	time     time.Time
	header   nats.Header
	data     []byte
}

// deleted reports whether the entry is a delete marker.
func (e entry) deleted() bool {
	if len(e.header) == 0 {
		return false
	}
	op := e.header.Get(headerOperation)
	return op == "DEL" || op == "PURGE" || e.header.Get(jetstream.MarkerReasonHeader) != ""
}

// inserted reports whether the record was inserted under the collection's next number.
func (e entry) inserted() bool { return e.header.Get(headerInserted) != "" }

// inherited returns the header that a write keeps which replaces the entry.
func (e entry) inherited() nats.Header {
	if e.inserted() {
		return nats.Header{headerInserted: {"true"}}
	}
	return nats.Header{}
}

// live returns the revision that the record has for a client: 0 when it is deleted.
func (e entry) live() uint64 {
	if e.deleted() {
		return 0
	}
	return e.revision
}

// document returns the record's data in canonical form.
func (e entry) document() ([]byte, error) { return jsondoc.Canonical(e.data, e.id) }

func (b *bucket) entry(msg *jetstream.RawStreamMsg) entry {
	id, _ := b.idOf(msg.Subject)
	return entry{id, msg.Sequence, msg.Time, msg.Header, msg.Data}
}

// attemptTimeout is how long an unanswered read waits before it is made again.
const attemptTimeout = time.Second

var unanswered = retry.Policy{Initial: time.Millisecond, If: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }}

// readAgain repeats a read that was not answered: while a replicated stream has no
// leader, requests to it are lost. Writes are not repeated, because a lost write
// cannot be told from a lost answer.
func readAgain[T any](ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	return retry.Value(ctx, unanswered, func(ctx context.Context) (T, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		return read(ctx)
	})
}

// read reads one entry, or the zero entry where there is none.
func (b *bucket) read(ctx context.Context, read func(context.Context) (*jetstream.RawStreamMsg, error)) (entry, error) {
	var msg *jetstream.RawStreamMsg
	var err error
	if b.replicated() {
		msg, err = readAgain(ctx, read)
	} else {
		msg, err = read(ctx)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	return b.entry(msg), nil
}

func (b *bucket) replicated() bool { return b.stream.CachedInfo().Config.Replicas > 1 }

func (b *bucket) info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	return readAgain(ctx, func(ctx context.Context) (*jetstream.StreamInfo, error) { return b.stream.Info(ctx, opts...) })
}

// last returns a subject's last entry; the zero entry when it has none.
func (b *bucket) last(ctx context.Context, subject string) (entry, error) {
	return b.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return b.stream.GetLastMsgForSubject(ctx, subject)
	})
}

// next returns a subject's first entry with a sequence of at least seq; the zero
// entry when it has none.
func (b *bucket) next(ctx context.Context, subject string, seq uint64) (entry, error) {
	return b.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return b.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
	})
}

// at returns the entry with that sequence; the zero entry when it is gone.
func (b *bucket) at(ctx context.Context, seq uint64) (entry, error) {
	return b.read(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) { return b.stream.GetMsg(ctx, seq) })
}

// anyRevision makes a write that does not depend on what is stored.
const anyRevision = ^uint64(0)

// ErrConflict is wrapped by the error of a write that requires another revision than
// the record has: somebody else was faster.
var ErrConflict = errors.New("read it again")

// answerRoom is what the answer to a request for a record has beside it, at the most.
const answerRoom = 1 << 10

// checkSize returns an error where a record would not fit into an answer.
func (b *bucket) checkSize(data []byte) error {
	if limit := b.store.js.Conn().MaxPayload() - answerRoom; int64(len(data)) > limit {
		return fmt.Errorf("%w: it has %d bytes, and the most is %d", nats.ErrMaxPayload, len(data), limit)
	}
	return nil
}

// publish writes one entry, provided that the subject's last one has the
// expected sequence, else returns ErrConflict. It returns the new entry's
// sequence, or the first one's if the message id was used before.
func (b *bucket) publish(ctx context.Context, subject string, data []byte, header nats.Header, expected uint64, id string) (seq uint64, duplicate bool, err error) {
	if err := b.checkSize(data); err != nil {
		return 0, false, err
	}
	if seq, err := b.earlierWrite(ctx, id); seq > 0 || err != nil {
		return seq, seq > 0, err
	}
	msg := &nats.Msg{Subject: jsapi.KVSubject(b.store.js, subject), Data: data, Header: header}
	if correlation := propagation.Correlation(ctx); correlation != "" {
		msg.Header[propagation.HeaderCorrelation] = []string{correlation}
	}
	if id != "" {
		msg.Header[jetstream.MsgIDHeader] = []string{id}
	}
	if expected != anyRevision {
		msg.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(expected, 10)}
	}
	if len(msg.Header) == 0 {
		msg.Header = nil
	}
	ack, err := jsapi.PublishMsg(ctx, b.store.js, b.stream.CachedInfo().Config.Name, msg)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && jsapi.IsConflict(api) {
		return 0, false, ErrConflict
	}
	return ack.Sequence, ack.Duplicate, err
}

// codeWrongLastMsgID is the server's for a write that expects another last
// message id.
const codeWrongLastMsgID = 10070

// findMsgID returns the sequence of the write that used the context's message ID in
// this bucket, or 0. It asks the server with a write that cannot succeed: it fails a
// check which the server makes after that for repeated ids. On a replicated stream that
// is the check of the subject's last sequence, else that of the last message id.
func (b *bucket) findMsgID(ctx context.Context, subject string) (seq uint64, err error) {
	id := msgID(ctx)
	if id == "" {
		return 0, nil
	}
	if seq, err := b.earlierWrite(ctx, id); seq > 0 || err != nil {
		return seq, err
	}
	msg := &nats.Msg{Subject: jsapi.KVSubject(b.store.js, subject), Header: nats.Header{jetstream.MsgIDHeader: {id}}}
	if b.replicated() {
		msg.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(math.MaxInt64, 10)}
	} else {
		msg.Header[jetstream.ExpectedLastMsgIDHeader] = []string{"none: " + nuid.Next()}
	}
	ack, err := b.store.js.PublishMsg(ctx, msg)
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == codeWrongLastMsgID || jsapi.IsConflict(api)):
		return 0, nil
	case err != nil:
		return 0, err
	case !ack.Duplicate:
		return 0, errors.New("the server stored a write that asked for what does not exist")
	}
	return ack.Sequence, nil
}

// idOf returns the record ID of a subject of the bucket.
func (b *bucket) idOf(subject string) (event.ID, bool) {
	return decodeKey(strings.TrimPrefix(subject, b.prefix))
}
