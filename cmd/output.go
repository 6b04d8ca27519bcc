package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// output is the program's stdout. It keeps the first error of a write, so that no command
// has to check each and a full disk is still reported.
type output struct {
	io.Writer
	onClosed func() // is called once the reader closed the pipe

	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
			if errors.Is(err, syscall.EPIPE) && o.onClosed != nil {
				o.onClosed()
			}
		}
	}
	return n, err
}

// closed reports whether the reader closed the pipe.
func (o *output) closed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Is(o.err, syscall.EPIPE)
}

// Fd returns the descriptor of the file, by which a terminal is recognized, or an invalid
// one.
func (o *output) Fd() uintptr {
	if f, ok := o.Writer.(*os.File); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// failure returns the first error of a write. A reader that closed the pipe, as head
// does, is none.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil || errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("write the output: %w", o.err)
}
