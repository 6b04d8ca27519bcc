package embedded

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/streams/connect"
)

// nats-server deletes a message securely in two steps (2.15.2): it writes a tombstone at the
// end of the stream's last block, and then overwrites the message in its own. One that is
// killed in between leaves the bytes of a message that is gone for every reader, and that no
// request reaches any more.

// Of a record in a block: its header, its checksum, and bits of its length and sequence.
const (
	recordHeader   = 22
	recordChecksum = 8
	hasHeaders     = 1 << 31
	isErased       = 1 << 63
	isTombstone    = 1 << 62
)

// finishErasures overwrites the messages that the server was erasing when it was killed. It
// must run before the server does.
func (s *Server) finishErasures() {
	entries, _ := os.ReadDir(s.streamDir("")) // a new store has none
	for _, e := range entries {
		switch seq, err := finishErasure(e.Name(), filepath.Join(s.streamDir(e.Name()), "msgs"), filepath.Join(s.store, "erasing")); {
		case err != nil:
			s.log.Warn("erasure of a killed process not finished, the bytes may still be in the file", "stream", e.Name(), "seq", seq, "error", err)
		case seq > 0:
			s.log.Info("erasure of a killed process finished", "stream", e.Name(), "seq", seq)
		}
	}
}

// finishErasure overwrites the message of which the tombstone is the last record of a
// stream, and returns its sequence if it was not overwritten.
func finishErasure(stream, dir, temporary string) (seq uint64, err error) {
	for _, file := range filesOf(dir, ".blk.tmp") { // which the server leaves
		err = errors.Join(err, os.Remove(file))
	}
	files := blockFiles(dir)
	if len(files) == 0 || err != nil {
		return 0, err
	}
	last, err := readBlock(files[len(files)-1])
	if err != nil {
		return 0, err
	}
	for number := range last.all() { // the last one counts
		seq = number
	}
	if seq&isTombstone == 0 {
		return 0, nil
	}
	seq &^= isTombstone
	for _, file := range slices.Backward(files) {
		b, err := readBlock(file)
		if err != nil {
			return seq, err
		}
		if record := b.find(seq); record != nil {
			if err := b.erase(stream, record); err != nil {
				return seq, err
			}
			// The server's index of the blocks, which it makes again, has their checksums.
			return seq, errors.Join(b.write(temporary), removeFile(filepath.Join(dir, "index.db")))
		}
	}
	return 0, nil
}

func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// A block is a file with messages of a stream.
type block struct {
	file        string
	records     []byte
	compression server.StoreCompression
}

func readBlock(file string) (block, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return block{}, err
	}
	var info server.CompressionInfo
	if n, err := info.UnmarshalMetadata(raw); err == nil && n > 0 {
		raw, err = info.Algorithm.Decompress(raw[n:])
		return block{file, raw, info.Algorithm}, err
	}
	return block{file, raw, server.NoCompression}, nil
}

// all yields the records with their sequences, up to one that is torn.
func (b block) all() iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		for rest := b.records; len(rest) >= recordHeader+recordChecksum; {
			n := int(binary.LittleEndian.Uint32(rest) &^ hasHeaders)
			if n < recordHeader+recordChecksum || n > len(rest) || !yield(binary.LittleEndian.Uint64(rest[4:]), rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// find returns the record of a message that is not erased, or nil.
func (b block) find(seq uint64) []byte {
	for number, record := range b.all() {
		if number == seq {
			return record
		}
	}
	return nil
}

// erase overwrites a record as the server does.
func (b block) erase(stream string, record []byte) error {
	le := binary.LittleEndian
	le.PutUint32(record, uint32(len(record)))
	le.PutUint64(record[4:], le.Uint64(record[4:])|isErased)
	clear(record[12:recordHeader])
	body := record[recordHeader : len(record)-recordChecksum]
	if _, err := rand.Read(body); err != nil {
		return err
	}
	key := sha256.Sum256([]byte(stream + "-" + strings.TrimSuffix(filepath.Base(b.file), ".blk")))
	hash, err := highwayhash.New64(key[:])
	if err != nil {
		return err
	}
	hash.Write(record[4:20])
	hash.Write(body)
	copy(record[len(record)-recordChecksum:], hash.Sum(nil))
	return nil
}

func (b block) write(temporary string) error {
	content := b.records
	if b.compression != server.NoCompression {
		packed, err := b.compression.Compress(bytes.Clone(b.records))
		if err != nil {
			return fmt.Errorf("compress %s: %w", b.file, err)
		}
		head := server.CompressionInfo{Algorithm: b.compression, OriginalSize: uint64(len(b.records))}
		content = append(head.MarshalMetadata(), packed...)
	}
	return connect.ReplaceFile(b.file, temporary, content)
}
