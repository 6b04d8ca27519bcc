package cmd

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/internal/version"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	var b version.Build
	r := rosey(t, "", "version", "--output", "json")
	if err := json.Unmarshal([]byte(r.stdout), &b); err != nil || r.code != 0 || b.Go != runtime.Version() || b.Server == "" && b.Version == "" {
		t.Errorf("as JSON: %v, %+v", err, r)
	}
	if r := rosey(t, "", "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "rosey "+b.Version+" for ") || !strings.Contains(r.stdout, "nats-server") {
		t.Errorf("as text: %+v", r)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"help": "rosey - a CyTube chat bot", "--help": "rosey - a CyTube chat bot", "help replay": "rosey replay - what happened", "help plugin pause": "rosey plugin pause - ",
	} {
		if r := rosey(t, "", strings.Fields(line)...); r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("rosey %s: %+v", line, r)
		}
	}
}

func TestManualPage(t *testing.T) {
	t.Parallel()
	if r := rosey(t, "", "man"); r.code != 0 || !strings.Contains(r.stdout, ".TH rosey 1") || !strings.Contains(r.stdout, "creds") {
		t.Errorf("the manual page: %+v", r)
	}
	for _, text := range []string{"OTEL_EXPORTER_OTLP_* variables", "ROSEY_CONSOLE_VIEWER_PASSWORD", "ROSEY_* variables"} {
		if !strings.Contains(rosey(t, "", "man").stdout, text) {
			t.Errorf("the manual page lacks %s", text)
		}
	}
}
