package cmd

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// backgroundEvents is how many events of others and of the person are there beside those that
// TestForgetLeavesNothingOnDisk makes: make forget-test has 100,000.
func backgroundEvents(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("ROSEY_FORGET_EVENTS"), "1000"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fillHistory stores chat, commands, answers and requests of fifty people, one of whom is zoebartholomew.
func fillHistory(t *testing.T, store string, events int) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Store: store, Holder: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	bus := streamstest.Bus(t, server)
	seqs := map[string]uint64{}
	for _, name := range []string{"CYTUBE", "PLUGIN"} {
		stream, err := bus.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		seqs[name] = stream.CachedInfo().State.LastSeq
	}
	put := func(stream, subject, data, correlation, cause string) string {
		body := fmt.Appendf(nil, `{"subject":%q,"data":%s,"timestamp":1732645200.5,"priority":1,"correlation_id":%q,"metadata":{"source":"x"%s}}`, subject, data, correlation, cause)
		if _, err := bus.JetStream().PublishAsync(subject, body, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
		seqs[stream]++
		return fmt.Sprintf(`,"causation_id":"%s:%d"`, stream, seqs[stream])
	}
	for n := range events / 4 {
		user, text := "zoebartholomew", fmt.Sprintf("zoebartholomewsecretline %d", n)
		if n%50 > 0 {
			user, text = fmt.Sprintf("user%d", n%50), fmt.Sprintf("harmless line %d", n)
		}
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
		line := put("CYTUBE", event.SubjectChat, fmt.Sprintf(`{"user":%q,"message":"!x %s","channel":"lounge","rank":1,"time":%d}`, user, text, 1732645200000+n), id, "")
		command := put("PLUGIN", event.CommandSubject("x"), fmt.Sprintf(`{"command":"x","args":[%q],"user":%q,"channel":"lounge","rank":1,"raw_message":"!x %s"}`, text, user, text), id, line)
		put("CYTUBE", event.SubjectChat, fmt.Sprintf(`{"user":"rosey","message":"you said %s","channel":"lounge","rank":1,"time":%d}`, text, 1732645200000+n), id, command)
		put("PLUGIN", event.EventSubject("x", "heard"), fmt.Sprintf(`{"event_type":"heard","what":%q,"players":[{"name":%q}]}`, text, user), id, command)
		if n%200 == 0 { // no more may be under way at once
			<-bus.JetStream().PublishAsyncComplete()
		}
	}
	<-bus.JetStream().PublishAsyncComplete()
	bus.Conn().Close()
}

// After audit forget no file of the store holds the person's texts, whatever kept them:
// history, commands, requests and their replies, plugins' events, records, older
// revisions, IDs, timers.
func TestForgetLeavesNothingOnDisk(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store, secrets := storeWithZoe(t)
	began := time.Now()
	r := rosey(t, "", "audit", "forget", "--user", "zoebartholomew", "--answers", "--yes", "--store", store)
	if r.code != 0 || !strings.Contains(r.stdout, "collection quotes: ") {
		t.Fatalf("forget: %+v", r)
	}
	t.Logf("forgotten in %s\n%s", time.Since(began).Round(time.Millisecond), r.stdout)
	expectForgotten(t, store, secrets)
	t.Logf("the name is left in %v", filesWith(t, store, "zoebartholomew"))
}

// A forget that is killed wherever it is, again and again, leaves no event, no record and no
// bytes once one was not killed.
func TestForgetKilled(t *testing.T) {
	streamstest.Slow(t, "kills several processes")
	t.Parallel()
	store, secrets := storeWithZoe(t)
	random, killed := rand.New(rand.NewPCG(1, 2)), 0
	for range 8 {
		p := start(t, "audit", "forget", "--user", "zoebartholomew", "--answers", "--yes", "--store", store)
		ended := make(chan error, 1)
		go func() { ended <- p.wait() }()
		before := erasures(t, store)
		for len(ended) == 0 && erasures(t, store) == before { // it looks for what to erase
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		_ = p.cmd.Process.Kill() // wherever it is
		if <-ended != nil {
			killed++
		}
		t.Logf("%d of %d texts are left", len(left(t, store, secrets)), len(secrets))
	}
	if killed == 0 {
		t.Error("none was killed")
	}
	if r := rosey(t, "", "audit", "forget", "--user", "zoebartholomew", "--answers", "--yes", "--store", store); r.code != 0 && !strings.Contains(r.stderr, "no event matches") {
		t.Errorf("the last forget: %+v", r)
	}
	expectForgotten(t, store, secrets)
	for _, secret := range secrets {
		if r := rosey(t, "", "replay", "--since", "20y", "--grep", secret, "--output", "json", "--store", store); r.stdout != "" {
			t.Errorf("%s is left:\n%s", secret, r.stdout)
		}
	}
	for _, collection := range []string{"quotes", "trivia_scores", "countdowns"} {
		if r := rosey(t, "", "db", "export", collection, "--store", store); strings.Contains(r.stdout, "zoebartholomewsecret") {
			t.Errorf("collection %s:\n%s", collection, r.stdout)
		}
	}
}

// erasures returns how often a store's files name an erasure.
func erasures(t *testing.T, store string) (n int) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(store, "jetstream", "*", "streams", "CYTUBE", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		b, _ := os.ReadFile(block) // it may be written anew just now
		n += bytes.Count(b, []byte(event.SubjectErasure))
	}
	return n
}

// left returns the texts that some file of a store holds.
func left(t *testing.T, store string, secrets []string) (texts []string) {
	t.Helper()
	all := filesOf(t, store)
	for _, secret := range secrets {
		if len(all.with(secret)) > 0 {
			texts = append(texts, secret)
		}
	}
	return texts
}

func expectForgotten(t *testing.T, store string, secrets []string) {
	t.Helper()
	for _, secret := range left(t, store, secrets) {
		t.Errorf("%s is left in %v", secret, filesWith(t, store, secret))
	}
	if len(filesWith(t, store, "harmless")) == 0 {
		t.Error("what others said is gone")
	}
}

// storeWithZoe makes a store that keeps much of zoebartholomew's, and returns her texts in it.
func storeWithZoe(t *testing.T) (store string, secrets []string) {
	t.Helper()
	store = t.TempDir()
	lines := []string{
		"zoebartholomew: hello zoebartholomewsecretline", "zoebartholomew: !quote add zoebartholomewsecretquote", "zoebartholomew: !countdown zoebartholomewsecretasked", "zoebartholomew: !quote search zoebartholomewsecretsearch", "alice: !quote count", "alice: !quote add harmless", "zoebartholomew: !nosuchcommand zoebartholomewsecrettypo",
	}
	log := rosey(t, strings.Join(lines, "\n")+"\n", "run", "--local", "--store", store, "--log-level", "info")
	if log.code != 0 || strings.Contains(log.stderr, "zoebartholomew") {
		t.Fatalf("run: %+v", log)
	}
	fillHistory(t, store, backgroundEvents(t)) // after the run, whose router would read it all
	for _, args := range [][]string{
		{"db", "set", "quotes", "1", `{"text":"zoebartholomewsecretolder","user":"zoebartholomew","added_by":"zoebartholomew"}`}, {"db", "set", "quotes", "1", `{"text":"zoebartholomewsecretnewer","user":"ZoeBartholomew","added_by":"zoebartholomew"}`},
		{"db", "set", "trivia_scores", "zoebartholomew", `{"user":"zoebartholomew","points":3,"note":"zoebartholomewsecretscore"}`}, {"db", "set", "countdowns", "local/zoebartholomewsecretparty", `{"name":"zoebartholomewsecretparty","channel":"local","by":"zoebartholomew","set":"PLUGIN:1","zone":"UTC","every":{},"due":9999999999,"next":9999999999,"first":9999999999,"done":false}`},
		{"audit", "key"},
	} {
		if r := rosey(t, "", append(args, "--store", store)...); r.code != 0 {
			t.Fatalf("rosey %v: %+v", args, r)
		}
	}
	secrets = []string{"zoebartholomewsecretline", "zoebartholomewsecretquote", "zoebartholomewsecretparty", "zoebartholomewsecretasked", "zoebartholomewsecretsearch", "zoebartholomewsecrettypo", "zoebartholomewsecretolder", "zoebartholomewsecretnewer", "zoebartholomewsecretscore"}
	all := filesOf(t, store)
	for _, secret := range secrets {
		if len(all.with(secret)) == 0 {
			t.Errorf("before, no file has %s: the test looks in the wrong place", secret)
		}
	}
	return store, secrets
}

// filesWith returns the files below dir that hold a text, in any case.
func filesWith(t *testing.T, dir, text string) []string {
	t.Helper()
	return filesOf(t, dir).with(text)
}

// files are what files hold, in lower case, by path.
type files map[string][]byte

func (f files) with(text string) (found []string) {
	for _, path := range slices.Sorted(maps.Keys(f)) {
		if bytes.Contains(f[path], []byte(text)) {
			found = append(found, path)
		}
	}
	return found
}

// filesOf returns what the files below dir hold, as it is and, of a block of a stream that is compressed,
// as it was.
func filesOf(t *testing.T, dir string) files {
	t.Helper()
	found := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		text := bytes.ToLower(b)
		var info server.CompressionInfo
		if n, _ := info.UnmarshalMetadata(b); n > 0 {
			b, err = info.Algorithm.Decompress(b[n:])
			text = append(text, bytes.ToLower(b)...)
		}
		found[strings.TrimPrefix(path, dir)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
