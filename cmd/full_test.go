package cmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// busOf is a Bus on the server of a bot that runs.
func busOf(t *testing.T, store string) *streams.Bus {
	t.Helper()
	nc, err := connect.Await(soon(t), connect.Remote{Store: store, Name: "test"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return streams.NewBus(nc, js)
}

// A store that has no room left: the bot says so everywhere, keeps what it has,
// refuses what is new with a clear error, and goes on by itself when there is
// room. What was said in the channel meanwhile is recorded and answered then.
func TestFullStore(t *testing.T) {
	streamstest.Slow(t, "fills stores")
	t.Parallel()
	for name, tt := range map[string]struct {
		setting string
		fill    func(t *testing.T, disk *streamstest.Disk, bus *streams.Bus) (clear func())
		says    string
		disk    int64
		server  int64 // bytes of an external server's max_file_store
	}{
		"at store_max": {
			setting: "store_max: 10MiB\n", says: "raise store_max",
			fill: func(t *testing.T, _ *streamstest.Disk, bus *streams.Bus) func() {
				streamstest.FillStore(t, bus)
				return func() { streamstest.FreeStore(t, bus) }
			},
		},
		"on an external server": {
			setting: "lease_term: 2s\n", says: "takes no events: the store is full", server: 12 << 20,
			fill: func(t *testing.T, _ *streamstest.Disk, bus *streams.Bus) func() {
				streamstest.FillStore(t, bus)
				return func() { streamstest.FreeStore(t, bus) }
			},
		},
		"on a disk without a free byte": {
			setting: "store_reserve: 8MiB\n", says: "store_reserve keeps 8.0 MiB free", disk: 64 << 20,
			fill: func(_ *testing.T, disk *streamstest.Disk, _ *streams.Bus) func() {
				disk.Fill(0)
				return disk.Clear
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := &streamstest.Disk{Dir: t.TempDir()}
			if tt.disk > 0 {
				disk = streamstest.SmallDisk(t, tt.disk)
			}
			where, bus := []string{"--store", disk.Dir}, func() *streams.Bus { return busOf(t, disk.Dir) }
			if tt.server > 0 {
				nc, url := streamstest.External(t, t.TempDir(), tt.server)
				js, err := jetstream.New(nc)
				if err != nil {
					t.Fatal(err)
				}
				where, bus = []string{"--nats", url}, func() *streams.Bus { return streams.NewBus(nc, js) }
			}
			testFullStore(t, where, tt.setting, tt.says, bus, func(bus *streams.Bus) func() { return tt.fill(t, disk, bus) })
		})
	}
}

func testFullStore(t *testing.T, where []string, setting, says string, busOf func() *streams.Bus, fill func(*streams.Bus) func()) {
	f := &fullStore{channels: openChannels(t, "lobby"), where: where}
	config := settingsFileWith(t, "site: %s\nuser: rosey\nchannel: lobby\nlog_level: info\n%s", f.site.URL(), setting)
	f.process = startWith(t, []string{"ROSEY_PASSWORD=secret"}, append([]string{"run", "--config", config, "--metrics", "127.0.0.1:0"}, where...)...)
	f.awaitUser("lobby", f.process)
	f.awaitGauge(0)
	f.say("lobby", "!roll d6+100")
	f.hear("lobby", `Rolled d6\+100`)
	expect(t, []outcome{{[]string{"db", "set", "quotes", `{"text":"kept"}`}, 0, ""}}, where...)
	bus := busOf()
	clear := fill(bus)
	// A line is what finds the disk full, where nobody looked yet.
	const commands = 6
	for i := range commands - 1 {
		f.say("lobby", fmt.Sprintf("!roll d6+%d", 200+i))
	}
	f.awaitFull()
	// What was typed may have found room all the same; from now on nothing does.
	f.say("lobby", fmt.Sprintf("!roll d6+%d", 200+commands-1))
	began := time.Now()
	f.awaitGauge(1)
	advice := "the store is full"
	if where[0] == "--nats" {
		advice = "raise max_file"
	}
	expect(t, []outcome{
		{[]string{"status"}, 1, says},
		{[]string{"doctor", "--config", config}, 1, advice},
		{[]string{"db", "set", "quotes", `{"text":"refused"}`}, 1, "the store is full"},
		{[]string{"db", "set", "fresh", `{"text":"refused"}`}, 1, "the store is full"},
		{[]string{"send", "hello"}, 1, "the store is full"},
		{[]string{"db", "get", "quotes", "1"}, 0, "kept"},
		{[]string{"replay", "--since", "1h"}, 0, "Rolled d6+100"},
	}, where...)
	refusal := refusedSet(t, bus)
	if !f.isFull() {
		t.Error("/readyz does not say any more that the store is full")
	}
	f.awaitHeldLines()
	took := time.Since(began)
	clear()
	for i := range commands {
		f.hear("lobby", fmt.Sprintf(`Rolled d6\+%d`, 200+i))
	}
	f.awaitReady()
	f.awaitGauge(0)
	expect(t, []outcome{{[]string{"db", "set", "quotes", `{"text":"new"}`}, 0, ""}}, where...)
	f.answeredOnce()
	if got := rosey(t, "", append([]string{"dead", "ls"}, where...)...); strings.Contains(got.stdout, "CYTUBE:") {
		t.Errorf("there are dead letters: %s", got.stdout)
	}
	if code := f.process.interrupt(); code != 0 {
		t.Errorf("the bot ended with %d\n%s", code, f.process.stderr.String())
	}
	t.Logf("full for %s or more: %d commands recorded and answered once there was room, by the same process; refused with: %s",
		took.Round(time.Millisecond), commands, refusal)
}

// fullStore is a bot in a lobby whose store becomes full.
type fullStore struct {
	*channels
	process *process
	where   []string // the flags that name the store
}

// isFull reports whether /readyz says that the store is full.
func (f *fullStore) isFull() bool {
	status, body := fetch(f.t, strings.TrimSuffix(f.process.served(), "/metrics")+"/readyz")
	return status == http.StatusServiceUnavailable && strings.Contains(body, "the store is full")
}

func (f *fullStore) awaitFull() {
	f.t.Helper()
	if err := until(f.ctx, f.isFull); err != nil {
		f.t.Fatalf("/readyz does not say that the store is full\n%s", f.process.stderr.String())
	}
}

// awaitGauge waits until the page of metrics says whether the store is full.
func (f *fullStore) awaitGauge(want float64) {
	f.t.Helper()
	if err := until(f.ctx, func() bool {
		_, text := fetch(f.t, f.process.served())
		v, shown := parsePage(f.t, text).sum("rosey_store_full")
		return shown && v == want
	}); err != nil {
		f.t.Errorf("rosey_store_full is not %v: %v", want, err)
	}
}

// awaitHeldLines waits until the status says that the lines wait in the bot, or, where
// nobody can write a lease, that the bot left, as it may not be the only one.
func (f *fullStore) awaitHeldLines() {
	f.t.Helper()
	held := func(channel bot.ChannelStatus) bool { return channel.Connector.Queue > 0 }
	if f.where[0] == "--nats" {
		held = func(channel bot.ChannelStatus) bool { return !channel.Connected }
	}
	if err := until(f.ctx, func() bool {
		var s fullStatus
		got := rosey(f.t, "", append([]string{"status", "--output", "json"}, f.where...)...)
		return json.Unmarshal([]byte(got.stdout), &s) == nil && s.Bot != nil && held(s.Bot.Channels[0])
	}); err != nil {
		f.t.Errorf("status does not say that the channel's lines wait\n%s", f.process.stderr.String())
	}
}

func (f *fullStore) awaitReady() {
	f.t.Helper()
	if err := until(f.ctx, func() bool { return rosey(f.t, "", append([]string{"status"}, f.where...)...).code == 0 }); err != nil {
		f.t.Fatalf("the bot is not ready again\n%s", f.process.stderr.String())
	}
}

// answeredOnce compares how often each command was answered.
func (f *fullStore) answeredOnce() {
	f.t.Helper()
	answers := map[string]int{}
	roll := regexp.MustCompile(`Rolled (d6\+\d+)`)
	for _, l := range f.site.Heard() {
		if m := roll.FindStringSubmatch(l.Text); m != nil && isRosey(l) {
			answers[m[1]]++
		}
	}
	for what, n := range answers {
		if n != 1 {
			f.t.Errorf("%s was answered %d times", what, n)
		}
	}
}

// refusedSet sends a database.set that the store has no room for, and returns why it
// was refused.
func refusedSet(t *testing.T, bus *streams.Bus) string {
	t.Helper()
	reply, err := bus.Conn().Request(event.SubjectSet, []byte(`{"collection":"quotes","data":{"text":"refused"}}`), testPatience)
	if err != nil {
		t.Fatal(err)
	}
	var refusal struct {
		Success bool           `json:"success"`
		Code    string         `json:"error_code"`
		Error   string         `json:"error"`
		Details map[string]any `json:"details"`
	}
	if err := json.Unmarshal(reply.Data, &refusal); err != nil || refusal.Success || refusal.Code != "DATABASE_ERROR" || refusal.Details["reason"] != "store_full" {
		t.Errorf("database.set answers %s", reply.Data)
	}
	return refusal.Error
}

func isRosey(l cytubetest.Line) bool { return l.User == "rosey" }

// A bot that is started on a full store comes up, says what is wrong, and works
// once there is room.
func TestStartOnFullStore(t *testing.T) {
	streamstest.Slow(t, "fills a store")
	t.Parallel()
	store := t.TempDir()
	config := settingsFileWith(t, "store_max: 10MiB\nretention:\n  CYTUBE: {max_bytes: 5MiB}\n")
	p := start(t, "run", "--local", "--config", config, "--store", store)
	p.say("hello")
	p.expect("^operator: hello$")
	waitStored(t, store, "hello")
	streamstest.FillStore(t, busOf(t, store))
	if code := p.interrupt(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr.String())
	}
	p = start(t, "run", "--local", "--config", config, "--store", store)
	if err := until(soon(t), func() bool {
		r := rosey(t, "", "status", "--store", store)
		return r.code == 1 && strings.Contains(r.stdout, "raise store_max")
	}); err != nil {
		t.Fatalf("status does not say that the store is full\n%s", p.stderr.String())
	}
	p.say("!roll d6+300")
	streamstest.FreeStore(t, busOf(t, store))
	p.expect(`Rolled d6\+300`)
}
