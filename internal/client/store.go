package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

// openStore starts a server on a store that no process uses, and connects to it.
func openStore(store, name string, log *slog.Logger) (*Client, error) {
	server, err := embedded.Start(embedded.Config{Store: store, Holder: name, Logger: log})
	if err != nil {
		return nil, explainReadOnly(err)
	}
	nc, err := server.Connect(nats.Name(name))
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, errors.Join(err, server.Stop())
	}
	return newClient(nc, js, server), nil
}

// explainReadOnly adds to the error of a disk that cannot be written to what to do.
func explainReadOnly(err error) error {
	if !errors.Is(err, syscall.EROFS) {
		return err
	}
	return fmt.Errorf("%w: copy the store to where it can be written to, and name the copy with --store (what rosey backup made can be read where it is)", err)
}

// OpenBackup restores a backup into a temporary store, which Close removes, so that it
// can be read like a store.
func OpenBackup(ctx context.Context, dir, name string, log *slog.Logger, progress func(snapshot.Progress)) (*Client, snapshot.Manifest, error) {
	store, err := os.MkdirTemp("", "rosey-backup-")
	if err != nil {
		return nil, snapshot.Manifest{}, fmt.Errorf("make room for the backup: %w", err)
	}
	c, err := openStore(store, name, log)
	if err != nil {
		return nil, snapshot.Manifest{}, errors.Join(err, os.RemoveAll(store))
	}
	c.temporary = store
	m, err := snapshot.Restore(ctx, c.JS, dir, snapshot.RestoreOptions{ReadOnly: true, Progress: progress})
	if err != nil {
		return nil, m, errors.Join(err, c.Close())
	}
	return c, m, nil
}

// OpenTarget opens what a backup is restored into: an external server, or a store on
// which no bot runs.
func OpenTarget(ctx context.Context, s settings.Settings, name string, log *slog.Logger) (*Client, error) {
	if s.External() {
		return Connect(ctx, s, name, log)
	}
	if err := CheckStore(s.Store); err != nil {
		return nil, err
	}
	switch info, err := connect.Find(s.Store); {
	case err == nil:
		return nil, fmt.Errorf("a bot runs on the store %s (pid %d): stop it first, or name another store with --store", s.Store, info.PID)
	case !errors.Is(err, connect.ErrNotRunning):
		return nil, err
	}
	return openStore(s.Store, name, log)
}

// CheckStore returns an error for a directory that no server can work on: a backup,
// into which the server would put its own files, and what CheckComplete refuses. A
// directory that does not exist is none of these.
func CheckStore(dir string) error {
	if snapshot.Is(dir) {
		return fmt.Errorf("%s is a backup, which can be read and not changed: restore it with rosey restore %s --store DIR, and use that store", dir, dir)
	}
	return CheckComplete(dir)
}

// CheckComplete returns an error for what is not a directory, and for a store into
// which a restore was broken off.
func CheckComplete(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory: name the one that holds the store with --store", dir)
	}
	if Incomplete(dir) {
		return fmt.Errorf("%s is no whole store: the restore into it was broken off, unless it still goes on; remove the directory and restore again", dir)
	}
	return nil
}
