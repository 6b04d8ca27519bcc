package cmd

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"
)

// What the release build sets. It says itself what a checkout holds: Go does not
// look into every kind of checkout, and where it does the program would differ.
var release, commit, commitTime, modified string

// version is what the build says of itself.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "1.0.0-dev"
}

// buildInfo is what the program was built from.
type buildInfo struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit,omitempty"`
	Modified bool      `json:"modified"` // the commit's files had been changed
	Date     time.Time `json:"date,omitzero"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	Server   string    `json:"nats_server"`
	Client   string    `json:"nats_go"`
}

func readBuild() buildInfo {
	b := buildInfo{Version: version(), Commit: commit, Modified: modified == "true", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "what this program was built from",
		Description: `   rosey version
   rosey version --output json`,
		Flags: []cli.Flag{outputFlag()},
		Action: func(c *cli.Context) error {
			b := readBuild()
			if wantJSON(c) {
				if err := json.NewEncoder(c.App.Writer).Encode(b); err != nil {
					return fmt.Errorf("print the version: %w", err)
				}
				return nil
			}
			fmt.Fprintf(c.App.Writer, "rosey %s for %s\n", b.Version, b.Platform)
			if b.Commit != "" {
				changed := ""
				if b.Modified {
					changed = ", with changes"
				}
				fmt.Fprintf(c.App.Writer, "commit       %s of %s%s\n", b.Commit, b.Date.Format(time.DateOnly), changed)
			}
			fmt.Fprintf(c.App.Writer, "Go           %s\nnats-server  %s\nnats.go      %s\n", b.Go, b.Server, b.Client)
			return nil
		},
	}
}
