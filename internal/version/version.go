// Package version says what the program was built from.
package version

import (
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Set by the release build, as go version -m does not know every kind of checkout.
var release, commit, commitTime, modified string

// String returns the version, as v1.2.3.
func String() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "1.0.0-dev"
}

// Semantic returns the version without the v of a release's tag, as NATS services
// and platform.startup have it.
func Semantic() string { return semantic(String()) }

func semantic(version string) string { return strings.TrimPrefix(version, "v") }

// Build is what the program was built from.
type Build struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit,omitempty"`
	Modified bool      `json:"modified"` // the commit's files had been changed
	Date     time.Time `json:"date,omitzero"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	Server   string    `json:"nats_server"`
	Client   string    `json:"nats_go"`
}

// Read returns what the program was built from, as far as it knows.
func Read() Build {
	b := Build{Version: String(), Commit: commit, Modified: modified == "true", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	b.Date, _ = time.Parse(time.RFC3339, commitTime)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Date, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/nats-io/nats-server/v2":
			b.Server = m.Version
		case "github.com/nats-io/nats.go":
			b.Client = m.Version
		}
	}
	return b
}
