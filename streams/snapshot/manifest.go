// Package snapshot copies everything that a NATS account's JetStream holds into
// a directory and back: streams, KV buckets and object stores, with sequences,
// times, headers and the positions of durable consumers. It uses JetStream's own
// snapshots, so it works while events are being stored, against the embedded
// server as against a cluster.
//
// A backup is a directory with one file a stream, manifest.json, which says what
// they hold, and SHA256SUMS, which `sha256sum -c` understands. SHA256SUMS is
// written last: without it, the backup was not finished.
package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	layout       = 1 // of the directory; a reader refuses one that is newer
	manifestFile = "manifest.json"
	sumsFile     = "SHA256SUMS"
	extension    = ".snapshot"
)

// Errors that callers tell apart.
var (
	// ErrNoBackup is wrapped when a directory does not hold a finished backup.
	ErrNoBackup = errors.New("not a backup")
	// ErrDamaged is wrapped when a backup's files are not those that were written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNotEmpty is wrapped when a directory or stream is not empty.
	ErrNotEmpty = errors.New("not empty")
)

// Manifest says what a backup holds.
type Manifest struct {
	Layout  int       `json:"layout"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	Server  string    `json:"server"` // version of the NATS server that made it
	Streams []Stream  `json:"streams"`
}

// Stream is one stream, KV bucket (KV_…) or object store (OBJ_…) of a backup.
type Stream struct {
	Name      string          `json:"name"`
	Messages  uint64          `json:"messages"`
	Bytes     uint64          `json:"bytes"` // in the stream
	FirstSeq  uint64          `json:"first_seq"`
	LastSeq   uint64          `json:"last_seq"`
	Reached   uint64          `json:"reached"`   // its last sequence once the whole backup was made
	Size      int64           `json:"size"`      // bytes of the file
	Positions []Position      `json:"positions"` // of durable consumers
	Config    json.RawMessage `json:"config"`
	State     json.RawMessage `json:"state"`
}

// Position is the ack floor of a durable consumer when the backup began. What it
// handled while the backup was made is handled again after a restore: the effects
// may not be in the backup, and those that are deduplicate by their Nats-Msg-Id.
type Position struct {
	Consumer string `json:"consumer"`
	Acked    uint64 `json:"acked"` // stream sequence
}

// Messages returns how many messages the backup holds in all.
func (m Manifest) Messages() (n uint64) {
	for _, s := range m.Streams {
		n += s.Messages
	}
	return n
}

// Size returns how many bytes the backup's streams take on disk.
func (m Manifest) Size() (n int64) {
	for _, s := range m.Streams {
		n += s.Size
	}
	return n
}

// Progress is how far a backup, a check or a restore is.
type Progress struct {
	Stream   string // the one being worked on
	Done     int64  // bytes
	Total    int64  // bytes; 0 when it cannot be known before the end
	Checking bool   // checksums are compared, and nothing is restored yet
}

func (s Stream) file() string { return s.Name + extension }

// Is reports whether dir holds a backup, finished or not.
func Is(dir string) bool {
	for _, name := range []string{manifestFile, sumsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Open reads what a backup holds. It checks the manifest but not yet the
// streams: see Verify. The error wraps ErrNoBackup or ErrDamaged.
func Open(dir string) (Manifest, error) {
	m, _, err := open(dir)
	return m, err
}

func open(dir string) (Manifest, map[string]string, error) {
	sums, err := readSums(dir)
	if err != nil {
		return Manifest{}, nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, dir, err)
	}
	sum := sha256.Sum256(text)
	if hex.EncodeToString(sum[:]) != sums[manifestFile] {
		return Manifest{}, nil, damaged(dir, manifestFile)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, filepath.Join(dir, manifestFile), err)
	}
	if m.Layout > layout {
		return Manifest{}, nil, fmt.Errorf("the backup in %s has layout %d, and this version reads up to %d: use the version that made it", dir, m.Layout, layout)
	}
	for _, s := range m.Streams {
		if s.Name == "" || strings.ContainsAny(s.Name, `/\.`) {
			return Manifest{}, nil, fmt.Errorf("%w: %s names a stream %q", ErrDamaged, filepath.Join(dir, manifestFile), s.Name)
		}
		if sums[s.file()] == "" {
			return Manifest{}, nil, fmt.Errorf("%w: %s has no line for %s", ErrDamaged, filepath.Join(dir, sumsFile), s.file())
		}
	}
	return m, sums, nil
}

func damaged(dir, name string) error {
	return fmt.Errorf("%w: %s is not as it was written; use another copy of the backup", ErrDamaged, filepath.Join(dir, name))
}

func readSums(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && Is(dir):
		return nil, fmt.Errorf("%w: the backup in %s was never finished, as it has no %s: make another one", ErrNoBackup, dir, sumsFile)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s has no %s and no %s; name the directory that rosey backup made", ErrNoBackup, dir, manifestFile, sumsFile)
	case err != nil:
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok || len(sum) != hex.EncodedLen(sha256.Size) {
			return nil, damaged(dir, sumsFile)
		}
		sums[name] = sum
	}
	return sums, nil
}

// Verify checks every file of a backup against its checksum. Progress may be
// nil. The error wraps ErrNoBackup or ErrDamaged and names the file.
func Verify(ctx context.Context, dir string, progress func(Progress)) (Manifest, error) {
	m, sums, err := open(dir)
	if err != nil {
		return m, err
	}
	done := int64(0)
	for _, s := range m.Streams {
		h := sha256.New()
		n, err := readFile(ctx, filepath.Join(dir, s.file()), func(b []byte) error {
			h.Write(b)
			done += int64(len(b))
			report(progress, Progress{Stream: s.Name, Done: done, Total: m.Size(), Checking: true})
			return nil
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return m, fmt.Errorf("%w: %s is missing from %s; use another copy of the backup", ErrDamaged, s.file(), dir)
		case err != nil:
			return m, fmt.Errorf("check %s: %w", s.file(), err)
		case n != s.Size || hex.EncodeToString(h.Sum(nil)) != sums[s.file()]:
			return m, damaged(dir, s.file())
		}
	}
	return m, nil
}

func report(progress func(Progress), p Progress) {
	if progress != nil {
		progress(p)
	}
}

// readFile calls f with each piece of a file and returns the bytes read.
func readFile(ctx context.Context, path string, f func([]byte) error) (n int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for b := make([]byte, 256<<10); ctx.Err() == nil; {
		k, err := file.Read(b)
		n += int64(k)
		if k > 0 {
			err = cmp.Or(f(b[:k]), err)
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, ctx.Err()
}
