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
	"time"

	"github.com/rosey-bot/rosey/crashtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 4 && os.Args[1] == "nats" {
		exit(crashtest.ServeNATS(ctx, os.Args[2], os.Args[3]))
	}
	rosey := flag.String("rosey", "bin/rosey", "the program `FILE`")
	seed := flag.Uint64("seed", 1, "what decides when to kill what")
	duration := flag.Duration("duration", time.Minute, "how long to type and kill, for each mode")
	mode := flag.String("mode", "both", "embedded, external or both: whose NATS server it is")
	soak := flag.Bool("soak", false, "kill seldom, put on more load, and watch that nothing grows")
	dir := flag.String("dir", "", "`DIR` to leave stores and logs in; without it they stay only when something was wrong")
	flag.Parse()
	exit(prove(ctx, *rosey, *mode, *dir, *seed, *duration, *soak))
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
func prove(ctx context.Context, rosey, mode, dir string, seed uint64, duration time.Duration, soak bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if rosey, err = filepath.Abs(rosey); err != nil {
		return err
	}
	servers := map[string][]string{"embedded": nil, "external": {self, "nats"}}
	if _, ok := servers[mode]; !ok && mode != "both" {
		return fmt.Errorf("-mode %s: choose embedded, external or both", mode)
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
	for _, m := range []string{"embedded", "external"} {
		if mode != "both" && mode != m {
			continue
		}
		cfg := crashtest.Config{
			Rosey: []string{rosey}, NATS: servers[m], Seed: seed, Duration: duration, Soak: soak, Dir: filepath.Join(dir, m), Progress: os.Stderr,
		}
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
