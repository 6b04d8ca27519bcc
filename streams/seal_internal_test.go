package streams

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
)

// An ID is the same whoever makes it and whatever was made before it.
func TestSealIsAnHMAC(t *testing.T) {
	t.Parallel()
	secret := []byte("secret")
	s := newSeal(secret)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 500 {
				id := fmt.Sprintf("plugin-%d/PLUGIN:%d/1", worker, i)
				h := hmac.New(sha256.New, secret)
				h.Write([]byte(id))
				want := id + "~" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:sealLength])
				if got := s.id(id); got != want {
					t.Errorf("%s became %s, want %s", id, got, want)
				}
			}
		})
	}
	all.Wait()
	if id := (Seal{}).id("a"); id != "a" {
		t.Errorf("the zero Seal made %s of a", id)
	}
}

func BenchmarkSeal(b *testing.B) {
	s := newSeal([]byte("secret"))
	for b.Loop() {
		s.id("plugin-trivia/PLUGIN:123456/1")
	}
}
