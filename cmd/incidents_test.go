package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

var (
	update = flag.Bool("update", false, "write the output of the commands in docs/incidents.md anew")
	record = flag.Bool("record", false, "make the incidents of examples/incidents anew, with a real bot")
)

const root = ".."

// shellWords splits a command line, with '…' around words with blanks.
var shellWords = regexp.MustCompile(`'[^']*'|[^ ]+`)

// Every command that docs/incidents.md shows prints what the page says.
func TestIncidents(t *testing.T) {
	streamstest.Slow(t, "runs several bots")
	t.Parallel()
	page := filepath.Join(root, "docs", "incidents.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	ran, inBlock := 0, false
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
		}
		written.WriteString(line + "\n")
		command, ok := strings.CutPrefix(line, "$ rosey ")
		if !inBlock || !ok {
			continue
		}
		ran++
		want := ""
		for ; i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "```") && !strings.HasPrefix(lines[i+1], "$ "); i++ {
			want += lines[i+1] + "\n"
		}
		got := shown(t, command)
		written.WriteString(got)
		if got != want && !*update {
			t.Errorf("rosey %s prints\n%sthe page says\n%s", command, got, want)
		}
	}
	if ran < 9 {
		t.Errorf("the page has %d commands only", ran)
	}
	if *update {
		if err := os.WriteFile(page, bytes.TrimSuffix(written.Bytes(), []byte("\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is what a command prints to somebody in UTC who stands in the project's
// folder.
func shown(t *testing.T, command string) string {
	t.Helper()
	var args []string
	for _, word := range shellWords.FindAllString(command, -1) {
		args = append(args, strings.Trim(word, "'"))
	}
	cmd := program(t.Context(), t, args...)
	cmd.Dir = root
	cmd.Env = append(cmd.Env, "TZ=UTC")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if stdout.Len() == 0 {
		t.Errorf("rosey %s prints nothing: %s", command, stderr.String())
	}
	return stdout.String()
}

// TestRecordIncidents makes the recordings: it lets a real bot go through each
// incident and backs its store up. The page's output then has to be written anew
// (-update).
func TestRecordIncidents(t *testing.T) {
	if !*record {
		t.Skip("the incidents are recorded")
	}
	for name, happen := range map[string]func(*scene){"answered-twice": answeredTwice, "vanished-command": vanishedCommand, "flooded-chat": floodedChat} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			happen(s)
			if code := s.bot.interrupt(); code != 0 {
				t.Fatalf("the bot ended with %d: %s", code, s.bot.stderr.String())
			}
			dir := filepath.Join(root, "examples", "incidents", name)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if r := rosey(t, "", "backup", dir, "--store", s.store); r.code != 0 {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// A scene is a channel with a moderator in it and a bot.
type scene struct {
	t     *testing.T
	ctx   context.Context
	site  *cytubetest.Server
	store string
	bot   *process
	mod   *cytubetest.User
}

func newScene(t *testing.T) *scene {
	t.Helper()
	site, err := cytubetest.Start(cytubetest.Config{
		Accounts: []cytubetest.Account{{Name: "rosey", Password: "rosey-pw"}, {Name: "mod", Password: "mod-pw"}},
		Channels: []cytubetest.Channel{{Name: "lounge", Open: true, Ranks: map[string]float64{"mod": 3, "rosey": 2}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &scene{t: t, ctx: ctx, site: site, store: filepath.Join(t.TempDir(), "store")}
	s.mod = s.user("mod", "mod-pw")
	s.bot = startWith(t, []string{"ROSEY_PASSWORD=rosey-pw"}, "run", "--site", site.URL(), "--channel", "lounge", "--user", "rosey", "--store", s.store)
	s.ok(site.WaitUser(ctx, "lounge", "rosey"))
	s.ok(until(ctx, func() bool { return rosey(t, "", "status", "--store", s.store).code == 0 }))
	return s
}

func (s *scene) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) user(name, password string) *cytubetest.User {
	s.t.Helper()
	u, err := cytubetest.Join(s.ctx, s.site.URL(), "lounge", name, password)
	s.ok(err)
	s.t.Cleanup(u.Close)
	return u
}

// heard waits until the channel heard n lines with a text.
func (s *scene) heard(text string, n int) {
	s.t.Helper()
	s.ok(until(s.ctx, func() bool {
		count := 0
		for _, l := range s.site.Heard() {
			if strings.Contains(l.Text, text) && l.User == "rosey" {
				count++
			}
		}
		return count >= n
	}))
}

func (s *scene) connect(name string) *streams.Bus {
	s.t.Helper()
	nc, err := connect.Await(s.ctx, connect.Remote{Store: s.store, Name: name}, time.Minute)
	s.ok(err)
	s.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	s.ok(err)
	return streams.NewBus(nc, js)
}

func (s *scene) eventually(subject string) {
	s.t.Helper()
	s.ok(until(s.ctx, func() bool {
		return rosey(s.t, "", "replay", "--subject", subject, "--store", s.store).code == 0
	}))
}

// answeredTwice: somebody's script runs twice, and each run reads the commands
// with a consumer of its own.
func answeredTwice(s *scene) {
	bus := s.connect("weather")
	kv, err := router.OpenBucket(s.ctx, bus.JetStream(), 1)
	s.ok(err)
	_, err = kv.Put(s.ctx, "weather", []byte(`{"name":"weather","version":"0.3.1","description":"Tells the weather","commands":[{"name":"weather","usage":"weather CITY","description":"tells the weather"}],"min_rank":0}`))
	s.ok(err)
	for i, host := range []string{"attic", "cellar"} {
		c, err := bus.JetStream().OrderedConsumer(s.ctx, streams.Plugin, jetstream.OrderedConsumerConfig{FilterSubjects: []string{event.CommandSubject("weather")}})
		s.ok(err)
		running, err := c.Consume(func(msg jetstream.Msg) {
			meta, err := msg.Metadata()
			if err != nil {
				return
			}
			time.Sleep(time.Duration(i) * 40 * time.Millisecond) // the cellar is slower
			command, err := event.Decode(msg.Subject(), msg.Data())
			if err != nil {
				return
			}
			answer, err := json.Marshal(map[string]any{
				"subject": event.SubjectSendChat, "data": map[string]any{"message": "🌦 Lisbon: 19 °C, light rain", "channel": "lounge"},
				"timestamp": float64(time.Now().UnixMilli()) / 1000, "priority": 1, "correlation_id": command.CorrelationID,
				"metadata": map[string]any{"source": "plugin-weather", "causation_id": fmt.Sprintf("PLUGIN:%d", meta.Sequence.Stream), "host": host},
			})
			if err == nil {
				_, _ = bus.JetStream().Publish(context.Background(), event.SubjectSendChat, answer)
			}
		})
		s.ok(err)
		s.t.Cleanup(running.Stop)
	}
	alice := s.user("alice", "")
	s.ok(alice.Say(s.ctx, "hi all"))
	s.eventually("cytube.user.join")
	s.ok(until(s.ctx, func() bool {
		return strings.Contains(rosey(s.t, "", "plugin", "ls", "--store", s.store).stdout, "weather")
	}))
	s.ok(alice.Say(s.ctx, "!weather Lisbon"))
	s.heard("Lisbon", 2)
	s.ok(alice.Say(s.ctx, "why does it say everything twice?"))
	s.ok(alice.Say(s.ctx, "!roll 2d6"))
	s.heard("Rolled", 1)
}

// vanishedCommand: a plugin was down when it was asked, and came back too late.
func vanishedCommand(s *scene) {
	bus := s.connect("weather")
	kv, err := router.OpenBucket(s.ctx, bus.JetStream(), 1)
	s.ok(err)
	// Long enough for the answers that are to come, also on a slow machine.
	const maxAge = 20 * time.Second
	weather := plugins.Plugin{
		Name: "weather", Version: "0.4.0", Description: "Tells the weather", MaxAge: maxAge,
		Commands: []plugins.Command{{Name: "weather", Usage: "CITY", Description: "tells the weather",
			Handle: func(c *plugins.Context) ([]event.Envelope, error) {
				return c.Say("🌦 %s: 19 °C, light rain", strings.Join(c.Command.Args, " ")), nil
			}}},
	}
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(s.ctx)
		var running sync.WaitGroup
		running.Go(func() {
			host := host.Host{Bus: bus, Bucket: kv, Logger: slog.New(slog.DiscardHandler)}
			_ = host.Run(ctx, weather)
		})
		return sync.OnceFunc(func() { cancel(); running.Wait() })
	}
	stop := run()
	alice := s.user("alice", "")
	s.ok(until(s.ctx, func() bool {
		return strings.Contains(rosey(s.t, "", "plugin", "ls", "--store", s.store).stdout, "weather")
	}))
	s.ok(alice.Say(s.ctx, "!weather Lisbon"))
	s.heard("Lisbon", 1)
	stop()
	s.ok(alice.Say(s.ctx, "!weather Oslo"))
	s.ok(alice.Say(s.ctx, "!roll 2d6"))
	s.heard("Rolled", 1)
	s.ok(until(s.ctx, func() bool {
		asked, err := bus.JetStream().Stream(s.ctx, streams.Plugin)
		s.ok(err)
		last, err := asked.GetLastMsgForSubject(s.ctx, event.CommandSubject("weather"))
		return err == nil && time.Since(last.Time) > maxAge
	}))
	s.t.Cleanup(run())
	s.eventually("plugin.weather.event.expired")
	s.ok(alice.Say(s.ctx, "!weather Rome"))
	s.heard("Rome", 1)
}

// floodedChat: somebody types commands as fast as the channel lets them.
func floodedChat(s *scene) {
	alice, mallory := s.user("alice", ""), s.user("mallory", "")
	s.ok(alice.Say(s.ctx, "!8ball will it rain?"))
	s.heard("🎱", 1)
	for range 30 {
		s.ok(mallory.Say(s.ctx, "!roll 9d6"))
	}
	s.ok(alice.Say(s.ctx, "!8ball is anybody there?"))
	s.heard("🎱", 2)
	s.ok(s.mod.Send(s.ctx, "/mute mallory"))
	s.ok(s.mod.Send(s.ctx, "/kick mallory flooding"))
	s.eventually("cytube.moderation.kick")
	s.ok(alice.Say(s.ctx, "thank you"))
}
