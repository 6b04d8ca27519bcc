package cmd

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if r := rosey(t, "", "status", "--store", filepath.Join(store, "none")); r.code != 1 || !strings.Contains(r.stderr, "rosey run") {
		t.Errorf("without a store: %+v", r)
	}
	p := start(t, "run", "--local", "--store", store)
	p.say("hi")
	p.expect("^operator: hi")
	r := rosey(t, "", "--store", store, "status", "--output", "json")
	var s fullStatus
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || r.code != 0 || !s.Ready || s.Bot.Channel != "local" || len(s.Streams) < 6 {
		t.Errorf("status of a running bot: %v, %+v", err, r)
	}
	if r := rosey(t, "", "status", "--store", store); r.code != 0 || !strings.Contains(r.stdout, "ready: in channel local") || !strings.Contains(r.stdout, "CYTUBE") {
		t.Errorf("as text: %+v", r)
	}
	if r := rosey(t, "", "send", "--store", store, "good", "evening"); r.code != 0 {
		t.Errorf("send: %+v", r)
	}
	p.expect("^rosey: good evening$")
	// What the NATS CLI is told by --output env must not lead rosey itself astray.
	env := rosey(t, "", "status", "--output", "env", "--store", store)
	m := regexp.MustCompile(`NATS_URL='([^']+)'`).FindStringSubmatch(env.stdout)
	if m == nil {
		t.Fatalf("status --output env: %+v", env)
	}
	if r := roseyWith(t, []string{"NATS_URL=" + m[1]}, "", "status", "--store", store); r.code != 0 {
		t.Errorf("with NATS_URL in the environment: %+v", r)
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("Ctrl-C: exit code %d\n%s", code, p.stderr.String())
	}
	if r := rosey(t, "", "status", "--store", store); r.code != 1 || !strings.Contains(r.stdout, "NOT ready") {
		t.Errorf("of a stopped bot: %+v", r)
	}
	if said := replayed(t, store); !strings.Contains(said, `"reason":"user_requested"`) || !strings.Contains(said, "platform.startup") {
		t.Errorf("the bot's start and end are not in the replay:\n%s", said)
	}
}
