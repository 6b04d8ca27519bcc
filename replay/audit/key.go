package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

const pemType = "PRIVATE KEY"

// OpenKey reads the ed25519 key that signs seals and erasures from a PEM file (PKCS #8).
// The error wraps fs.ErrNotExist if there is no such file.
func OpenKey(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the audit key: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil && block.Type == pemType {
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := parsed.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, event.Errorf(event.InvalidInput, "%s is not an ed25519 key in PEM: make one with openssl genpkey -algorithm ed25519, or move the file away and make one with rosey audit key", path)
}

// CreateKey makes a key for OpenKey, or reads the one that is there. Whoever has the
// file can sign, so it is readable by its owner alone.
func CreateKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the audit key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the audit key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the audit key: %w", err)
	}
	// Of two processes that make the key at the same time, one must lose.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return OpenKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("make the audit key: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write the audit key: %w", err)
	}
	return key, nil
}

// PublicKey is a key's public half as people pass it on.
func PublicKey(key ed25519.PrivateKey) string {
	return encodeKey(key.Public().(ed25519.PublicKey))
}

func encodeKey(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

// ParsePublicKey reads what PublicKey returns.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, event.Errorf(event.InvalidInput, "%q is not a public key: it must be %d bytes in base64", text, ed25519.PublicKeySize)
	}
	return b, nil
}

// ReadTrustedKeys reads a file of public keys, one at the beginning of each line, which
// may go on with a name. Empty lines and those that begin with # are skipped.
func ReadTrustedKeys(path string) (keys []ed25519.PublicKey, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		key, err := ParsePublicKey(fields[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, event.Errorf(event.InvalidInput, "%s holds no key", path)
	}
	return keys, nil
}
