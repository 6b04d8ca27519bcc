package cmd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/snapshot"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// beforeTimer is the release that kept timers in the stream PLUGIN.
const beforeTimer = "31cf68e"

// releases are the earlier ones of which testdata/stores has a store, by commit; make
// old-stores makes them, and TestMakeOldStore says what is in them.
var releases = []struct {
	commit, differs string
	old             bool // the store is migrated
}{
	{beforeTimer, "timers are schedules in PLUGIN", true},
	{"757282f", "a timer has one subject, whenever it is set", true},
	{"fc475e6", "message IDs are signed, consumers have no checkpoints", true},
	{"10c4cd1", "consumers have checkpoints, streams have no format", true},
	{"c1bc645", "streams have format 1", false},
}

// The present program works on a store of each earlier release: all that is in it can be
// read, before it is migrated and afterwards; what waited goes on, once.
func TestOldStores(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "opens stores of earlier releases")
	for _, r := range releases {
		t.Run(r.commit+": "+r.differs, func(t *testing.T) {
			t.Parallel()
			store := unpackStore(t, r.commit)
			config := keepForEver(t, store, true)
			readOldStore(t, store, config)
			expectDoctor(t, store, config, r.old)
			goOnWithOldStore(t, store, config)
			readOldStore(t, store, config)
			expectDoctor(t, store, config, false)
			expectHandledOnce(t, store, config)
			if kept := snapshot.OfFormats(store); len(kept) > 0 != r.old {
				t.Fatalf("snapshots %q", kept)
			} else if r.old {
				restoreOldStore(t, kept[0], r.commit)
			}
			backUpAndRestore(t, store, config)
		})
	}
}

// readOldStore reads all that is in the store of a stopped bot.
func readOldStore(t *testing.T, store, config string) {
	t.Helper()
	expect(t, []outcome{
		{[]string{"replay", "--since", "2020-01-01"}, 0, "bob"},
		{[]string{"replay", "--since", "2020-01-01", "--subject", "plugin.8ball.command"}, 0, "will it rain"},
		{[]string{"audit", "--since", "2020-01-01"}, 0, "<alice> good evening"},
		{[]string{"audit", "verify", filepath.Join(store, "evening.seal")}, 0, "intact"},
		{[]string{"db", "ls"}, 0, "quotes"},
		{[]string{"db", "get", "quotes", "1"}, 0, `"text":"tea is ready"`},
		{[]string{"db", "query", "quotes", "--filter", `{"user":"carol"}`}, 0, "the kettle sings"},
		{[]string{"db", "history", "notes", "7"}, 0, `"text":"first"`},
		{[]string{"dead", "ls"}, 0, "plugin.dice-roller.command"},
		{[]string{"plugin", "ls"}, 0, "paused"},
	}, "--store", store, "--config", config)
}

// expectDoctor expects no complaint but that no bot runs, a plugin is paused, there is a
// dead letter, and the store is old.
func expectDoctor(t *testing.T, store, config string, old bool) {
	t.Helper()
	r := rosey(t, "", "doctor", "--store", store, "--config", config)
	migrates := false
	for line := range strings.Lines(r.stdout) {
		switch {
		case strings.HasPrefix(line, "FAIL"):
		case !strings.HasPrefix(line, "warn"), strings.Contains(line, "no bot runs"), strings.Contains(line, "8ball"), strings.Contains(line, "dead letters"):
			continue
		case strings.Contains(line, "earlier release"):
			migrates = true
			continue
		}
		t.Errorf("doctor: %s", line)
	}
	if r.code != 0 || migrates != old {
		t.Errorf("doctor: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// goOnWithOldStore runs the bot twice: what was due is said once, and the commands
// of a paused plugin stay.
func goOnWithOldStore(t *testing.T, store, config string) {
	t.Helper()
	due := 0
	for range 2 {
		p := start(t, "run", "--local", "--store", store, "--config", config)
		p.say("alice: !quote 2")
		for answered := false; !answered || due == 0; {
			if strings.Contains(p.expect("supper|the kettle sings"), "supper") {
				due++
			} else {
				answered = true
			}
		}
		if code := p.interrupt(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		for line := range p.lines {
			if strings.Contains(line, "supper") {
				due++
			}
		}
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
				t.Errorf("log: %s", line)
			}
		}
	}
	if due != 1 {
		t.Errorf("the countdown was announced %d times", due)
	}
}

// expectHandledOnce counts the answers to what was said before the store was opened again.
func expectHandledOnce(t *testing.T, store, config string) {
	t.Helper()
	said := rosey(t, "", "replay", "--since", "2020-01-01", "--subject", "cytube.chat", "--store", store, "--config", config).stdout
	for text, times := range map[string]int{
		"Rolled 2d6": 1, "Added quote #1": 1, "Added quote #2": 1, "Trivia: 3 questions": 1, "party in": 1, "the kettle sings”": 2,
		"will it rain": 1, "good evening": 1,
	} {
		if n := strings.Count(said, text); n != times {
			t.Errorf("%q is %d times in the history:\n%s", text, n, said)
		}
	}
}

// restoreOldStore restores the snapshot that was made before the migration, and expects
// what the earlier release had stored.
func restoreOldStore(t *testing.T, dir, release string) {
	t.Helper()
	restored := filepath.Join(t.TempDir(), "store")
	expect(t, []outcome{{[]string{"restore", dir}, 0, "restored"}}, "--store", restored)
	got, want := streamsOf(t, restored), streamsOf(t, unpackStore(t, release))
	if len(got) != len(want) {
		t.Errorf("%d streams, want %d", len(got), len(want))
	}
	for name, state := range want {
		if got[name] != state {
			t.Errorf("stream %s is %+v, and was %+v", name, got[name], state)
		}
	}
}

// streamState is what must be the same in a store that was brought back.
type streamState struct {
	subjects, format string
	schedules        bool
	last             uint64 // sequence, of a stream that gets no events before a bot runs
}

func streamsOf(t *testing.T, store string) map[string]streamState {
	t.Helper()
	js := openStore(t, store)
	all := map[string]streamState{}
	for info := range js.ListStreams(t.Context()).Info() {
		c := info.Config
		state := streamState{subjects: strings.Join(c.Subjects, " "), format: c.Metadata["rosey-format"], schedules: c.AllowMsgSchedules}
		if c.Name != streams.Plugin && c.Name != streams.Timer { // whose timers fire
			state.last = info.State.LastSeq
		}
		all[c.Name] = state
	}
	return all
}

func backUpAndRestore(t *testing.T, store, config string) {
	t.Helper()
	dir, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "store")
	expect(t, []outcome{{[]string{"backup", dir}, 0, "backed up"}}, "--store", store, "--config", config)
	expect(t, []outcome{
		{[]string{"restore", dir}, 0, "restored"},
		{[]string{"db", "get", "quotes", "1"}, 0, "tea is ready"},
		{[]string{"plugin", "ls"}, 0, "paused"},
	}, "--store", restored, "--config", config)
}
