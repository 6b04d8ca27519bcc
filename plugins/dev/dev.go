// Package dev runs a plugin's program while somebody works on it: it is built and started
// again at each change of its files, and the last one that could be built goes on while a
// newer one cannot.
package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/plugins/process"
)

// Loop builds and runs a program.
type Loop struct {
	// Supervisor runs the program. Its command's folder is watched.
	Supervisor *process.Supervisor
	// Build, if set, builds the program anew. It reports whether that changed it.
	Build   func(ctx context.Context) (changed bool, err error)
	Notices io.Writer // what the loop does, for who works on the plugin
}

// Run runs the program until ctx ends. A program that cannot be built is no error: Run waits
// for the next change.
func (l Loop) Run(ctx context.Context) (err error) {
	changes := make(chan struct{}, 1)
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := make(chan error, 1)
	running.Go(func() {
		watching <- process.WatchFolder(ctx, l.Supervisor.Command.Dir, func() {
			select {
			case changes <- struct{}{}:
			default: // what is built next sees this one, too
			}
		})
	})
	for started := false; ; {
		began := time.Now()
		switch changed, err := l.build(ctx); {
		case ctx.Err() != nil:
			return nil
		case err != nil && started:
			fmt.Fprintf(l.Notices, "%s\nnot built: the last one that could be built goes on\n", err)
		case err != nil:
			fmt.Fprintf(l.Notices, "%s\nnot built: waiting for a change in %s\n", err, l.Supervisor.Command.Dir)
		case !started:
			started = true
			running.Go(func() { l.Supervisor.Run(ctx) })
		case changed:
			l.Supervisor.Restart()
			fmt.Fprintf(l.Notices, "restarted, %s after the change\n", time.Since(began).Round(10*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-watching:
			return fmt.Errorf("watch %s: %w", l.Supervisor.Command.Dir, err)
		case <-changes:
		}
	}
}

func (l Loop) build(ctx context.Context) (changed bool, err error) {
	if l.Build == nil {
		return true, nil
	}
	return l.Build(ctx)
}

// GoBuild returns a Loop.Build of a main package of the Go module in dir.
func GoBuild(dir, main, program string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			return false, err
		}
		next := program + ".next"
		if _, err := goCommand(ctx, dir, "build", "-o", next, main); err != nil {
			return false, err
		}
		same := equal(program, next)
		return !same, os.Rename(next, program)
	}
}

// MainPackage returns the main package of the Go module in dir, of which there must be one.
func MainPackage(ctx context.Context, dir string) (string, error) {
	out, err := goCommand(ctx, dir, "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "./...")
	if err != nil {
		return "", err
	}
	switch found := strings.Fields(string(out)); len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("there is no program in %s: rosey plugin new makes one in cmd/rosey", dir)
	default:
		return "", fmt.Errorf("there are several programs in %s: name one with --main, %s", dir, strings.Join(found, " or "))
	}
}

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if text := strings.TrimSpace(stderr.String()); err != nil && text != "" {
		return nil, errors.New(text)
	}
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}

// equal reports whether two files hold the same.
func equal(a, b string) bool {
	x, err := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// Gate is a reader that gives nothing before it is opened.
type Gate struct {
	Reader io.Reader
	Open   <-chan struct{}
}

// Read implements io.Reader.
func (g Gate) Read(p []byte) (int, error) {
	<-g.Open
	return g.Reader.Read(p)
}
