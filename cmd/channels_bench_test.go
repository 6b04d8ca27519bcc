package cmd

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// load is what BenchmarkChannels puts a bot under.
type load struct {
	channels int
	steady   time.Duration // each channel types a line about every two seconds
	full     time.Duration // each channel types the next line once the last is answered, up to the 10 a second that CyTube allows
}

// loadOf reads CHANNELS and DURATION.
func loadOf(b *testing.B) load {
	l := load{channels: 200, steady: time.Minute, full: 15 * time.Second}
	var err error
	if n := os.Getenv("CHANNELS"); n != "" {
		if l.channels, err = strconv.Atoi(n); err != nil {
			b.Fatal(err)
		}
	}
	if d := os.Getenv("DURATION"); d != "" {
		if l.steady, err = time.ParseDuration(d); err != nil {
			b.Fatal(err)
		}
		l.full = l.steady / 4
	}
	return l
}

// BenchmarkChannels is one bot in many channels of one site, all of which speak the
// real protocol in this process; the bot is a process of its own. What counts is
// the time from a line's typing to the moment that its channel hears the answer.
func BenchmarkChannels(b *testing.B) {
	l := loadOf(b)
	for b.Loop() {
		l.run(b)
	}
}

func (l load) run(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*(l.steady+l.full)+2*time.Minute)
	defer cancel()
	site, config := l.site(b)
	bot := l.bot(ctx, b, site, config)
	typists := l.typists(ctx, b, site)
	idle := memory(b, bot, "VmRSS")
	steady := l.phase(ctx, b, typists, l.steady, func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(4000)) * time.Millisecond })
	loaded := memory(b, bot, "VmRSS")
	full := l.phase(ctx, b, typists, l.full, func(*rand.Rand) time.Duration { return 110 * time.Millisecond })
	b.Logf("%-28s %9s %9s %9s %9s %9s %9s", "", "chains", "per s", "p50 ms", "p90 ms", "p99 ms", "max ms")
	logTimes(b, "a line every 2 s in each", steady, l.steady)
	logTimes(b, "as fast as it answers", full, l.full)
	b.Logf("the bot's memory: %d MB at first, %d MB after the first load, %d MB at most", idle, loaded, memory(b, bot, "VmHWM"))
	b.ReportMetric(float64(len(full))/l.full.Seconds(), "chains/s")
	b.ReportMetric(steady[len(steady)*99/100].Seconds()*1000, "p99-ms")
	b.ReportMetric(float64(loaded), "MB")
}

// site starts a site with the channels, and writes the settings of a bot in all of them.
func (l load) site(b *testing.B) (site *cytubetest.Server, config string) {
	b.Helper()
	cfg := cytubetest.Config{Accounts: []cytubetest.Account{{Name: "rosey", Password: "secret"}}}
	list := ""
	for i := range l.channels {
		cfg.Channels = append(cfg.Channels, cytubetest.Channel{Name: channelName(i), Ranks: map[string]float64{"rosey": 2}})
		list += "  - channel: " + channelName(i) + "\n"
	}
	site, err := cytubetest.Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(site.Close)
	config = filepath.Join(b.TempDir(), "rosey.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "site: %s\nuser: rosey\njoins_per_second: 1000\nchannels:\n%s", site.URL(), list), 0o600); err != nil {
		b.Fatal(err)
	}
	return site, config
}

// bot starts a bot, waits until it has joined all channels, and returns its process ID.
func (l load) bot(ctx context.Context, b *testing.B, site *cytubetest.Server, config string) (pid int) {
	b.Helper()
	var log bytes.Buffer
	bot := program(context.Background(), b, "run", "--config", config, "--store", filepath.Join(b.TempDir(), "store"), "--log-level", "warn")
	bot.Env = append(bot.Env, "ROSEY_PASSWORD=secret")
	bot.Stderr = &log
	began := time.Now()
	if err := bot.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = bot.Process.Signal(os.Interrupt)
		if err := bot.Wait(); err != nil {
			b.Errorf("the bot: %v\n%s", err, log.String())
		}
	})
	for i := range l.channels {
		if err := site.WaitUser(ctx, channelName(i), "rosey"); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d channels joined in %s", l.channels, time.Since(began).Round(time.Millisecond))
	return bot.Process.Pid
}

// typists joins a user to each channel.
func (l load) typists(ctx context.Context, b *testing.B, site *cytubetest.Server) []*typist {
	b.Helper()
	typists := make([]*typist, l.channels)
	for i := range typists {
		u, err := cytubetest.Join(ctx, site.URL(), channelName(i), fmt.Sprint("user-", i), "")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(u.Close)
		typists[i] = &typist{user: u, channel: i, random: rand.New(rand.NewPCG(1, uint64(i)))}
	}
	return typists
}

// logTimes logs a row of how many lines were answered, and how fast.
func logTimes(b *testing.B, what string, took []time.Duration, over time.Duration) {
	b.Helper()
	if len(took) == 0 {
		b.Fatal("nothing was answered")
	}
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.Logf("%-28s %9d %9.0f %9.1f %9.1f %9.1f %9.1f", what, len(took), float64(len(took))/over.Seconds(), ms(.5), ms(.9), ms(.99), ms(1))
}

func channelName(i int) string { return fmt.Sprint("channel-", i) }

// phase has all typists type for a while and gives the sorted times that their
// answers took. Each answer must be heard once, in its own channel.
func (l load) phase(ctx context.Context, b *testing.B, typists []*typist, d time.Duration, pause func(*rand.Rand) time.Duration) (took []time.Duration) {
	b.Helper()
	deadline := time.Now().Add(d)
	results := make([][]time.Duration, len(typists))
	errs := make([]error, len(typists))
	var wg sync.WaitGroup
	for i, t := range typists {
		wg.Go(func() { results[i], errs[i] = t.run(ctx, deadline, pause) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			b.Errorf("%s: %v", channelName(i), err)
		}
		took = append(took, results[i]...)
	}
	if b.Failed() {
		b.FailNow()
	}
	slices.Sort(took)
	return took
}

// typist is a channel's user.
type typist struct {
	user    *cytubetest.User
	channel int
	random  *rand.Rand
	n       int
}

var rolled = regexp.MustCompile(`Rolled d6\+(\d+):`)

func (t *typist) run(ctx context.Context, deadline time.Time, pause func(*rand.Rand) time.Duration) (took []time.Duration, err error) {
	for {
		timer := time.NewTimer(pause(t.random))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return took, ctx.Err()
		}
		if time.Now().After(deadline) {
			return took, nil
		}
		t.n++
		// Another channel would have another number, and none a million or more.
		want := strconv.Itoa(t.channel*4000 + t.n)
		began := time.Now()
		if err := t.user.Send(ctx, "!roll d6+"+want); err != nil {
			return took, err
		}
		for {
			m, err := t.user.Next(ctx)
			if err != nil {
				return took, fmt.Errorf("no answer to %s: %w", want, err)
			}
			got := rolled.FindStringSubmatch(m.Text)
			if m.From != "rosey" || got == nil {
				continue
			}
			if got[1] != want {
				return took, fmt.Errorf("heard %q instead of the answer to %s", m.Text, want)
			}
			break
		}
		took = append(took, time.Since(began))
	}
}

// memory is a field of a process's /proc/…/status, in MB; 0 where there is none.
func memory(b *testing.B, pid int, field string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	return 0
}
