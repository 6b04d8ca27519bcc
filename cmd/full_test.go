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
// room. What was said in the room meanwhile is recorded and answered then.
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
				streamstest.Stuff(t, bus)
				return func() { streamstest.Unstuff(t, bus) }
			},
		},
		"on an external server": {
			setting: "lease_term: 2s\n", says: "takes no events: the store is full", server: 12 << 20,
			fill: func(t *testing.T, _ *streamstest.Disk, bus *streams.Bus) func() {
				streamstest.Stuff(t, bus)
				return func() { streamstest.Unstuff(t, bus) }
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
	r := openRooms(t, "lobby")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nchannel: lobby\nlog_level: info\n%s", r.site.URL(), setting)
	leased := where[0] == "--nats"
	rosey := func(t *testing.T, stdin string, args ...string) result {
		return rosey(t, stdin, append(args, where...)...)
	}
	p := startWith(t, []string{"ROSEY_PASSWORD=secret"}, append([]string{"run", "--config", config, "--metrics", "127.0.0.1:0"}, where...)...)
	if err := r.site.WaitUser(r.ctx, "lobby", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	readyz := strings.TrimSuffix(p.served(), "/metrics") + "/readyz"
	// gauge waits until the page of metrics says whether the store is full.
	gauge := func(want float64) {
		t.Helper()
		if err := until(r.ctx, func() bool {
			_, text := fetch(t, p.served())
			v, shown := parsePage(t, text).sum("rosey_store_full")
			return shown && v == want
		}); err != nil {
			t.Errorf("rosey_store_full is not %v: %v", want, err)
		}
	}
	gauge(0)
	r.say("lobby", "!roll d6+100")
	r.hear("lobby", `Rolled d6\+100`)
	if got := rosey(t, "", "db", "set", "quotes", `{"text":"kept"}`); got.code != 0 {
		t.Fatalf("db set: %+v", got)
	}
	bus := busOf()
	clear := fill(bus)
	// A line is what finds the disk full, where nobody looked yet.
	const commands = 5
	for i := range commands {
		r.say("lobby", fmt.Sprintf("!roll d6+%d", 200+i))
	}
	full := func() bool {
		status, body := fetch(t, readyz)
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the store is full")
	}
	if err := until(r.ctx, full); err != nil {
		t.Fatalf("/readyz does not say that the store is full\n%s", p.stderr.String())
	}
	began := time.Now()
	gauge(1)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"status"}, 1, says},
		{[]string{"doctor", "--config", config}, 1, "the store is full"},
		{[]string{"db", "set", "quotes", `{"text":"refused"}`}, 1, "the store is full"},
		{[]string{"db", "set", "fresh", `{"text":"refused"}`}, 1, "the store is full"},
		{[]string{"send", "hello"}, 1, "the store is full"},
		{[]string{"db", "get", "quotes", "1"}, 0, "kept"},
		{[]string{"replay", "--since", "1h"}, 0, "Rolled d6+100"},
	} {
		if got := rosey(t, "", c.args...); got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.says) {
			t.Errorf("%v while the store is full: %+v", c.args, got)
		}
	}
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
	if status, _ := fetch(t, readyz); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	// The lines wait in the bot, or, where nobody can write a lease, it leaves, as it
	// may not be the only one.
	held := func(channel bot.ChannelStatus) bool { return channel.Connector.Queue > 0 }
	if leased {
		held = func(channel bot.ChannelStatus) bool { return !channel.Connected }
	}
	if err := until(r.ctx, func() bool {
		var s fullStatus
		got := rosey(t, "", "status", "--output", "json")
		return json.Unmarshal([]byte(got.stdout), &s) == nil && s.Bot != nil && held(s.Bot.Channels[0])
	}); err != nil {
		t.Errorf("status does not say that the channel's lines wait\n%s", p.stderr.String())
	}
	took := time.Since(began)
	clear()
	for i := range commands {
		r.hear("lobby", fmt.Sprintf(`Rolled d6\+%d`, 200+i))
	}
	if err := until(r.ctx, func() bool { return rosey(t, "", "status").code == 0 }); err != nil {
		t.Fatalf("the bot is not ready again\n%s", p.stderr.String())
	}
	gauge(0)
	if got := rosey(t, "", "db", "set", "quotes", `{"text":"new"}`); got.code != 0 {
		t.Errorf("db set when there is room: %+v", got)
	}
	answers := map[string]int{}
	roll := regexp.MustCompile(`Rolled (d6\+\d+)`)
	for _, l := range r.site.Heard() {
		if m := roll.FindStringSubmatch(l.Text); m != nil && isRosey(l) {
			answers[m[1]]++
		}
	}
	for what, n := range answers {
		if n != 1 {
			t.Errorf("%s was answered %d times", what, n)
		}
	}
	if got := rosey(t, "", "dead", "ls"); strings.Contains(got.stdout, "CYTUBE:") {
		t.Errorf("there are dead letters: %s", got.stdout)
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("the bot ended with %d\n%s", code, p.stderr.String())
	}
	t.Logf("full for %s or more: %d commands recorded and answered once there was room, each once, by the same process; refused with: %s",
		took.Round(time.Millisecond), len(answers)-1, refusal.Error)
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
	streamstest.Stuff(t, busOf(t, store))
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
	streamstest.Unstuff(t, busOf(t, store))
	p.expect(`Rolled d6\+300`)
}
