package process

import (
	"context"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a folder must be left alone after a change, as an editor or a
// compiler writes several files.
const settleTime = 200 * time.Millisecond

// unwatched are folders whose files are not the plugin's own.
var unwatched = []string{"node_modules", "__pycache__"}

// watch restarts the program after each change in its folder, until ctx ends.
func (s *Supervisor) watch(ctx context.Context, log *slog.Logger) {
	changed := func() {
		log.InfoContext(ctx, "files of plugin changed, restarting")
		s.Restart()
	}
	if err := WatchFolder(ctx, s.Command.Dir, changed); err != nil {
		log.WarnContext(ctx, "files of plugin not watched", "error", err)
	}
}

// WatchFolder calls changed after files in a folder or below were changed, until ctx ends. It
// passes over hidden files and those of packages and caches.
func WatchFolder(ctx context.Context, dir string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	if err := watchBelow(w, dir); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	<-timer.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			changed()
		case e := <-w.Events:
			if !e.Has(fsnotify.Chmod) && !isUnwatched(e.Name) {
				_ = watchBelow(w, e.Name) // a folder that is new
				timer.Reset(settleTime)
			}
		case err := <-w.Errors:
			return err
		}
	}
}

func watchBelow(w *fsnotify.Watcher, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != dir && isUnwatched(path):
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

func isUnwatched(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") && name != "." || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".pyc") || slices.Contains(unwatched, name)
}
