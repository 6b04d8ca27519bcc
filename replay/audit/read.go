package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/rosey-bot/rosey/event"
)

// maxSealLine is the length of a seal's longest line, which is one that lists holes.
const maxSealLine = 64 << 20

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
