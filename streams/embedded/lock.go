package embedded

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

	"github.com/rosey-bot/rosey/streams/connect"
)

// lockStore locks the store. A file beside the lock names the holder until it
// stops, so that one which is there already says that the last shutdown was
// unclean. It is not the lock itself, which Windows lets nobody read while it is
// held.
func lockStore(c Config) (lock *flock.Flock, unclean bool, err error) {
	lock = flock.New(connect.LockPath(c.Store), flock.SetPermissions(0o600))
	note := filepath.Join(c.Store, holderFile)
	// A command that looks for a running bot holds the lock for an instant.
	locked, err := tryLock(lock, time.Second, 20*time.Millisecond)
	before, missing := os.ReadFile(note)
	if !locked && c.LockTimeout > 0 && !strings.HasPrefix(string(before), c.Holder+" (") {
		if c.Logger != nil {
			c.Logger.Info("store locked, waiting", "holder", holderName(before))
		}
		locked, err = tryLock(lock, c.LockTimeout, 50*time.Millisecond)
		before, missing = os.ReadFile(note)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, false, connect.Denied(fmt.Errorf("lock the store: %w", err))
	}
	if !locked {
		return nil, false, fmt.Errorf("%w: %s is held by %s; stop that process first or choose another store",
			ErrStoreInUse, c.Store, holderName(before))
	}
	holder := c.Holder
	if holder == "" {
		holder = filepath.Base(os.Args[0])
	}
	text := fmt.Sprintf("%s (pid %d, since %s)", holder, os.Getpid(), time.Now().Format("2006-01-02 15:04:05"))
	if err := os.WriteFile(note, []byte(text), 0o600); err != nil {
		lock.Unlock()
		return nil, false, connect.Denied(fmt.Errorf("write the store's holder: %w", err))
	}
	return lock, missing == nil, nil
}

func tryLock(lock *flock.Flock, atMost, every time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	return lock.TryLockContext(ctx, every)
}

// holderFile is the file in a store that names the process that holds it.
const holderFile = "holder"

func removeHolder(store string) error {
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
