package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// OfFormat is the directory in a store with the backup that was made before the store was
// migrated from a format.
func OfFormat(store string, format int) string {
	return filepath.Join(store, fmt.Sprintf("before-format-%d", format+1))
}

// OfFormats lists the directories of OfFormat that exist in a store.
func OfFormats(store string) []string {
	found, _ := filepath.Glob(filepath.Join(store, "before-format-*")) // fails for bad patterns only
	return found
}

// Ensure makes a backup in dir unless it holds a finished one, and reports whether it did.
// It replaces one that was not finished.
func Ensure(ctx context.Context, js jetstream.JetStream, dir string) (made bool, err error) {
	if _, err := Open(dir); err == nil {
		return false, nil
	} else if !errors.Is(err, ErrNoBackup) {
		return false, err
	}
	if err := removeUnfinished(dir); err != nil {
		return false, fmt.Errorf("remove the unfinished backup in %s: %w", dir, err)
	}
	_, err = Backup(ctx, js, dir, nil)
	return err == nil, err
}

func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() == manifestFile || filepath.Ext(e.Name()) == extension {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
