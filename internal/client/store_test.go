package client

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		says bool
	}{{&os.PathError{Op: "open", Path: "holder", Err: syscall.EROFS}, true}, {os.ErrPermission, false}} {
		err := explainReadOnly(fmt.Errorf("note who holds the store: %w", c.err))
		if strings.Contains(err.Error(), "copy the store") != c.says || !errors.Is(err, c.err) {
			t.Errorf("%v", err)
		}
	}
}
