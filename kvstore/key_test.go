package kvstore

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	for id, want := range map[event.ID]string{
		"42": "42", "-7": "-7", "a_B-9": "a_B-9", "a b": "a=20b", "a.b": "a=2Eb", "=": "=3D", "ü": "=C3=BC", "*": "=2A", ">": "=3E", "a/b": "a=2Fb", "\x00": "=00",
	} {
		if got := encodeKey(id); got != want {
			t.Errorf("encodeKey(%q) = %q, want %q", id, got, want)
		}
	}
	for _, foreign := range []string{"", counterKey, "a.b", "a b", "=", "=4", "=zz", "=61", "=3d", "a=2", "ü", "=FF", "=C3"} {
		if id, ok := decodeKey(foreign); ok {
			t.Errorf("decodeKey(%q) = %q", foreign, id)
		}
	}
}

var validKey = regexp.MustCompile(`^[A-Za-z0-9_=-]+$`)

func checkKey(t interface {
	Fatalf(string, ...any)
}, id event.ID) {
	key := encodeKey(id)
	if !validKey.MatchString(key) || key == counterKey {
		t.Fatalf("%q has key %q", id, key)
	}
	if back, ok := decodeKey(key); !ok || back != id {
		t.Fatalf("%q became %q became %q, %v", id, key, back, ok)
	}
}

func TestKeysAreReversible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkKey(t, event.ID(rapid.StringN(1, 40, -1).Draw(t, "id"))) })
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"42", "=counter", "a.b c", "=3D", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkID("c", event.ID(s)) == nil && s != "" {
			checkKey(t, event.ID(s))
		}
		if id, ok := decodeKey(s); ok && encodeKey(id) != s {
			t.Fatalf("two keys for %q: %q and %q", id, s, encodeKey(id))
		}
	})
}
