package embedded

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
)

// nats-server compresses a block of a stream when it is full, if the stream had that setting
// when the server started, and leaves others as they are (2.15.2). It reads either.

// compressHistory compresses the full blocks that are not, such as those of earlier releases.
// It must run before the server does. A block that cannot be compressed stays as it is.
func (s *Server) compressHistory() {
	began, before, after := time.Now(), 0, 0
	for _, spec := range streams.Specs() {
		blocks := blockFiles(filepath.Join(s.streamDir(spec.Name), "msgs"))
		for _, block := range blocks[:max(len(blocks)-1, 0)] { // to the last the server adds
			was, is, err := compressBlock(block, filepath.Join(s.store, "compressing"))
			if err != nil {
				s.log.Warn("block of a stream not compressed", "stream", spec.Name, "file", block, "error", err)
			}
			if before == 0 && was > 0 {
				s.log.Info("compressing history")
			}
			before, after = before+was, after+is
		}
	}
	if before > 0 {
		s.log.Info("history compressed", "bytes_before", before, "bytes_after", after, "took", time.Since(began).Round(time.Millisecond))
	}
}

// blockFiles lists the files of a stream's blocks in their order.
func blockFiles(dir string) []string {
	files := filesOf(dir, ".blk")
	number := func(file string) int {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".blk"))
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return files
}

// filesOf lists the files of a directory with a suffix.
func filesOf(dir, suffix string) (files []string) {
	entries, _ := os.ReadDir(dir) // a stream without messages may have none
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}

// compressBlock compresses the file of a block, and returns its size before and after; both
// are 0 if it was compressed already.
func compressBlock(file, temporary string) (before, after int, err error) {
	compressed, err := isCompressed(file)
	if compressed || err != nil {
		return 0, 0, err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	packed, err := server.S2Compression.Compress(slices.Clone(raw))
	if err != nil {
		return 0, 0, err
	}
	if back, err := server.S2Compression.Decompress(slices.Clone(packed)); err != nil || !bytes.Equal(back, raw) {
		return 0, 0, fmt.Errorf("what was compressed is not what there was: %w", err)
	}
	head := server.CompressionInfo{Algorithm: server.S2Compression, OriginalSize: uint64(len(raw))}
	packed = append(head.MarshalMetadata(), packed...)
	if err := connect.ReplaceFile(file, temporary, packed); err != nil {
		return 0, 0, err
	}
	return len(raw), len(packed), nil
}

// isCompressed reads the beginning of a block. What is too short to be compressed counts as
// compressed.
func isCompressed(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 16)
	if n, err := f.Read(head); err != nil || n < len(head) {
		return true, nil //nolint:nilerr // it is empty
	}
	var info server.CompressionInfo
	n, err := info.UnmarshalMetadata(head)
	return n > 0, err
}
