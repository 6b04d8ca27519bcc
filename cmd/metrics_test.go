package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// served is the URL at which a process says that it serves metrics.
func (p *process) served() string {
	p.t.Helper()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`)
	if err := until(soon(p.t), func() bool { return url.MatchString(p.stderr.String()) }); err != nil {
		p.t.Fatal(err)
	}
	return url.FindString(p.stderr.String())
}

// soon is when what a test waits for should have happened.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	t.Cleanup(cancel)
	return ctx
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// page is a page of metrics: values by name with labels, and names alone.
type page struct {
	samples map[string]float64
	names   map[string]bool
	labels  map[string]bool
}

func parsePage(t *testing.T, text string) page {
	t.Helper()
	p := page{map[string]float64{}, map[string]bool{}, map[string]bool{}}
	sample := regexp.MustCompile(`^(\w+)(\{.*\})? (\S+)$`)
	label := regexp.MustCompile(`(\w+)="`)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("this is no sample: %s", line)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		p.samples[m[1]+m[2]] = v
		p.names[m[1]] = true
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			p.labels[l[1]] = true
		}
	}
	return p
}

// sum is the sum of the samples of a name that have all the labels.
func (p page) sum(name string, labels ...string) (sum float64, found bool) {
samples:
	for key, v := range p.samples {
		if key != name && !strings.HasPrefix(key, name+"{") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(key, l) {
				continue samples
			}
		}
		sum, found = sum+v, true
	}
	return sum, found
}

// Everything that the dashboard and the alerts in deploy/ look at is on the page
// of a bot that has done a little of everything, and says what happened.
func TestMetricsOfARunningBot(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	settings := filepath.Join(t.TempDir(), "rosey.yaml")
	if err := os.WriteFile(settings, []byte("retention:\n  cytube:\n    max_bytes: 500MB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bot := start(t, "run", "--local", "--plugins", "quote-db", "--log-level", "info", "--metrics", "127.0.0.1:0", "--config", settings, "--store", store)
	bot.say("!quote add to be or not to be")
	bot.expect("^rosey: .*#1")
	bot.say("!quote 999")
	bot.expect("^rosey: ❌")
	plugin := start(t, "plugin", "run", "dice-roller", "--metrics", "127.0.0.1:0", "--store", store)
	waitPlugin(t, store, `"name":"dice-roller","version":"1.0.0","state":"running"`)
	bot.say("!roll 2d6")
	bot.expect("Rolled 2d6")
	got := awaitShown(t, bot.served(), expectedOfBot...)
	for key, v := range got.samples {
		if v < 0 {
			t.Errorf("%s is %v", key, v)
		}
	}
	deployedMetricsExist(t, got)

	// The plugin's process has a page of its own.
	mine := awaitShown(t, plugin.served(), expected{"messaging_process_duration_seconds_count", []string{`="plugin-dice-roller"`}, 1, 1})
	if mine.names["rosey_stream_messages"] || mine.names["rosey_cytube_connected"] {
		t.Error("the plugin's process counts what is the bot's")
	}
	for _, p := range []*process{bot, plugin} {
		for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
			if status, body := fetch(t, strings.TrimSuffix(p.served(), "/metrics")+path); status != http.StatusOK || body != want {
				t.Errorf("%s: %d %q", path, status, body)
			}
		}
	}
}

// expected is a range of a metric's sum over the series with some labels.
type expected struct {
	name        string
	labels      []string
	least, most float64
}

var expectedOfBot = []expected{
	{"rosey_cytube_connected", []string{`rosey_channel="local"`}, 1, 1},
	{"rosey_cytube_reconnects_total", []string{`rosey_channel="local"`}, 0, 0},
	{"rosey_send_echoes_missed_total", []string{`rosey_channel="local"`}, 0, 0},
	{"rosey_send_resends_total", []string{`rosey_channel="local"`}, 0, 0},
	{"rosey_send_queue", []string{`rosey_channel="local"`}, 0, 1},
	{"messaging_client_sent_messages_total", []string{`="cytube.chat"`}, 6, 9},
	{"messaging_client_sent_messages_total", []string{`="plugin.{name}.command"`}, 3, 3},
	{"messaging_client_operation_duration_seconds_count", []string{`="database.set"`, `="request"`}, 1, 1},
	{"messaging_client_operation_duration_seconds_count", []string{`="database.get"`, `="RECORD_NOT_FOUND"`}, 1, 1},
	{"messaging_process_duration_seconds_count", []string{`="router"`, `="done"`}, 6, 9},
	{"messaging_process_duration_seconds_count", []string{`="plugin-quote-db"`, `="done"`}, 2, 2},
	{"rosey_consumer_wait_duration_seconds_count", []string{`="cytube-sender"`}, 3, 3},
	{"rosey_consumer_redeliveries_total", []string{`="router"`}, 0, 0},
	{"rosey_consumer_dead_letters_total", []string{`="cytube-sender"`}, 0, 0},
	{"rosey_database_operation_duration_seconds_count", []string{`="set"`}, 1, 1},
	{"rosey_database_operation_duration_seconds_sum", []string{`="set"`}, 1e-6, 30},
	{"rosey_store_full", nil, 0, 0},
	{"rosey_stream_messages", []string{`="CYTUBE"`}, 9, 100},
	{"rosey_stream_size_bytes", []string{`="CYTUBE"`}, 1000, 1e6},
	{"rosey_stream_limit_bytes", []string{`="CYTUBE"`}, 5e8, 5e8},
	{"rosey_consumer_lag", []string{`="router"`}, 0, 3},
	{"rosey_consumer_unacknowledged", []string{`="plugin-dice-roller"`}, 0, 1},
	{"rosey_span_dropped_total", nil, 0, 0},
	{"go_goroutines", nil, 10, 1000},
	{"process_resident_memory_bytes", nil, 1e6, 1e10},
}

// awaitShown waits until a page shows all of that: what is counted last is counted when
// the answer has long been heard.
func awaitShown(t *testing.T, url string, all ...expected) (got page) {
	t.Helper()
	var wrong []string
	err := until(soon(t), func() bool {
		_, text := fetch(t, url)
		got, wrong = parsePage(t, text), nil
		for _, c := range all {
			if v, ok := got.sum(c.name, c.labels...); !ok || v < c.least || v > c.most {
				wrong = append(wrong, fmt.Sprintf("%s%v is %v (found: %t), want %v to %v", c.name, c.labels, v, ok, c.least, c.most))
			}
		}
		return len(wrong) == 0
	})
	if err != nil {
		t.Errorf("%v:\n%s", err, strings.Join(wrong, "\n"))
	}
	return got
}

// deployedMetricsExist looks for the metrics that the dashboard and the alerts use.
func deployedMetricsExist(t *testing.T, got page) {
	t.Helper()
	for _, file := range []string{"grafana-dashboard.json", "prometheus-rules.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		used := regexp.MustCompile(`\b(rosey|messaging|process|go)_[a-z0-9_]+`).FindAllString(string(text), -1)
		if len(used) < 20 {
			t.Errorf("%s names %d metrics", file, len(used))
		}
		for _, name := range used {
			if !got.names[name] && !got.labels[name] {
				t.Errorf("%s, which %s uses, is not on the page", name, file)
			}
		}
	}
}

// A command's log lines are found by its correlation ID, in whatever process
// they were written (contract: Using Correlation IDs).
func TestACommandsLogLinesAreFoundByItsID(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	bot := start(t, "run", "--local", "--plugins", "quote-db", "--log-level", "debug", "--log-format", "json", "--store", store)
	plugin := start(t, "plugin", "run", "dice-roller", "--log-format", "json", "--store", store)
	waitPlugin(t, store, `"state":"running"`)
	bot.say("!roll 2d6")
	bot.expect("Rolled 2d6")
	id := correlationOf(t, store, "!roll 2d6")
	logs := func() string { return bot.stderr.String() + plugin.stderr.String() }
	for _, want := range []map[string]string{
		{"level": "DEBUG", "msg": "event recorded", "subject": "cytube.chat"},
		{"level": "INFO", "msg": "command routed", "command": "roll", "plugin": "dice-roller"},
		{"level": "INFO", "msg": "plugin processing", "command": "roll", "plugin": "dice-roller"},
		{"level": "INFO", "msg": "response sent", "message": "🎲"},
	} {
		if err := until(soon(t), func() bool { return logged(logs(), id, want) }); err != nil {
			t.Errorf("no line of %s has %v:\n%s", id, want, logs())
		}
	}
	// Whatever an event's handling logs has its ID, and the trace's.
	for line := range strings.Lines(logs()) {
		var l map[string]any
		if json.Unmarshal([]byte(line), &l) != nil {
			t.Errorf("this line is no JSON: %s", line)
			continue
		}
		if c, ok := l["correlation_id"].(string); ok && c == id && l["trace_id"] != strings.ReplaceAll(id, "-", "") {
			t.Errorf("the line has no or another trace_id: %s", line)
		}
		if _, ok := l["correlation_id"]; !ok && (l["event"] != nil || l["send"] != nil || l["command"] != nil) {
			t.Errorf("a line about an event has no correlation_id: %s", line)
		}
	}
}

// logged reports whether a line of that ID has what is wanted, or begins with it.
func logged(lines, id string, want map[string]string) bool {
lines:
	for line := range strings.Lines(lines) {
		var l map[string]any
		if json.Unmarshal([]byte(line), &l) != nil || l["correlation_id"] != id {
			continue
		}
		for k, v := range want {
			if got, _ := l[k].(string); !strings.HasPrefix(got, v) {
				continue lines
			}
		}
		return true
	}
	return false
}

// correlationOf finds the conversation that a chat line began, as people do.
func correlationOf(t *testing.T, store, text string) string {
	t.Helper()
	var found string
	for line := range strings.Lines(replayed(t, store)) {
		var e struct {
			Subject       string
			CorrelationID string `json:"correlation_id"`
			Data          struct{ Message string }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Subject == "cytube.chat" && e.Data.Message == text {
			found = e.CorrelationID
		}
	}
	if found == "" {
		t.Fatalf("%q is not in the replay", text)
	}
	return found
}
