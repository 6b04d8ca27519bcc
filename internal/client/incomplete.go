package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/snapshot"
)

// incompleteFile exists in a store from the beginning of a restore to its success, as
// nothing else tells a store in which some streams are missing.
const incompleteFile = "restoring"

// Incomplete reports whether a restore into the store did not succeed.
func Incomplete(store string) bool {
	_, err := os.Lstat(filepath.Join(store, incompleteFile))
	return err == nil
}

// MarkIncomplete marks a store as Incomplete, durably.
func MarkIncomplete(store string) error {
	f, err := os.OpenFile(filepath.Join(store, incompleteFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString("rosey restore has not come to its end here.\n")
		err = errors.Join(err, f.Sync(), f.Close(), syncDir(store))
	}
	if err != nil {
		return fmt.Errorf("mark the store as incomplete: %w", err)
	}
	return nil
}

// MarkComplete undoes MarkIncomplete after a restore that succeeded, or that failed
// and removed every stream that it had made; otherwise it leaves the mark.
func (c *Client) MarkComplete(ctx context.Context, store string, m snapshot.Manifest, succeeded bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	exists := func(s snapshot.Stream) bool {
		_, err := c.JS.Stream(ctx, s.Name)
		return !errors.Is(err, jetstream.ErrStreamNotFound)
	}
	if !succeeded && slices.ContainsFunc(m.Streams, exists) {
		return nil
	}
	if err := os.Remove(filepath.Join(store, incompleteFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark the store as complete: %w", err)
	}
	return nil
}

// syncDir makes the names in a directory durable, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
