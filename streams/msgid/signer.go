// Package msgid signs message IDs, so that nobody who lacks the secret can use up those of
// others.
package msgid

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Signer makes message IDs that nobody can predict without its secret. JetStream drops
// what has a Nats-Msg-Id that the stream holds, whoever published that: a plugin with
// credentials of its own could otherwise use up the IDs of future commands and answers. The zero value leaves IDs as they are.
type Signer struct{ *keyed }

type keyed struct {
	stored  bool // in the bucket, where another may take its place
	current atomic.Pointer[secret]
}

type secret struct {
	value []byte
	since time.Time // when it took the place of one that was lost, or zero
	macs  sync.Pool // of *mac, keyed with the value
}

// Bucket is the KV bucket of the secret. Its name is that of the first releases.
const Bucket = "seals"

const (
	secretKey = "message-ids"
	// renewedKey is there if the secret took the place of one that was lost.
	renewedKey = "renewed"
	// macLength is how many bytes of the HMAC an ID ends in.
	macLength = 12
	// credentialPurpose is what a plugin's credentials sign to derive its secret.
	credentialPurpose = "rosey: seal of message IDs"
	// followInterval is how long a process may sign with a secret that is lost.
	followInterval = 2 * time.Second
)

// OpenSigner returns the signer with the store's secret, which it creates if
// there is none. Plugins with credentials of their own cannot read it; see
// CredentialSigner.
func OpenSigner(ctx context.Context, js jetstream.JetStream, replicas int) (Signer, error) {
	kv, err := jsapi.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "The secret that keeps message IDs from being told in advance", Replicas: max(replicas, 1),
	})
	if err != nil {
		return Signer{}, err
	}
	ctx, cancel := jsapi.WithDefaultTimeout(ctx)
	defer cancel()
	missing := func(err error) bool { return errors.Is(err, jetstream.ErrKeyNotFound) }
	if s, err := readSigner(ctx, kv); !missing(err) {
		return s, err
	}
	value := make([]byte, sha256.Size)
	_, _ = rand.Read(value) // never fails
	if err := noteRenewal(ctx, js, kv); err != nil {
		return Signer{}, err
	}
	if _, err = kv.Create(ctx, secretKey, value); err != nil && !jsapi.IsConflict(err) {
		return Signer{}, fmt.Errorf("create the secret of message IDs: %w", jsapi.WrapFull(err))
	}
	// Another process may have been faster, and a replica may lag.
	return jsapi.RetryWhile(ctx, missing, func() (Signer, error) { return readSigner(ctx, kv) })
}

// ReadSigner returns the signer with the store's secret, or the zero value if there is no
// secret yet.
func ReadSigner(ctx context.Context, js jetstream.JetStream) (Signer, error) {
	kv, err := js.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return Signer{}, nil
	}
	if err != nil {
		return Signer{}, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	s, err := readSigner(ctx, kv)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Signer{}, nil
	}
	return s, err
}

func readSigner(ctx context.Context, kv jetstream.KeyValue) (Signer, error) {
	e, err := kv.Get(ctx, secretKey)
	if err != nil {
		return Signer{}, fmt.Errorf("read the secret of message IDs: %w", err)
	}
	renewed, err := kv.Get(ctx, renewedKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return newSigner(e.Value(), time.Time{}, true), nil
	case err != nil:
		return Signer{}, fmt.Errorf("read the secret of message IDs: %w", err)
	}
	return newSigner(e.Value(), renewed.Created(), true), nil
}

// noteRenewal notes that a new secret takes the place of another, if events were stored.
func noteRenewal(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue) error {
	list, stored := js.ListStreams(ctx), false
	for info := range list.Info() {
		stored = stored || !strings.HasPrefix(info.Config.Name, jsapi.BucketStream("")) && info.State.LastSeq > 0
	}
	err := list.Err()
	if err == nil && stored {
		_, err = kv.Put(ctx, renewedKey, nil)
	}
	if err != nil {
		return fmt.Errorf("note that the secret of message IDs is new: %w", jsapi.WrapFull(err))
	}
	return nil
}

// Follow signs with the stored secret until ctx ends, whatever becomes of it: it looks
// every 2 s and after each reconnect. Where the secret was lost and a process made another,
// all processes have that one soon; see Since for what was signed before.
func (s Signer) Follow(ctx context.Context, js jetstream.JetStream, log *slog.Logger) error {
	if s.keyed == nil || !s.stored {
		<-ctx.Done()
		return ctx.Err()
	}
	connected := js.Conn().StatusChanged(nats.CONNECTED)
	defer js.Conn().RemoveStatusListener(connected)
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-connected:
		case <-tick.C:
		}
		stored, err := ReadSigner(ctx, js)
		if err != nil || stored.keyed == nil || bytes.Equal(stored.current.Load().value, s.current.Load().value) {
			continue // one that is gone is made again by the bot
		}
		s.current.Store(stored.current.Load())
		log.WarnContext(ctx, "secret of message IDs was lost, using the new one", "since", stored.Since())
	}
}

// Since returns when the secret took the place of one that was lost, or zero. IDs of what
// was published before, and up to FollowMargin after, may have been signed with that.
func (s Signer) Since() time.Time {
	if s.keyed == nil {
		return time.Time{}
	}
	return s.current.Load().since
}

// FollowMargin is longer than a process signs with a secret that is lost.
const FollowMargin = 5 * followInterval

// CredentialSigner returns the signer of a plugin with credentials of its own, whose
// secret all processes derive from these. Credentials that are neither a key nor a
// password give the zero value.
func CredentialSigner(nc *nats.Conn) (Signer, error) {
	own := []byte(nc.Opts.Password)
	if u, err := url.Parse(nc.ConnectedUrl()); err == nil && len(own) == 0 {
		password, _ := u.User.Password()
		own = []byte(password)
	}
	if sign := nc.Opts.SignatureCB; sign != nil {
		var err error
		if own, err = sign([]byte(credentialPurpose)); err != nil {
			return Signer{}, fmt.Errorf("sign with the plugin's credentials: %w", err)
		}
	}
	if len(own) == 0 {
		return Signer{}, nil
	}
	value := sha256.Sum256(append([]byte(credentialPurpose), own...))
	return newSigner(value[:], time.Time{}, false), nil
}

// A mac is a keyed hash with a buffer for its sum. Keying one costs more than hashing
// an ID, so they are pooled.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
}

func newSigner(value []byte, since time.Time, stored bool) Signer {
	s := Signer{&keyed{stored: stored}}
	s.current.Store(&secret{value, since, sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, value)} }}})
	return s
}

// Store writes the secret of OpenSigner into its bucket again, which somebody deleted.
func (s Signer) Store(ctx context.Context, js jetstream.JetStream) error {
	kv, err := js.KeyValue(ctx, Bucket)
	if err == nil && !s.Since().IsZero() {
		_, err = kv.Put(ctx, renewedKey, nil)
	}
	if err == nil {
		_, err = kv.Put(ctx, secretKey, s.current.Load().value)
	}
	if err != nil {
		return fmt.Errorf("store the secret of message IDs: %w", err)
	}
	return nil
}

// Sign appends a truncated HMAC to an ID.
func (s Signer) Sign(id string) string {
	if s.keyed == nil || id == "" {
		return id
	}
	key := s.current.Load()
	m := key.macs.Get().(*mac)
	defer key.macs.Put(m)
	m.Reset()
	b := append(make([]byte, 0, len(id)+1+base64.RawURLEncoding.EncodedLen(macLength)), id...)
	m.Write(b)
	b = append(b, '~')
	return string(base64.RawURLEncoding.AppendEncode(b, m.Sum(m.sum[:0])[:macLength]))
}

// Unsigned returns what a signed ID was before, whoever signed it.
func Unsigned(id string) string {
	if end := strings.LastIndexByte(id, '~'); end > 0 {
		return id[:end]
	}
	return id
}

// Verify reports whether an ID is one that Sign returned; those of the zero value all are.
func (s Signer) Verify(id string) bool {
	if s.keyed == nil {
		return true
	}
	end := strings.LastIndexByte(id, '~')
	return end > 0 && hmac.Equal([]byte(s.Sign(id[:end])), []byte(id))
}
