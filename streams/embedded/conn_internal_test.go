package embedded

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

func TestCoalescingConnReadsWholeWrites(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pieces []int
		buffer int
		within time.Duration
		want   []int // sizes of reads, to the end
	}{
		"a short piece":                     {[]int{110}, 32768, time.Minute, []int{110}},
		"full pieces and the rest":          {[]int{512, 512, 88}, 32768, time.Minute, []int{1112}},
		"pieces of all sizes":               {[]int{512, 4096, 65536, 1}, 1 << 20, time.Minute, []int{512 + 4096 + 65536 + 1}},
		"full pieces and nothing after":     {[]int{512, 512}, 32768, time.Minute, []int{1024}},
		"one full piece for a while":        {[]int{512}, 32768, time.Nanosecond, []int{512}},
		"a buffer that takes not all of it": {[]int{512, 512}, 600, time.Minute, []int{600, 424}},
		"a buffer of just a piece":          {[]int{512, 10}, 512, time.Minute, []int{512, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, server := net.Pipe()
			written := make(chan []byte, 1)
			go func() {
				var all []byte
				for i, n := range tc.pieces {
					piece := bytes.Repeat([]byte{byte('a' + i)}, n)
					all = append(all, piece...)
					if _, err := server.Write(piece); err != nil {
						t.Error(err)
					}
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				written <- all
			}()
			p := &coalescingConn{Conn: ours, within: tc.within}
			var sizes []int
			var got []byte
			for buffer := make([]byte, tc.buffer); ; {
				n, err := p.Read(buffer)
				got = append(got, buffer[:n]...)
				if n > 0 {
					sizes = append(sizes, n)
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(sizes, tc.want) {
				t.Errorf("read %v, want %v", sizes, tc.want)
			}
			if !bytes.Equal(got, <-written) {
				t.Error("what was read is not what was written")
			}
		})
	}
}

// A deadline that the client sets must hold, and go on holding.
func TestCoalescingConnKeepsDeadlines(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*coalescingConn, time.Time) error{
		"of both":    (*coalescingConn).SetDeadline,
		"of reading": (*coalescingConn).SetReadDeadline,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, server := net.Pipe()
			defer server.Close()
			p := &coalescingConn{Conn: ours, within: time.Nanosecond}
			if err := set(p, time.Now().Add(2*time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = server.Write(make([]byte, 512)) }()
			buffer := make([]byte, 1024)
			if n, err := p.Read(buffer); n != 512 || err != nil {
				t.Fatalf("read %d, %v", n, err)
			}
			if _, err := p.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a read past the deadline gives %v", err)
			}
		})
	}
}
