package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A backup of a running bot can be read in place of a store, and restored into
// another one, on which a bot then goes on.
func TestBackupAndRestore(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	dir := t.TempDir()
	store, backup, other := filepath.Join(dir, "store"), filepath.Join(dir, "backup"), filepath.Join(dir, "other")
	p := start(t, "run", "--local", "--store", store)
	p.say("!roll 2d6")
	p.expect("^rosey: 🎲 Rolled 2d6")
	p.say("remember me")
	p.expect("^operator: remember me$")
	waitStored(t, store, "remember me")
	if r := rosey(t, "", "db", "set", "quotes", "42", `{"text":"Hello"}`, "--store", store); r.code != 0 {
		t.Fatalf("db set: %+v", r)
	}
	key := filepath.Join(store, "audit.key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := rosey(t, "", "backup", filepath.Join(store, "sub"), "--store", store); r.code != 2 || !strings.Contains(r.stderr, "lies in the store") {
		t.Errorf("a backup in the store: %+v", r)
	}
	if r := rosey(t, "\ufeff{\"id\":\"marked\"}\n", "db", "import", "quotes", "--store", store); r.code != 0 || !strings.Contains(r.stderr, "imported 1 record(s)") {
		t.Errorf("db import of a file with a byte order mark: %+v", r)
	}
	if r := rosey(t, "", "backup", backup, "--store", store); r.code != 0 || !strings.Contains(r.stdout, "backed up 20 streams with ") ||
		!strings.Contains(r.stderr, "does not have "+key) || strings.Contains(r.stderr, "credentials.json") {
		t.Fatalf("backup: %+v", r)
	}
	r := rosey(t, "", "restore", backup, "--check", "--output", "json")
	var m struct{ Streams []struct{ Name string } }
	if err := json.Unmarshal([]byte(r.stdout), &m); err != nil || r.code != 0 || len(m.Streams) != 20 {
		t.Errorf("restore --check: %v, %+v", err, r)
	}
	readsLikeAStore(t, dir, backup)
	if entries, err := os.ReadDir(backup); err != nil || len(entries) != 22 {
		t.Errorf("the backup has %d files, want 20 streams, the manifest and the sums: %v", len(entries), err)
	}
	if r := rosey(t, "", "restore", backup, "--store", store); r.code != 1 || !strings.Contains(r.stderr, "a bot runs on the store") {
		t.Errorf("over a running bot: %+v", r)
	}
	p.interrupt()
	if r := rosey(t, "", "restore", backup, "--store", store); r.code != 1 || !strings.Contains(r.stderr, "hold events already") {
		t.Errorf("over the old store: %+v", r)
	}
	if r := rosey(t, "", "restore", backup, "--store", other); r.code != 0 || !strings.Contains(r.stdout, "restored 20 streams with ") {
		t.Fatalf("restore: %+v", r)
	}
	if client.Incomplete(other) {
		t.Error("the restored store is marked as not whole")
	}
	brokenOff(t, backup)
	goesOnWithTheRestored(t, other)
}

// readsLikeAStore runs commands on a backup in place of a store.
func readsLikeAStore(t *testing.T, dir, backup string) {
	t.Helper()
	expect(t, []outcome{
		{[]string{"replay", "--since", "1h"}, 0, "remember me"},
		{[]string{"db", "get", "quotes", "42"}, 0, `"text":"Hello"`},
		{[]string{"db", "query", "quotes"}, 0, `"text":"Hello"`},
		{[]string{"db", "history", "quotes", "42"}, 0, "Hello"},
		{[]string{"dead", "ls"}, 0, "no dead letters"},
		{[]string{"status"}, 1, ""},
		{[]string{"plugin", "ls"}, 0, "dice-roller"},
		{[]string{"db", "set", "quotes", "42", "{}"}, 1, "is a backup, which can be read and not changed"},
		{[]string{"send", "hello"}, 1, "is a backup"},
		{[]string{"run", "--local"}, 1, "is a backup"},
		{[]string{"backup", filepath.Join(dir, "again")}, 1, "is a backup"},
		{[]string{"restore", backup}, 1, "is a backup"},
	}, "--store", backup)
}

// goesOnWithTheRestored runs a bot on the restored store: what was answered before is
// not answered again.
func goesOnWithTheRestored(t *testing.T, other string) {
	t.Helper()
	r := rosey(t, "hello again\n", "run", "--local", "--store", other)
	if r.code != 0 || strings.Contains(r.stdout, "Rolled") || !strings.Contains(r.stdout, "operator: hello again") {
		t.Errorf("a bot on the restored store: %+v", r)
	}
	said := replayed(t, other)
	for _, want := range []string{"remember me", "hello again"} {
		if strings.Count(said, `"message":"`+want+`"`) != 1 {
			t.Errorf("%q is not once in the replay:\n%s", want, said)
		}
	}
	if strings.Count(said, `"subject":"cytube.send.chat"`) != 1 {
		t.Errorf("the roll was not answered once:\n%s", said)
	}
}

// brokenOff kills a restore of a backup on its way: the store that it leaves is
// not taken for a whole one.
func brokenOff(t *testing.T, backup string) {
	t.Helper()
	store, found := "", false
	for try := 0; try < 20 && !found; try++ {
		store = filepath.Join(t.TempDir(), "store")
		p := start(t, "restore", backup, "--store", store)
		ended := make(chan struct{})
		go func() { _ = p.wait(); close(ended) }()
		_ = retry.Do(soon(t), retry.Every(time.Millisecond), func(context.Context) error {
			select {
			case <-ended:
				return nil
			default:
				if client.Incomplete(store) {
					return nil
				}
				return errors.New("it has not begun")
			}
		})
		_ = p.cmd.Process.Kill() // unless it has come to its end
		<-ended
		found = client.Incomplete(store)
	}
	if !found {
		t.Fatal("no restore could be killed on its way")
	}
	for _, args := range [][]string{
		{"run", "--local"}, {"replay", "--since", "1h"}, {"status"}, {"db", "ls"}, {"send", "hi"}, {"backup", filepath.Join(t.TempDir(), "b")}, {"restore", backup},
	} {
		if r := rosey(t, "", append(args, "--store", store)...); r.code != 1 || !strings.Contains(r.stderr, "the restore into it was broken off") {
			t.Errorf("rosey %s on a store whose restore was broken off: %+v", strings.Join(args, " "), r)
		}
	}
}

func TestBackupMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"backup"}, 2, "give one directory"},
		{[]string{"backup", filepath.Join(dir, "b")}, 1, "there is no store"},
		{[]string{"restore"}, 2, "give one backup"},
		{[]string{"restore", dir}, 1, "name the directory that rosey backup made"},
		{[]string{"restore", none, "--check"}, 1, "name the directory that rosey backup made"},
	} {
		r := rosey(t, "", append(c.args, "--store", none)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) {
			t.Errorf("rosey %s: %+v; want %d and %q", strings.Join(c.args, " "), r, c.code, c.says)
		}
	}
	if r := rosey(t, "", "status", "--store", "backup_test.go"); r.code != 1 || !strings.Contains(r.stderr, "backup_test.go is not a directory") {
		t.Errorf("with a file in place of the store: %+v", r)
	}
	if _, err := os.Stat(none); !os.IsNotExist(err) {
		t.Errorf("a store was made for nothing: %v", err)
	}
}
