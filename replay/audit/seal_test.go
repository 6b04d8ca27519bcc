package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := CreateKey(filepath.Join(t.TempDir(), "audit.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func seal(ctx context.Context, t testing.TB, js jetstream.JetStream, key ed25519.PrivateKey) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Seal(ctx, js, &b, key, SealOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(ctx context.Context, t testing.TB, js jetstream.JetStream, seal []byte, key ed25519.PrivateKey) Report {
	t.Helper()
	r, err := Verify(ctx, js, []ed25519.PublicKey{public(key)}, bytes.NewReader(seal))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func places(r Report) (out []string) {
	for _, f := range r.Findings {
		out = append(out, f.Kind+" "+f.Ref.String())
	}
	return out
}

func cytubeStream(ctx context.Context, t testing.TB, js jetstream.JetStream) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(ctx, streams.Cytube)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealAndVerify(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, key := bus.JetStream(), newKey(t)
	evening(ctx, t, bus)
	sealed := seal(ctx, t, js, key)
	r := verify(ctx, t, js, sealed, key)
	if !r.OK() || len(r.Findings) != 0 || r.Intact != len(said) || r.Sealed != len(said) || r.First != 1 || r.Last != uint64(len(said)) || r.Key != PublicKey(key) {
		t.Fatalf("the report of an untouched stream is %+v", r)
	}
	// What comes later does not matter.
	evening(ctx, t, bus)
	if r := verify(ctx, t, js, sealed, key); !r.OK() || len(r.Findings) != 0 {
		t.Errorf("after more was stored: %v", places(r))
	}
	s := cytubeStream(ctx, t, js)
	for _, seq := range []uint64{3, 4, 16} {
		if err := s.DeleteMsg(ctx, seq); err != nil {
			t.Fatal(err)
		}
	}
	r = verify(ctx, t, js, sealed, key)
	if want := []string{"missing CYTUBE:3", "missing CYTUBE:4", "missing CYTUBE:16"}; r.OK() || !slices.Equal(places(r), want) || r.Findings[0].At.IsZero() {
		t.Errorf("found %v, want %v", places(r), want)
	}
}

func TestVerifyKnowsRetention(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, key := bus.JetStream(), newKey(t)
	evening(ctx, t, bus)
	sealed := seal(ctx, t, js, key)
	if err := cytubeStream(ctx, t, js).Purge(ctx, jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	if r := verify(ctx, t, js, sealed, key); r.OK() || !slices.Equal(places(r), []string{"missing CYTUBE:1", "missing CYTUBE:2"}) {
		t.Errorf("a beginning that was cut off is %v", places(r))
	}
}

func TestRetentionByAgeIsExplained(t *testing.T) {
	t.Parallel()
	e := explainer{stream: &jetstream.StreamInfo{}, seals: []sealFile{{sealHead: sealHead{Version: 1}}}}
	e.stream.State.FirstSeq = 10
	e.stream.Config.MaxAge = time.Hour
	at := func(age time.Duration) string { return time.Now().Add(-age).Format(time.RFC3339Nano) }
	for _, c := range []struct {
		l    sealLine
		want string
	}{
		{sealLine{Seq: 9, At: at(2 * time.Hour)}, Expired},
		{sealLine{Seq: 9, At: at(time.Minute)}, Missing},
		{sealLine{Seq: 10, At: at(2 * time.Hour)}, Missing},
	} {
		if got, _ := e.missing(c.l); got != c.want {
			t.Errorf("%+v is %s, want %s", c.l, got, c.want)
		}
	}
}

// However a copy of a stream was edited, each edit is found at its place.
func TestCompareFindsEachEdit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var sealed, stored []sealLine
		seq := uint64(100)
		for i := range rapid.IntRange(0, 30).Draw(t, "events") {
			sealed = append(sealed, sealLine{Seq: uint64(i + 100), Digest: fmt.Sprint("d", i)})
		}
		shifting := rapid.Bool().Draw(t, "a rebuilt copy")
		var want []string
		edited := true // two edits side by side may be told in another way
		for i, l := range sealed {
			edit := rapid.SampledFrom([]string{"", "", "", Altered, Missing, Inserted}).Draw(t, "edit")
			if edited || !shifting && edit == Inserted {
				edit = ""
			}
			edited = edit != ""
			switch edit {
			case Altered:
				stored = append(stored, sealLine{Seq: seq, Digest: fmt.Sprint("x", i)})
				want = append(want, fmt.Sprint(Altered, " CYTUBE:", l.Seq))
				seq++
			case Missing:
				want = append(want, fmt.Sprint(Missing, " CYTUBE:", l.Seq))
				if !shifting {
					seq++
				}
			case Inserted:
				stored = append(stored, sealLine{Seq: seq, Digest: fmt.Sprint("n", i)}, sealLine{Seq: seq + 1, Digest: l.Digest})
				want = append(want, fmt.Sprint(Inserted, " CYTUBE:", seq))
				seq += 2
			default:
				stored = append(stored, sealLine{Seq: seq, Digest: l.Digest})
				seq++
			}
		}
		r := Report{Stream: streams.Cytube}
		info := &jetstream.StreamInfo{}
		r.compare(sealed, stored, explainer{stream: info})
		if got := places(r); !slices.Equal(got, want) {
			t.Fatalf("found %v, want %v\nsealed %v\nstored %v", got, want, sealed, stored)
		}
	})
}

// Whatever is done to a seal, it is not taken for a good one.
func TestBrokenSeals(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	js, key := bus.JetStream(), newKey(t)
	evening(ctx, t, bus)
	good := seal(ctx, t, js, key)
	lines := bytes.SplitAfter(bytes.TrimSuffix(good, []byte("\n")), []byte("\n"))
	bad := map[string][]byte{
		"a line less":      bytes.Join(slices.Delete(slices.Clone(lines), 4, 5), nil),
		"a line twice":     bytes.Join(slices.Insert(slices.Clone(lines), 4, lines[4]), nil),
		"two lines turned": bytes.Join(append(append(slices.Clone(lines[:4]), lines[5], lines[4]), lines[6:]...), nil),
		"no end":           bytes.Join(lines[:len(lines)-1], nil),
		"only a beginning": lines[0],
		"nothing":          nil,
		"something else":   []byte("hello\nworld\n"),
		"other JSON":       []byte("{}\n{}\n"),
	}
	for name, b := range bad {
		_, err := Verify(ctx, js, []ed25519.PublicKey{public(key)}, bytes.NewReader(b))
		if !errors.Is(err, ErrSealBroken) && event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Verify(ctx, js, []ed25519.PublicKey{public(newKey(t))}, bytes.NewReader(good)); !errors.Is(err, ErrSealBroken) || !strings.Contains(err.Error(), "signed by") {
		t.Errorf("signed by another: %v", err)
	}
	if _, err := Verify(ctx, js, nil, bytes.NewReader(good)); err != nil {
		t.Errorf("trusting the seal's own key: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(good)
		i := rapid.IntRange(0, len(b)-2).Draw(t, "byte")
		b[i] ^= byte(1 << rapid.IntRange(0, 7).Draw(t, "bit"))
		// Hexadecimal digits of the signature mean the same in upper case.
		if bytes.EqualFold(b, good) {
			return
		}
		if _, err := readSeal(bytes.NewReader(b), []ed25519.PublicKey{public(key)}); err == nil {
			t.Fatalf("byte %d changed from %q to %q was not noticed", i, good[i], b[i])
		}
	})
}

func TestSealRefusesAnEmptyRange(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	var b bytes.Buffer
	if _, err := Seal(ctx, bus.JetStream(), &b, newKey(t), SealOptions{}); !errors.Is(err, replay.ErrNoMatch) || b.Len() > 0 {
		t.Errorf("it says %v and writes %d bytes", err, b.Len())
	}
}

// forgetting is a chat history with bob in it, on a store of its own, and a seal.
type forgetting struct {
	store  string
	bus    *streams.Bus
	key    ed25519.PrivateKey
	sealed []byte
	stop   func()
}

func newForgetting(ctx context.Context, t *testing.T) *forgetting {
	t.Helper()
	f := &forgetting{store: t.TempDir(), key: newKey(t)}
	server, err := embedded.Start(embedded.Config{Store: f.store})
	if err != nil {
		t.Fatal(err)
	}
	f.stop = sync.OnceFunc(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(f.stop)
	f.bus = streamstest.Bus(t, server)
	evening(ctx, t, f.bus)
	streamstest.Publish(t, f.bus, event.CommandSubject("dice"), event.Command{Command: "roll", User: "Bob", Channel: "lounge", RawMessage: "!roll for bobs-secret"})
	streamstest.Publish(t, f.bus, event.SubjectChat, event.Chat{User: "alice", Message: "bye bob!", Channel: "lounge", Time: ms(20)})
	streamstest.Publish(t, f.bus, event.SubjectChat, event.Chat{User: "alice", Message: "bobsled", Channel: "lounge", Time: ms(21)})
	f.sealed = seal(ctx, t, f.bus.JetStream(), f.key)
	return f
}

func TestForget(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	f := newForgetting(ctx, t)
	bus, js, key := f.bus, f.bus.JetStream(), f.key

	dry, err := Forget(ctx, bus, key, "bob", ForgetOptions{DryRun: true})
	if want := (Forgotten{Events: map[string]int{streams.Cytube: 5, streams.Plugin: 1}, Mentions: 1}); err != nil || !cmp.Equal(dry, want) || dry.Total() != 6 {
		t.Fatalf("a dry run says %+v, %v; want %+v", dry, err, want)
	}
	if r := verify(ctx, t, js, f.sealed, key); len(r.Findings) != 0 {
		t.Fatalf("the dry run erased %v", places(r))
	}
	done, err := Forget(ctx, bus, key, "bob", ForgetOptions{Reason: "asked by mail"})
	if err != nil || !cmp.Equal(done, dry) {
		t.Fatalf("it erased %+v, %v; want %+v", done, err, dry)
	}
	r := verify(ctx, t, js, f.sealed, key)
	if want := []string{"erased CYTUBE:4", "erased CYTUBE:7", "erased CYTUBE:11", "erased CYTUBE:13", "erased CYTUBE:14"}; !r.OK() || !slices.Equal(places(r), want) || !strings.Contains(r.Findings[0].Detail, "asked by mail") {
		t.Errorf("found %v, want %v", places(r), want)
	}
	if _, err := Forget(ctx, bus, key, "bob", ForgetOptions{}); !errors.Is(err, replay.ErrNoMatch) {
		t.Errorf("the second time it says %v", err)
	}
	text := write(ctx, t, bus, Options{})
	if strings.Contains(text, "<bob>") || !strings.Contains(text, "=== erased: asked by mail  [6 event(s) erased]") {
		t.Errorf("the history is:\n%s", text)
	}

	bus.Conn().Close()
	f.stop()
	for _, secret := range []string{"HYPERLINK", "anybody there?", "waves at", "bobs-secret"} {
		if path := holding(t, f.store, secret); path != "" {
			t.Errorf("%s still holds %q", path, secret)
		}
	}
	if holding(t, f.store, "bobsled") == "" {
		t.Error("what was not erased is not on disk either: the test looks in the wrong place")
	}
}

// Only the holder of the key can explain what is missing.
func TestForgedErasure(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	f := newForgetting(ctx, t)
	js := f.bus.JetStream()
	if _, err := Forget(ctx, f.bus, f.key, "bob", ForgetOptions{Reason: "asked by mail"}); err != nil {
		t.Fatal(err)
	}
	other := newKey(t)
	var later bytes.Buffer
	trusted := []ed25519.PublicKey{public(f.key), public(other)}
	if _, err := Seal(ctx, js, &later, other, SealOptions{Trusted: trusted}); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(ctx, js, trusted, &later); err != nil || !r.OK() {
		t.Errorf("a seal made afterwards with another key finds %v, %v", places(r), err)
	}
	if err := cytubeStream(ctx, t, js).DeleteMsg(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := erase(ctx, f.bus, newKey(t), []event.Ref{{Stream: streams.Cytube, Seq: 3}}, event.Erasure{Reason: "forged"}); err != nil {
		t.Fatal(err)
	}
	if r := verify(ctx, t, js, f.sealed, f.key); r.OK() || places(r)[0] != "missing CYTUBE:3" {
		t.Errorf("with a forged erasure: %v", places(r))
	}
}

// holding is a file below dir that contains a text, or "".
func holding(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeysAreMadeWhenAskedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "audit.pem")
	if _, err := OpenKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a key that nobody made it says %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking for a key made one: %v", err)
	}
	made, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (ed25519.PrivateKey, error){"read": OpenKey, "made": CreateKey} {
		if again, err := open(path); err != nil || !again.Equal(made) {
			t.Errorf("%s again it is another key: %v", name, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v, %v", info.Mode(), err)
	}
	if got, err := ParsePublicKey(PublicKey(made)); err != nil || !got.Equal(public(made)) {
		t.Errorf("the public key reads back as %v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(path); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("of a file that is no key it says %v", err)
	}
	if _, err := ParsePublicKey("nonsense"); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("of a text that is no key it says %v", err)
	}
}
