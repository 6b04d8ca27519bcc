package cmd

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// After audit forget no file of the store holds the person's texts, whatever kept them:
// history, commands, requests, records, older revisions, timers.
func TestForgetLeavesNothingOnDisk(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := t.TempDir()
	lines := []string{
		"zoe: hello zoesecretline", "zoe: !quote add zoesecretquote", "zoe: !countdown zoesecretparty 3h", "alice: !quote add harmless",
	}
	if r := rosey(t, strings.Join(lines, "\n")+"\n", "run", "--local", "--store", store); r.code != 0 {
		t.Fatalf("run: %+v", r)
	}
	for _, args := range [][]string{
		{"db", "set", "quotes", "1", `{"text":"zoesecretolder","user":"zoe","added_by":"zoe"}`}, {"db", "set", "quotes", "1", `{"text":"zoesecretnewer","user":"Zoe","added_by":"zoe"}`},
		{"db", "set", "trivia_scores", "zoe", `{"user":"zoe","points":3,"note":"zoesecretscore"}`}, {"audit", "key"},
	} {
		if r := rosey(t, "", append(args, "--store", store)...); r.code != 0 {
			t.Fatalf("rosey %v: %+v", args, r)
		}
	}
	secrets := []string{"zoesecretline", "zoesecretquote", "zoesecretparty", "zoesecretolder", "zoesecretnewer", "zoesecretscore"}
	for _, secret := range secrets {
		if len(filesWith(t, store, secret)) == 0 {
			t.Errorf("before, no file has %s: the test looks in the wrong place", secret)
		}
	}
	r := rosey(t, "", "audit", "forget", "--user", "zoe", "--answers", "--yes", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "collection quotes: ") {
		t.Fatalf("forget: %+v", r)
	}
	for _, secret := range secrets {
		if found := filesWith(t, store, secret); len(found) > 0 {
			t.Errorf("%s is left in %v\n%s", secret, found, r.stdout)
		}
	}
	if len(filesWith(t, store, "harmless")) == 0 {
		t.Error("what others said is gone")
	}
}

// filesWith returns the files below dir that hold a text, in any case.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(bytes.ToLower(b), []byte(text)) {
			found = append(found, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
