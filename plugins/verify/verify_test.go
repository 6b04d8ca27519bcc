package verify_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/plugins/verify"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// TestMain runs the tests, or in a process that one of them started the plugin of
// plugin_test.go.
func TestMain(m *testing.M) {
	if fault, ok := os.LookupEnv("VERIFY_FAULT"); ok {
		if err := runPlugin(fault); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	streamstest.Main(m)
}

// A plugin passes all checks, and with each fault the check that is for it fails.
func TestVerify(t *testing.T) {
	streamstest.Slow(t, "kills and restarts processes")
	t.Parallel()
	for fault, row := range map[string]struct {
		only  []string
		fails string
		says  string
	}{
		"":                 {},
		"no command":       {only: []string{"answers"}, fails: "answers", says: "it published nothing"},
		"dies":             {fails: "registers", says: "exit status 1"},
		"bad registration": {fails: "registers", says: "registration is invalid"},
		"other subject":    {fails: "registers", says: "$SRV.INFO"},
		"no correlation":   {only: []string{"correlation"}, fails: "correlation", says: "its correlation_id is"},
		"public":           {only: []string{"private"}, fails: "private", says: "which the whole channel sees"},
		"random IDs":       {only: []string{"redelivery", "kill -9"}, fails: "redelivery,kill -9", says: "something twice"},
		"acks first":       {only: []string{"kill -9"}, fails: "kill -9", says: "are missing"},
		"ends at rubbish":  {only: []string{"malformed"}, fails: "malformed", says: "the process ended"},
		"no dead letter":   {only: []string{"malformed"}, fails: "malformed", says: "no dead letter tells of"},
		"any retry":        {only: []string{"dead letters"}, fails: "dead letters", says: "retried for plugin-another"},
		"tries for ever":   {only: []string{"attempts"}, fails: "attempts", says: "is no dead letter"},
		"answers old":      {only: []string{"expiry"}, fails: "expiry", says: "though max_age is 1m0s"},
		"reads once":       {only: []string{"settings"}, fails: "settings", says: "without reading its settings"},
		"ends when cut":    {only: []string{"slow network"}}, // a supervisor starts it again
		"stops at once":    {only: []string{"shutdown"}, fails: "shutdown", says: "signal: terminated"},

		"breaks off its pull": {only: []string{"shutdown"}}, // what it took comes again after ack_wait
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			results := run(t, verify.Options{Only: row.only, Lines: []string{"!hello bob"}}, fault)
			var failed []string
			for _, r := range results {
				if waits := strings.Contains(r.Detail, "on its way to it waits"); waits != (fault == "breaks off its pull" && r.Check == "shutdown") {
					t.Errorf("%s: %s", r.Check, r.Detail)
				}
				if r.Outcome == verify.Failed {
					failed = append(failed, r.Check)
					if !strings.Contains(r.Detail, row.says) || r.Remedy == "" {
						t.Errorf("%s failed with %q, remedy %q; want it to say %q", r.Check, r.Detail, r.Remedy, row.says)
					}
				}
			}
			if got := strings.Join(failed, ","); got != row.fails {
				text, _ := json.MarshalIndent(results, "", " ")
				t.Errorf("%q failed, want %q: %s", got, row.fails, text)
			}
		})
	}
}

// Without lines, they are made from the registration.
func TestLinesOfTheRegistration(t *testing.T) {
	t.Parallel()
	results := run(t, verify.Options{Only: []string{"answers"}, Name: "hello"}, "")
	if i := slices.IndexFunc(results, func(r verify.Result) bool { return r.Check == "answers" }); i < 0 || results[i].Detail != "2 line(s), 2 event(s)" {
		t.Errorf("%+v", results)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]verify.Options{
		"there is no program":   {Command: process.Command{Args: []string{"no-such-program"}}},
		"the command is empty":  {},
		`there is no check "x"`: {Command: process.Command{Args: []string{"true"}}, Only: []string{"x"}},
	} {
		if err := verify.Run(t.Context(), o, func(verify.Result) { t.Error("a check ran") }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func run(t *testing.T, o verify.Options, fault string) (results []verify.Result) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Command = process.Command{Args: []string{program}, Env: []string{"VERIFY_FAULT=" + fault}}
	if err := verify.Run(t.Context(), o, func(r verify.Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	return results
}
