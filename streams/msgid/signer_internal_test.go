package msgid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"
)

// An ID is the same whoever makes it and whatever was made before it.
func TestSignerIsAnHMAC(t *testing.T) {
	t.Parallel()
	secret := []byte("secret")
	s := newSigner(secret, time.Time{}, false)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 500 {
				id := fmt.Sprintf("plugin-%d/PLUGIN:%d/1", worker, i)
				h := hmac.New(sha256.New, secret)
				h.Write([]byte(id))
				want := id + "~" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macLength])
				if got := s.Sign(id); got != want {
					t.Errorf("%s became %s, want %s", id, got, want)
				}
			}
		})
	}
	all.Wait()
	if id := (Signer{}).Sign("a"); id != "a" {
		t.Errorf("the zero Seal made %s of a", id)
	}
}

func BenchmarkSigner(b *testing.B) {
	s := newSigner([]byte("secret"), time.Time{}, false)
	for b.Loop() {
		s.Sign("plugin-trivia/PLUGIN:123456/1")
	}
}
