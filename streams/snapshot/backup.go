package snapshot

import (
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
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/monitor"
)

// Backup writes all streams, buckets and object stores of the connection's account
// to dir, which it creates; one that exists must be empty. Events may be stored
// meanwhile: each stream is copied as it is when its turn comes. Progress may be
// nil. After an error Backup removes what it wrote.
func Backup(ctx context.Context, js jetstream.JetStream, dir string, progress func(Progress)) (m Manifest, err error) {
	made, err := prepare(dir)
	if err != nil {
		return Manifest{}, err
	}
	w := &writer{dir: dir}
	defer func() {
		if err == nil {
			return
		}
		for _, name := range w.written {
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
		if made {
			err = errors.Join(err, os.Remove(dir))
		}
	}()
	m = Manifest{Layout: layout, Began: time.Now().UTC(), Server: js.Conn().ConnectedServerVersion()}
	if m.Streams, err = positions(ctx, js); err != nil {
		return Manifest{}, err
	}
	done := int64(0)
	for i := range m.Streams {
		s := &m.Streams[i]
		err := w.write(s.file(), func(f io.Writer) error {
			return download(ctx, js, s, func(b []byte) error {
				n, err := f.Write(b)
				done, s.Size = done+int64(n), s.Size+int64(n)
				report(progress, Progress{Stream: s.Name, Done: done})
				return err
			})
		})
		if err != nil {
			return Manifest{}, fmt.Errorf("back up %s: %w", s.Name, err)
		}
	}
	// Events of a stream that was copied late may name causes up to there.
	reached, err := monitor.Streams(ctx, js)
	if err != nil {
		return Manifest{}, err
	}
	for i := range m.Streams {
		j := slices.IndexFunc(reached, func(s monitor.StreamState) bool { return s.Name == m.Streams[i].Name })
		if j >= 0 {
			m.Streams[i].Reached = reached[j].LastSeq
		}
	}
	m.Ended = time.Now().UTC()
	if err := w.finish(m); err != nil {
		return Manifest{}, fmt.Errorf("finish the backup: %w", err)
	}
	return m, nil
}

// prepare makes the directory, or checks that it is empty. It reports whether it made
// it.
func prepare(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It will hold private messages.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, fmt.Errorf("create the backup: %w", err)
		}
		return true, nil
	case err != nil:
		return false, fmt.Errorf("create the backup: %w", err)
	case Is(dir):
		return false, fmt.Errorf("%w: %s holds a backup already; choose another directory", ErrNotEmpty, dir)
	case len(entries) > 0:
		return false, fmt.Errorf("%w: %s has files in it; choose another directory for the backup", ErrNotEmpty, dir)
	}
	return false, nil
}

// positions lists the streams with the positions of their durable consumers, before
// any of them is copied.
func positions(ctx context.Context, js jetstream.JetStream) ([]Stream, error) {
	var all []Stream
	states, err := monitor.Streams(ctx, js)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		all = append(all, Stream{Name: s.Name})
	}
	if len(all) == 0 {
		return nil, errors.New("there is nothing to back up: no stream exists; has the bot run on this store?")
	}
	slices.SortFunc(all, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	for i := range all {
		s := &all[i]
		stream, err := js.Stream(ctx, s.Name)
		if err != nil {
			return nil, fmt.Errorf("open stream %s: %w", s.Name, err)
		}
		s.Positions = []Position{}
		consumers := stream.ListConsumers(ctx)
		for info := range consumers.Info() {
			if info.Config.Durable != "" {
				s.Positions = append(s.Positions, Position{info.Name, info.AckFloor.Stream})
			}
		}
		if err := consumers.Err(); err != nil {
			return nil, fmt.Errorf("list consumers of %s: %w", s.Name, err)
		}
	}
	return all, nil
}

// A writer writes a backup's files and keeps their checksums.
type writer struct {
	dir     string
	written []string
	sums    strings.Builder
}

func (w *writer) write(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w.written = append(w.written, name)
	h := sha256.New()
	err = fill(io.MultiWriter(f, h))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(&w.sums, "%s  %s\n", hex.EncodeToString(h.Sum(nil)), name)
	return nil
}

func (w *writer) finish(m Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := w.write(manifestFile, func(f io.Writer) error { _, err := f.Write(append(text, '\n')); return err }); err != nil {
		return err
	}
	sums := w.sums.String()
	return w.write(sumsFile, func(f io.Writer) error { _, err := io.WriteString(f, sums); return err })
}
