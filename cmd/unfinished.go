package cmd

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

// markFile is in a store while a backup is restored into it, and for ever if that
// is broken off: some streams are whole then, and none of them tells.
const markFile = "restoring"

// whole refuses what is no directory, and a store that a restore has left undone.
func whole(store string) error {
	if info, err := os.Stat(store); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory: name the one that holds the store with --store", store)
	}
	if unfinished(store) {
		return fmt.Errorf("%s is no whole store: the restore into it was broken off, unless it still goes on; remove the directory and restore again", store)
	}
	return nil
}

func unfinished(store string) bool {
	_, err := os.Lstat(filepath.Join(store, markFile))
	return err == nil
}

// markUnfinished puts the mark on a store, so that it outlives a power cut.
func markUnfinished(store string) error {
	f, err := os.OpenFile(filepath.Join(store, markFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString("rosey restore has not come to its end here.\n")
		err = errors.Join(err, f.Sync(), f.Close(), syncDir(store))
	}
	if err != nil {
		return fmt.Errorf("mark the store as not whole yet: %w", err)
	}
	return nil
}

// unmark takes the mark off when the restore of a backup is done, or has taken back
// everything that it made. One that could not leaves it.
func unmark(ctx context.Context, target *client, store string, m snapshot.Manifest, done bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	left := func(s snapshot.Stream) bool {
		_, err := target.js.Stream(ctx, s.Name)
		return !errors.Is(err, jetstream.ErrStreamNotFound)
	}
	if !done && slices.ContainsFunc(m.Streams, left) {
		return nil
	}
	if err := os.Remove(filepath.Join(store, markFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark the store as whole: %w", err)
	}
	return nil
}

// syncDir has the names of a directory's files outlive a power cut, where a
// directory can be synced.
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
