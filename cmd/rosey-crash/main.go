// Command rosey-crash checks that the bot loses nothing and doubles nothing, whatever is killed: see package crashtest. It
// exits with 1 when it did.
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
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "rosey-crash: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) == 3 && os.Args[1] == "nats" {
		return crashtest.ServeNATS(os.Args[2])
	}
	rosey := flag.String("rosey", "bin/rosey", "the program `FILE`")
	seed := flag.Uint64("seed", 1, "what decides when to kill what")
	duration := flag.Duration("duration", time.Minute, "how long to type and kill, for each mode")
	mode := flag.String("mode", "both", "embedded, external or both: whose NATS server it is; or cluster: of three, with two bots")
	channels := flag.Int("channels", 3, "how many channels the bot is in")
	soak := flag.Bool("soak", false, "kill seldom, put on more load, and watch that nothing grows")
	plugins := flag.Bool("plugins", false, "type commands of the plugins that run a channel, too")
	pieces := flag.Bool("pieces", false, "delete consumers and buckets and damage files, and kill less else")
	dir := flag.String("dir", "", "`DIR` to leave stores and logs in; without it they stay only when something was wrong")
	flag.Parse()
	modes, ok := map[string][]string{
		"embedded": {"embedded"}, "external": {"external"}, "both": {"embedded", "external"}, "cluster": {"cluster"},
	}[*mode]
	servers := map[string]int{"external": 1, "cluster": 3} // a cluster of three bears one failure at a time
	if !ok {
		return fmt.Errorf("-mode %s: choose embedded, external, both or cluster", *mode)
	}
	program, err := filepath.Abs(*rosey)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg := crashtest.Config{Rosey: []string{program}, NATS: []string{self, "nats"}, Channels: *channels, Seed: *seed, Duration: *duration, Soak: *soak, Plugins: *plugins, Pieces: *pieces, Progress: os.Stderr}
	keep := *dir != ""
	if !keep {
		if *dir, err = os.MkdirTemp("", "rosey-crash-"); err != nil {
			return err
		}
	}
	failed := 0
	for _, m := range modes {
		cfg.Servers, cfg.Dir = servers[m], filepath.Join(*dir, m)
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
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
		return fmt.Errorf("%d of the runs failed; their logs and stores are in %s", failed, *dir)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(*dir)
}
