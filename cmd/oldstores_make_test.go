package cmd

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// TestMakeOldStore makes the store of one release in testdata/stores with the release's
// program; see make old-stores.
func TestMakeOldStore(t *testing.T) {
	release := os.Getenv("ROSEY_MAKE_STORE")
	if release == "" {
		t.Skip("make old-stores makes the stores of earlier releases")
	}
	dir := filepath.Join(t.TempDir(), "store")
	config := keepForEver(t, dir, release != beforeTimer)
	p := start(t, "run", "--local", "--store", dir, "--config", config)
	for _, talk := range [][2]string{
		{"alice: good evening", "^alice: good evening"},
		{"alice: !roll 2d6", "Rolled 2d6"},
		{"!quote add <bob> tea is ready", "Added quote #1"},
		{"!quote add <carol> the kettle sings", "Added quote #2"},
		{"alice: !quote 1", "tea is ready.* — bob"},
		{"!countdown add supper 1m", "supper in"},
		{"!countdown add party 3600d", "party in"},
		{"bob: !trivia start 3", "Trivia: 3 questions"},
	} {
		p.say(talk[0])
		p.expect(talk[1])
	}
	publishMalformedCommand(t, dir)
	expect(t, []outcome{
		{[]string{"db", "set", "notes", "7", `{"text":"first"}`}, 0, ""},
		{[]string{"db", "set", "notes", "7", `{"text":"second"}`}, 0, ""},
		{[]string{"plugin", "pause", "8ball"}, 0, ""},
	}, "--store", dir)
	if _, err := os.Stat(filepath.Join(dir, "audit.key")); err != nil {
		_ = rosey(t, "", "audit", "key", "--store", dir) // later releases seal with a key that exists
	}
	expect(t, []outcome{{[]string{"audit", "seal", filepath.Join(dir, "evening.seal")}, 0, ""}}, "--store", dir)
	p.say("alice: !8ball will it rain")
	p.expect("will it rain")
	if code := p.interrupt(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr.String())
	}
	if err := archive(dir, storeArchive(release)); err != nil {
		t.Fatal(err)
	}
}

// keepForEver writes settings with which nothing in a store expires, into the store.
func keepForEver(t *testing.T, store string, timer bool) (config string) {
	t.Helper()
	text := "retention:\n"
	for _, stream := range []string{"CYTUBE", "TIMER", "PLUGIN", "PLUGIN_REQUEST", "PLATFORM", "DATABASE"} {
		if timer || stream != "TIMER" {
			text += fmt.Sprintf("  %s: {max_age: 36500d}\n", stream)
		}
	}
	config = filepath.Join(store, "rosey.yaml")
	if err := errors.Join(os.MkdirAll(store, 0o700), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return config
}

// publishMalformedCommand publishes what becomes a dead letter.
func publishMalformedCommand(t *testing.T, store string) {
	t.Helper()
	info, err := connect.Find(store)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(info.URL, nats.UserInfo(info.User, info.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(streamstest.Context(t), "plugin.dice-roller.command", []byte(`{"command": 5}`)); err != nil {
		t.Fatal(err)
	}
	if err := until(streamstest.Context(t), func() bool {
		return rosey(t, "", "dead", "ls", "--output", "json", "--store", store).stdout != ""
	}); err != nil {
		t.Fatal(err)
	}
}

// archive writes a stopped bot's store into a .tar.gz.
func archive(store, file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(store, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "lock" {
			return err
		}
		name, nerr := filepath.Rel(store, path)
		b, rerr := os.ReadFile(path)
		if err := errors.Join(nerr, rerr); err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(b))})
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
	return errors.Join(err, w.Close(), z.Close())
}

// unpackStore unpacks the store of a release into a new directory.
func unpackStore(t *testing.T, release string) (store string) {
	t.Helper()
	store = filepath.Join(t.TempDir(), "store")
	f, err := os.Open(storeArchive(release))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return store
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(store, filepath.FromSlash(h.Name))
		b, rerr := io.ReadAll(r)
		if err := errors.Join(rerr, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func storeArchive(release string) string {
	return filepath.Join("testdata", "stores", release+".tar.gz")
}
