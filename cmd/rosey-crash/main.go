// Command rosey-crash proves that the bot loses nothing and doubles nothing,
// whatever is killed: see package crashtest. It exits with 1 when it found
// otherwise.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rosey-bot/rosey/crashtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 4 && os.Args[1] == "nats" {
		exit(crashtest.ServeNATS(ctx, os.Args[2], os.Args[3]))
	}
	rosey := flag.String("rosey", "bin/rosey", "the program `FILE`")
	seed := flag.Uint64("seed", 1, "what decides when to kill what")
	duration := flag.Duration("duration", time.Minute, "how long to type and kill, for each mode")
	mode := flag.String("mode", "both", "embedded, external or both: whose NATS server it is; or cluster: of three, with two bots")
	cluster := flag.String("nats-server", ".tools/bin/nats-server", "the nats-server program `FILE`, for a cluster")
	channels := flag.Int("channels", 3, "how many channels the bot is in")
	soak := flag.Bool("soak", false, "kill seldom, put on more load, and watch that nothing grows")
	dir := flag.String("dir", "", "`DIR` to leave stores and logs in; without it they stay only when something was wrong")
	flag.Parse()
	exit(prove(ctx, *mode, *dir, crashtest.Config{Rosey: []string{*rosey}, Cluster: *cluster, Channels: *channels, Seed: *seed, Duration: *duration, Soak: *soak}))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "rosey-crash: %s\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// prove runs the modes that were asked for and prints each report. What the
// runs wrote is kept when something was wrong.
func prove(ctx context.Context, mode, dir string, common crashtest.Config) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, program := range []*string{&common.Rosey[0], &common.Cluster} {
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
	}
	embedded, external, cluster := common, common, common
	embedded.Cluster, external.Cluster = "", ""
	external.NATS = []string{self, "nats"}
	modes := map[string]crashtest.Config{"embedded": embedded, "external": external, "cluster": cluster}
	run := []string{mode}
	if mode == "both" {
		run = []string{"embedded", "external"}
	} else if _, ok := modes[mode]; !ok {
		return fmt.Errorf("-mode %s: choose embedded, external, both or cluster", mode)
	}
	keep := dir != ""
	if keep {
		err = os.MkdirAll(dir, 0o700)
	} else {
		dir, err = os.MkdirTemp("", "rosey-crash-")
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, m := range run {
		cfg := modes[m]
		cfg.Dir, cfg.Progress = filepath.Join(dir, m), os.Stderr
		if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
			return err
		}
		r, err := crashtest.Run(ctx, cfg)
		if err != nil {
			return err
		}
		r.Print(os.Stdout)
		if r.Err() != nil {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of the runs failed; their logs and stores are in %s", failed, dir)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(dir)
}
