package cmd

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/doctor"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// doctor runs rosey doctor and returns its lines, as "check result: message → do".
func diagnose(t *testing.T, args ...string) (code int, lines []string) {
	t.Helper()
	r := rosey(t, "", append([]string{"doctor", "--output", "json"}, args...)...)
	for line := range strings.Lines(r.stdout) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if (f.Do == "") != (f.Result == doctor.OK) {
			// What is well needs nothing, and what is not says what to do.
			t.Errorf("%s", line)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s → %s", f.Check, f.Result, f.Message, f.Do))
	}
	return r.code, lines
}

func has(lines []string, want string) bool {
	for _, l := range lines {
		if strings.Contains(l, want) {
			return true
		}
	}
	return false
}

func TestDoctorOfWhatIsWell(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	code, lines := diagnose(t, "--store", store)
	if code != 0 || !has(lines, "store ok: "+store+" does not exist yet") || !has(lines, "site ok: the bot opens a channel of its own") {
		t.Errorf("before the first start: %d %q", code, lines)
	}
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("the store was made: %v", err)
	}
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 1d6")
	p.expect("^rosey: 🎲")
	code, lines = diagnose(t, "--store", store)
	for _, want := range []string{
		"configuration ok", "store ok", "server ok: NATS 2.", "bot ok: pid ", "streams ok: all 6 are as they should be, with ", "history ok", "consumers ok",
		"dead letters ok: none", "plugins ok", "site ok: http://127.0.0.1:", "telemetry ok",
	} {
		if !has(lines, want) {
			t.Errorf("of a running bot: no %q in %q", want, lines)
		}
	}
	if code != 0 || has(lines, string(doctor.Fail)) {
		t.Errorf("of a running bot: %d %q", code, lines)
	}
	p.interrupt()
	code, lines = diagnose(t, "--store", store)
	if code != 0 || !has(lines, "bot warn: no bot runs on the store → rosey run") || !has(lines, "streams ok") {
		t.Errorf("of a stopped bot: %d %q", code, lines)
	}
	r := rosey(t, "", "doctor", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "warn  bot            no bot runs on the store\n                     → rosey run\n") || !strings.Contains(r.stdout, " ok, 1 warn, 0 FAIL\n") {
		t.Errorf("as text: %+v", r)
	}
}

func TestDoctorOfDamage(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 1d6")
	p.expect("^rosey: 🎲")
	p.interrupt()
	if err := os.Truncate(filepath.Join(store, "jetstream", "$G", "streams", streams.Cytube, "msgs", "1.blk"), 0); err != nil {
		t.Fatal(err)
	}
	// Looking at it does not make it whole.
	for range 2 {
		code, lines := diagnose(t, "--store", store)
		if code != 0 || !has(lines, "history warn: ") || !has(lines, " events of CYTUBE are gone, which was noticed ") {
			t.Errorf("%d %q", code, lines)
		}
	}
	r := rosey(t, "", "backup", filepath.Join(t.TempDir(), "backup"), "--store", store, "--output", "json")
	if r.code != 0 || !strings.Contains(r.stderr, "the backup is not whole: ") || !strings.Contains(r.stdout, `"lost":[{"stream":"CYTUBE"`) {
		t.Errorf("a backup of it: %+v", r)
	}
}

func TestDoctorOfSettings(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "several stores with troubles")
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	home := t.TempDir()
	if r := roseyWith(t, []string{"HOME=" + home}, "", "doctor", "--config", write("home.yaml", "store: ~/xx\n", 0o600)); !strings.Contains(r.stdout, filepath.Join(home, "xx")+" does not exist yet") {
		t.Errorf("a store below the user's own directory: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(home, "c.yaml"), []byte("prefix: '?'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := roseyWith(t, []string{"HOME=" + home}, "", "doctor", "--config=~/c.yaml"); !strings.Contains(r.stdout, "settings from "+filepath.Join(home, "c.yaml")) {
		t.Errorf("settings below the user's own directory: %+v", r)
	}
	if r := rosey(t, "", "doctor", "--config", write("loud.yaml", "log_level: loud\n", 0o600)); r.code != 1 || !strings.Contains(r.stdout, `log level "loud" is not one of`) {
		t.Errorf("a log level that is none: %+v", r)
	}
	if r := roseyWith(t, []string{"ROSEY_PLUGINS="}, "", "doctor", "--config", write("p.yaml", "plugins: help, nonsense\n", 0o600)); !strings.Contains(r.stdout, `no shipped plugin "nonsense"`) {
		t.Errorf("an empty variable gives the list of plugins: %+v", r)
	}
	site := siteWithLounge(t)
	storesWithTroubles(t, dir, write)
	for _, c := range settingsFindings(dir, write, site.URL) {
		args := c.args
		if !strings.Contains(strings.Join(args, " "), "--store") {
			args = append(args, "--store", filepath.Join(dir, "store"))
		}
		if code, lines := diagnose(t, args...); code != c.code || !has(lines, c.says) {
			t.Errorf("rosey doctor %s: %d %q; want %d and %q", strings.Join(c.args, " "), code, lines, c.code, c.says)
		}
	}
	r := rosey(t, "", "doctor", "--config", filepath.Join(dir, "r.yaml"), "--store", filepath.Join(dir, "store"))
	if strings.Contains(r.stdout, "ok    configuration") {
		t.Errorf("a configuration that is well and not: %s", r.stdout)
	}
	r = rosey(t, "", "doctor", "--config", filepath.Join(dir, "broken.yaml"))
	if !strings.Contains(r.stdout, "heartbeet: 5s\n") || strings.Contains(r.stdout, `\n`) {
		t.Errorf("where the configuration is broken is shown as %s", r.stdout)
	}
	if r := rosey(t, "", "doctor", "me"); r.code != 2 {
		t.Errorf("with an argument: %+v", r)
	}
}

// siteWithLounge serves the socket configuration of one channel.
func siteWithLounge(t *testing.T) *httptest.Server {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socketconfig/lounge.json" {
			http.Error(w, `{"error":"Invalid channel"}`, http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"servers":[{"url":"http://127.0.0.1:1","secure":false}]}`)
	}))
	t.Cleanup(site.Close)
	return site
}

// storesWithTroubles makes directories that are no store, each in its way.
func storesWithTroubles(t *testing.T, dir string, write func(name, text string, mode os.FileMode) string) {
	t.Helper()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup")
	if err := os.Mkdir(backup, 0o700); err != nil {
		t.Fatal(err)
	}
	write("backup/SHA256SUMS", "", 0o600)
	torn := filepath.Join(dir, "torn")
	if err := os.Mkdir(torn, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := client.MarkIncomplete(torn); err != nil {
		t.Fatal(err)
	}
}

// settingsFindings lists what doctor finds with flags; says is a line of its output.
func settingsFindings(dir string, write func(name, text string, mode os.FileMode) string, site string) []outcome {
	open, torn, backup := filepath.Join(dir, "open"), filepath.Join(dir, "torn"), filepath.Join(dir, "backup")
	return []outcome{
		{[]string{"--config", write("broken.yaml", "heartbeet: 5s\n", 0o600)}, 1, "configuration FAIL: settings in"},
		{[]string{"--config", write("r.yaml", "retention: {chat: {max_age: 1d}}\n", 0o600)}, 1, "configuration FAIL: retention names a stream CHAT"},
		{[]string{"--config", write("s.yaml", "retention: {cytube: {max_age: 1m}}\n", 0o600)}, 1, "configuration FAIL: stream CYTUBE: max_age 1m0s is shorter"},
		{[]string{"--plugins", "nonsense"}, 1, `configuration FAIL: there is no shipped plugin "nonsense"`},
		{[]string{"--metrics", "0.0.0.0:9464"}, 0, "configuration warn: metrics is open to the network"},
		{[]string{"--console", "0.0.0.0:8484"}, 1, "configuration FAIL: serve the console on 0.0.0.0:8484: others could use it too"},
		{[]string{"--console", "localhost"}, 1, "configuration FAIL: console: address localhost: missing port"},
		{[]string{"--metrics", "localhost"}, 1, "configuration FAIL: metrics: address localhost: missing port"},
		{[]string{"--console", "off", "--config", write("n.yaml", "plugins: none\n", 0o600)}, 0, "configuration ok"},
		{[]string{"--config", write("m.yaml", "plugins: dice-roller, help\n", 0o600)}, 0, "configuration ok"},
		{[]string{"--config", write("l.yaml", "plugins: [dice-roller, help]\n", 0o600)}, 0, "configuration ok"},
		{[]string{"--config", write("o.yaml", "plugins: dice-roller, nonsense\n", 0o600)}, 1, `no shipped plugin "nonsense"`},
		{[]string{"--metrics", "127.0.0.1:9464", "--listen", "[::1]:4222"}, 0, "configuration ok"},
		{[]string{"--password-file", filepath.Join(dir, "none")}, 1, "passwords FAIL: password_file"},
		{[]string{"--password-file", dir}, 1, "is a directory"},
		{[]string{"--password-file", write("loose", "secret", 0o644)}, 0, "passwords warn: others can read"},
		{[]string{"--password-file", write("empty", "", 0o600)}, 0, "passwords warn: password_file: " + filepath.Join(dir, "empty") + " is empty"},
		{[]string{"--password-file", write("good", "secret", 0o600)}, 0, "passwords ok"},
		{[]string{"--store", write("file", "", 0o600)}, 1, "store FAIL: " + filepath.Join(dir, "file") + " is not a directory"},
		{[]string{"--store", open}, 0, "store warn: others can look into"},
		{[]string{"--store", torn}, 1, "store FAIL: the restore into " + torn + " was broken off"},
		{[]string{"--store", backup}, 1, "is a backup, on which no bot can run"},
		{[]string{"--site", site, "--channel", "lounge"}, 0, "site ok: " + site + " has channel lounge at ws://127.0.0.1:1/"},
		{[]string{"--site", site, "--channel", "lounge"}, 0, "passwords ok: none: the bot joins as a guest"},
		{[]string{"--site", site, "--channel", "x"}, 1, `site FAIL: `},
		{[]string{"--site", "http://127.0.0.1:1", "--channel", "lounge"}, 1, "site FAIL: cannot learn where"},
		{[]string{"--site", "cytu.be", "--channel", "lounge"}, 1, "site FAIL: \"cytu.be\": the site must be a URL"},
		{[]string{"--nats", "nats://127.0.0.1:1"}, 1, "server FAIL: connect to NATS at nats://127.0.0.1:1"},
	}
}

// What went wrong in a store shows in it after the bot has stopped.
func TestDoctorOfAStore(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	storeWithTroubles(t, store)
	code, lines := diagnose(t, "--store", store)
	for _, want := range []string{
		"streams warn: PLUGIN: duplicate_window is 1m0s and should be 20m0s", "dead letters warn: 1, the last of plugin-trivia, ",
		"consumers warn: plugin-trivia on PLUGIN is paused, and 1 events wait for it → rosey plugin resume trivia",
		"plugins warn: a and b both register the command same; a gets it", "plugins warn: c is not registered well",
		"plugins warn: d is written for version 1.999 of the event contract, which is newer than the bot's",
		"plugins warn: e is not registered well: registration of e: it is written for version 2.0 of the event contract",
	} {
		if !has(lines, want) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d: %q", code, lines)
	}
	if r := rosey(t, "", "plugin", "info", "e", "--store", store); !strings.Contains(r.stdout, "use a newer bot") || strings.Contains(r.stdout, "reads") {
		t.Errorf("of a plugin without a valid registration it says %+v", r)
	}
	if r := rosey(t, "", "doctor", "--store", store); strings.Contains(r.stdout, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal: %q", r.stdout)
	}
}

// storeWithTroubles makes a store with a stream of other settings, a dead letter, a paused
// consumer, and registrations that clash.
func storeWithTroubles(t *testing.T, store string) {
	t.Helper()
	s, err := embedded.Start(embedded.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	bus := streams.NewBus(nc, js)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(streams.Open(ctx, js, streams.Options{}))
	stream, err := js.Stream(ctx, streams.Plugin)
	must(err)
	config := stream.CachedInfo().Config
	config.Duplicates = time.Minute
	_, err = js.UpdateStream(ctx, config)
	must(err)
	e, err := event.New(event.EventSubject("trivia", event.TypeDeadLetter), event.DeadLetter{
		Consumer: "plugin-trivia", Stream: streams.Plugin, Seq: 1, Subject: "plugin.trivia.command", Error: "no \x1b[31mquestions", Attempts: 5,
	})
	must(err)
	_, err = bus.Publish(ctx, e)
	must(err)
	_, err = js.CreateConsumer(ctx, streams.Plugin, jetstream.ConsumerConfig{Durable: "plugin-trivia", AckPolicy: jetstream.AckExplicitPolicy})
	must(err)
	_, err = js.PauseConsumer(ctx, streams.Plugin, "plugin-trivia", time.Now().Add(time.Hour))
	must(err)
	kv, err := router.OpenBucket(ctx, js, 1)
	must(err)
	for name, value := range map[string]string{
		"a": `{"name":"a","version":"1.0.0","commands":["same"]}`, "b": `{"name":"b","version":"1.0.0","commands":["!Same"]}`, "c": `{"name":"x"}`,
		"d": `{"name":"d","version":"1.0.0","contract":"1.999","commands":["d"]}`, "e": `{"name":"e","version":"1.0.0","contract":"2.0","commands":["e"]}`,
	} {
		_, err = kv.PutString(ctx, name, value)
		must(err)
	}
	nc.Close()
	must(s.Stop())
}

// doctor fails for a server that a bot cannot use, and for no other.
func TestDoctorOfAServer(t *testing.T) {
	t.Parallel()
	serve := func(o server.Options) string {
		t.Helper()
		o.StoreDir = t.TempDir()
		return streamstest.Standalone(t, &o).ClientURL()
	}
	if code, lines := diagnose(t, "--nats", serve(server.Options{})); code != 1 || !has(lines, "server FAIL: NATS 2.") || !has(lines, "without JetStream") {
		t.Errorf("without JetStream: %d %q", code, lines)
	}
	url := serve(server.Options{JetStream: true})
	if code, lines := diagnose(t, "--nats", url); code != 0 || !has(lines, "streams warn: CYTUBE does not exist yet") || !has(lines, "bot warn: no bot answers") {
		t.Errorf("with nothing in it: %d %q", code, lines)
	}
	if r := rosey(t, "", "status", "--nats", url); r.code != 1 || !strings.Contains(r.stdout+r.stderr, "a stream does not exist") {
		t.Errorf("status of a server without a bot: %+v", r)
	}
	if r := rosey(t, "", "send", "--emote", "waves", "--nats", url); r.code != 1 || !strings.Contains(r.stderr, "no bot runs on the server: start one with rosey run") {
		t.Errorf("an emote on a server without a bot: %+v", r)
	}
	js := dial(t, url)
	if _, err := js.CreateStream(streamstest.Context(t), jetstream.StreamConfig{Name: "ALL", Subjects: []string{"database.*"}}); err != nil {
		t.Fatal(err)
	}
	if code, lines := diagnose(t, "--nats", url); code != 1 || !has(lines, "streams FAIL: DATABASE does not exist, and its subject database.> belongs to ALL") {
		t.Errorf("with a stream in the way: %d %q", code, lines)
	}
}

// dial connects to an external server.
func dial(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := connect.Dial(connect.Remote{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestDoctorOfTelemetry(t *testing.T) {
	collector, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	store := filepath.Join(t.TempDir(), "store")
	for _, c := range []struct {
		variable, value string
		code            int
		want            string
	}{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + collector.Addr().String(), 0, "telemetry ok: spans go to http://" + collector.Addr().String()},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", 0, "telemetry warn: spans go to http://127.0.0.1:1"},
		{"OTEL_TRACES_EXPORTER", "jaeger", 1, "telemetry FAIL"},
		{"OTEL_TRACES_EXPORTER", "console", 0, "telemetry ok: spans go to console"},
	} {
		t.Run(c.variable+"="+c.value, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			if code, lines := diagnose(t, "--store", store); code != c.code || !has(lines, c.want) {
				t.Errorf("%d %q; want %d and %q", code, lines, c.code, c.want)
			}
		})
	}
}
