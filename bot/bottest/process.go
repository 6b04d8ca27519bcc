package bottest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// variable is the environment variable that makes the test's program a bot: its options.
const variable = "ROSEY_BOTTEST"

// options are the settings of a bot's process.
type options struct {
	Store, Site string
	Channels    []string
	Password    string // the file that has it
}

// Main is the TestMain of a package that calls Start: its program is also the bot, with
// these plugins.
//
//	func TestMain(m *testing.M) { bottest.Main(m, New()) }
func Main(m *testing.M, plugins ...plugins.Plugin) {
	set := os.Getenv(variable)
	if set == "" {
		streamstest.Main(m)
		return
	}
	if err := serve(set, plugins); err != nil {
		fmt.Fprintln(os.Stderr, "the bot failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs the bot until it is interrupted.
func serve(set string, plugins []plugins.Plugin) error {
	var o options
	if err := json.Unmarshal([]byte(set), &o); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := bot.DefaultSettings()
	s.Store, s.Site, s.User, s.PasswordFile, s.Console = o.Store, o.Site, BotName, o.Password, settings.ConsoleOff
	s.JoinsPerSecond = max(s.JoinsPerSecond, float64(len(o.Channels))) // the site has no limit
	for _, name := range o.Channels {
		s.Channels = append(s.Channels, bot.Channel{Name: name})
	}
	b := bot.New(s, plugins...)
	b.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return b.Run(ctx)
}

// process is a bot's process.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
}

// launch starts a process of the test's program that is the bot.
func (w *World) launch() *process {
	w.t.Helper()
	set, err := json.Marshal(w.options)
	w.ok(err)
	exe, err := os.Executable()
	w.ok(err)
	p := &process{cmd: exec.Command(exe), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), variable+"="+string(set), "ROSEY_PASSWORD=")
	p.cmd.Stdout, p.cmd.Stderr = w.t.Output(), w.t.Output()
	w.ok(p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	return p
}

// end sends a signal and waits until the process has ended.
func (p *process) end(s os.Signal) {
	_ = p.cmd.Process.Signal(s) // it may have ended already
	<-p.ended
}

// passwordFile writes the bot's password where the bot's process reads it.
func passwordFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Kill kills the bot as kill -9 does, wherever it is, and waits until it is gone from the
// channels.
func (w *World) Kill() {
	w.t.Helper()
	w.end(syscall.SIGKILL)
}

// Stop ends the bot as Ctrl-C does.
func (w *World) Stop() {
	w.t.Helper()
	w.end(os.Interrupt)
	if code := w.bot.cmd.ProcessState.ExitCode(); code != 0 {
		w.t.Errorf("the bot ended with exit code %d", code)
	}
}

func (w *World) end(s os.Signal) {
	w.t.Helper()
	w.close()
	w.bot.end(s)
	for _, name := range w.options.Channels {
		w.ok(w.Site.WaitGone(w.Context, name, BotName))
	}
}
