package streams

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// takeStore locks the store. A file beside the lock names the holder until it
// stops: torn says that the last one did not. It is not the lock itself, which
// nobody can read on Windows while it is held.
func takeStore(c ServerConfig) (lock *flock.Flock, torn bool, err error) {
	lock = flock.New(filepath.Join(c.Store, "lock"), flock.SetPermissions(0o600))
	note := filepath.Join(c.Store, holderFile)
	// A command that looks for a running bot holds the lock for an instant.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	got, err := lock.TryLockContext(ctx, 20*time.Millisecond)
	before, unknown := os.ReadFile(note)
	if !got && c.Patience > 0 && !strings.HasPrefix(string(before), c.Holder+" (") {
		ctx, cancel := context.WithTimeout(context.Background(), c.Patience)
		defer cancel()
		if c.Logger != nil {
			c.Logger.Info("waiting until the store is free", "held_by", holderName(before))
		}
		got, err = lock.TryLockContext(ctx, 50*time.Millisecond)
		before, unknown = os.ReadFile(note)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, false, denied(fmt.Errorf("lock the store: %w", err))
	}
	if !got {
		return nil, false, fmt.Errorf("%w: %s is held by %s; stop that process first or choose another directory with --store",
			ErrStoreInUse, c.Store, holderName(before))
	}
	torn = unknown == nil
	holder := c.Holder
	if holder == "" {
		holder = filepath.Base(os.Args[0])
	}
	text := fmt.Sprintf("%s (pid %d, since %s)", holder, os.Getpid(), time.Now().Format("2006-01-02 15:04:05"))
	if err := os.WriteFile(note, []byte(text), 0o600); err != nil {
		lock.Unlock()
		return nil, false, denied(fmt.Errorf("note who holds the store: %w", err))
	}
	return lock, torn, nil
}

// holderFile is the file in a store that names who holds it.
const holderFile = "holder"

func forgetHolder(store string) error {
	if err := os.Remove(filepath.Join(store, holderFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func holderName(note []byte) string {
	if name := strings.TrimSpace(string(note)); name != "" {
		return name
	}
	return "another process"
}
