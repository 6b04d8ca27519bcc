package dryrun_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/diceroller"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/eightball"
	"github.com/rosey-bot/rosey/plugins/help"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/quotedb"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

func record(t *testing.T, channel *plugintest.Channel, p plugins.Plugin, f replay.Filter) *dryrun.Case {
	t.Helper()
	c, err := dryrun.Record(streamstest.Context(t), channel.Bus.JetStream(), p, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func run(t *testing.T, c *dryrun.Case, p plugins.Plugin, others ...plugins.Plugin) []dryrun.Result {
	t.Helper()
	var all []dryrun.Result
	for r, err := range dryrun.Run(streamstest.Context(t), c, p, dryrun.Options{Others: others}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// text is what a report says of one event, but for the event itself.
func text(t *testing.T, r dryrun.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b, false, time.UTC); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines[min(1, len(lines)):], " | ")
}

func allSame(t *testing.T, results []dryrun.Result, outputs int) {
	t.Helper()
	n := 0
	for _, r := range results {
		n += len(r.Outputs)
		if r.Status() != dryrun.Same {
			t.Errorf("%s is %s:\n%s", r.Event.Ref, r.Status(), text(t, r))
		}
	}
	if n != outputs {
		t.Errorf("%d outputs, want %d", n, outputs)
	}
}

// Plugins that have not changed say what they said: with the same dice and
// answers, from the database as it was at the time, with the same numbers for
// new records.
func TestUnchangedPluginsSayTheSame(t *testing.T) {
	streamstest.Slow(t, "runs all plugins")
	t.Parallel()
	shipped := []plugins.Plugin{quotedb.New(), diceroller.New(), eightball.New(), help.New()}
	channel := plugintest.Run(t, shipped...)
	for _, line := range []string{
		"!quote", "!quote add one", "!roll 3d6", "!quote add two", "!quote 1", "!8ball will it rain?", "!quote delete 2", "!help", "!quote banana",
	} {
		channel.Say("alice", line)
	}
	// A bare payload has no correlation ID, from which the dice are seeded.
	if _, err := channel.Bus.JetStream().Publish(t.Context(), event.CommandSubject("dice-roller"), []byte(`{"command":"roll","args":["5d20"],"user":"x","channel":"test"}`)); err != nil {
		t.Fatal(err)
	}
	channel.Next()
	began := time.Now()
	// What others do to the database at the same time counts too.
	if _, err := channel.Request(event.SubjectSet, map[string]any{"collection": "quotes", "id": 1, "data": map[string]any{"text": "uno", "user": "bob"}}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"!quote 1", "!quote add three", "!quote add four", "!quote search o", "!quote delete 3", "!roll 2d20", "!roll nonsense", "!quote count", "!quote"} {
		channel.Say("alice", line)
	}
	ended := time.Now()
	channel.Say("alice", "!quote delete 1")
	channel.Say("alice", "!quote add five")
	channel.Say("alice", "!quote count") // once it is answered, the event after the answer before it is stored
	for _, c := range []struct {
		plugin  plugins.Plugin
		filter  replay.Filter
		outputs int
	}{
		{quotedb.New(), replay.Filter{}, 30},
		{quotedb.New(), replay.Filter{Since: began, Until: ended}, 13},
		{quotedb.New(), replay.Filter{Since: ended}, 5},
		{diceroller.New(), replay.Filter{}, 4},
		{eightball.New(), replay.Filter{}, 1},
		{help.New(), replay.Filter{}, 1},
	} {
		kase := record(t, channel, c.plugin, c.filter)
		first := run(t, kase, c.plugin, shipped...)
		allSame(t, first, c.outputs)
		sameFromFile(t, kase, first, c.plugin, shipped, c.outputs)
	}
}

// sameFromFile checks that a case has the same results from a file, and is saved in the
// same way when it was loaded.
func sameFromFile(t *testing.T, kase *dryrun.Case, first []dryrun.Result, p plugins.Plugin, shipped []plugins.Plugin, outputs int) {
	t.Helper()
	var saved, again bytes.Buffer
	if err := kase.Save(&saved); err != nil {
		t.Fatal(err)
	}
	text := saved.String()
	loaded, err := dryrun.Load(&saved)
	if err != nil {
		t.Fatal(err)
	}
	second := run(t, loaded, p, shipped...)
	allSame(t, second, outputs)
	if diff := cmp.Diff(jsonLines(t, first), jsonLines(t, second)); diff != "" || len(loaded.MissingCollections()) > 0 {
		t.Errorf("%s from a file: %s, without %v", p.Name, diff, loaded.MissingCollections())
	}
	if err := loaded.Save(&again); err != nil || again.String() != text {
		t.Errorf("%s is saved in another way when it was loaded: %v\n%s\n%s", p.Name, err, text, again.String())
	}
}

func jsonLines(t *testing.T, results []dryrun.Result) (lines []string) {
	t.Helper()
	for _, r := range results {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// behaviour is what the plugin under test does, by the command's first argument.
type behaviour map[string]plugins.Handler

func tester(b behaviour) plugins.Plugin {
	return plugins.Plugin{
		Name: "tester", Version: "1.0.0", MaxAge: time.Minute,
		Commands: []plugins.Command{{Name: "test", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
			if do := b[c.Command.Args[0]]; do != nil {
				return do(c)
			}
			return nil, nil
		}}},
	}
}

func says(lines ...string) plugins.Handler {
	return func(c *plugins.Context) (out []event.Envelope, err error) {
		for _, line := range lines {
			out = append(out, c.Say("%s", line)...)
		}
		return out, nil
	}
}

func rings(d time.Duration) plugins.Handler {
	return func(c *plugins.Context) ([]event.Envelope, error) {
		return nil, c.After(d, c.Command.Args[0], "rung", map[string]any{"n": 1})
	}
}

func fails(err error) plugins.Handler {
	return func(*plugins.Context) ([]event.Envelope, error) { return nil, err }
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	panics := func(*plugins.Context) ([]event.Envelope, error) { panic("ouch") }
	early := func(subject string) plugins.Handler {
		return func(c *plugins.Context) ([]event.Envelope, error) {
			return c.Say("late"), c.Publish(event.Envelope{Subject: subject, Data: json.RawMessage(`{"x":1}`)})
		}
	}
	const rung = `plugin.tester.event.rung {"event_type":"rung","n":1} (timer for `
	cases := []struct {
		name      string
		then, now plugins.Handler
		status    dryrun.Status
		report    string // with * for what depends on the time
	}{
		{"same", says("hello"), says("hello"), "same", "same hello"},
		{"silent", nil, nil, "same", ""},
		{"changed", says("hello"), says("good day"), "changed", "changed said hello | now good day"},
		{"missing", says("hello"), nil, "missing", "missing said hello"},
		{"new", nil, says("hello"), "new", "new now hello"},
		{"more", says("one"), says("one", "two"), "new", "same one | new now two"},
		{"fewer", says("one", "two", "three"), says("one", "three"), "missing", "same one | missing said two | same three"},
		{"order", says("a", "b"), says("b", "a"), "changed", "missing said a | same b | new now a"},
		{"mended", panics, says("fine"), "changed", "missing said (fails) the handler panicked: ouch | new now fine"},
		{"panics", panics, panics, "same", "same (fails) the handler panicked: ouch"},
		{"broken", says("fine"), fails(errors.New("out of order")), "changed", "missing said fine | new now (fails) out of order"},
		{"answer", says("fine"), fails(event.Errorf(event.InvalidInput, "say what")), "changed", "changed said fine | now ❌ say what"},
		{"early", early("plugin.tester.event.x"), early("plugin.tester.event.x"), "same", `same plugin.tester.event.x {"x":1} | same late`},
		{"foreign", early("plugin.tester.event.x"), early("plugin.other.event.x"), "changed",
			`missing said plugin.tester.event.x {"x":1} | missing said late | new now (fails) plugin tester may publish*`},
		{"timer", rings(time.Hour), rings(time.Hour), "same", "same " + rung + "*"},
		{"soon", rings(30 * time.Minute), rings(time.Hour), "changed", "changed said " + rung + "* | now " + rung + "*"},
		{"no-timer", rings(time.Hour), nil, "missing", "missing said " + rung + "*"},
		// It may have been set and cancelled.
		{"a-timer", nil, rings(time.Hour), "same", "unproven now " + rung + "*"},
	}
	then, now := behaviour{}, behaviour{}
	for _, c := range cases {
		then[c.name], now[c.name] = c.then, c.now
	}
	channel := plugintest.Run(t, tester(then))
	for _, c := range cases {
		channel.Type("alice", 1, "!test "+c.name)
	}
	channel.Settle("tester")
	results := run(t, record(t, channel, tester(now), replay.Filter{}), tester(now))
	if len(results) != len(cases) {
		t.Fatalf("%d results, want %d", len(results), len(cases))
	}
	for i, c := range cases {
		r := results[i]
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(c.report), `\*`, ".*") + "$"
		if got := text(t, r); r.Status() != c.status || !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s is %s: %s\nwant %s: %s", c.name, r.Status(), got, c.status, c.report)
		}
	}
	accepts(t, record(t, channel, tester(now), replay.Filter{}), tester(now))
}

// accepts checks that what a plugin publishes now can be made what is expected of it.
func accepts(t *testing.T, kase *dryrun.Case, p plugins.Plugin) {
	t.Helper()
	for _, r := range run(t, kase, p) {
		kase.Accept(r)
	}
	for _, r := range run(t, kase, p) {
		if r.Status() != dryrun.Same {
			t.Errorf("accepted, but %s: %s", r.Status(), text(t, r))
		}
	}
}

// A timer that fired late, as after the bot was down when it was due, is the one that
// is set now.
func TestLateTimer(t *testing.T) {
	t.Parallel()
	p := tester(behaviour{"late": rings(-time.Hour)})
	channel := plugintest.Run(t, p)
	channel.Type("alice", 1, "!test late")
	channel.Emitted("plugin.tester.event.rung")
	channel.Settle("tester")
	allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 1)
}

// What expired is not handled in a dry run either, and what was not does not
// expire because it is old by now.
func TestAge(t *testing.T) {
	t.Parallel()
	p := tester(behaviour{"it": func(c *plugins.Context) ([]event.Envelope, error) {
		return c.Say("late: %v", c.Waited() > 30*time.Second), nil
	}})
	channel := plugintest.Run(t, p)
	channel.Say("alice", "!test it")
	channel.Settle("tester")
	p.MaxAge = time.Nanosecond
	kase := record(t, channel, p, replay.Filter{})
	kase.Events[0].Waited = time.Hour
	r := run(t, kase, p)[0]
	if len(r.Outputs) != 1 || r.Outputs[0].Subject != event.EventSubject("tester", event.TypeExpired) {
		t.Errorf("after an hour: %s", text(t, r))
	}
	kase.Accept(r)
	allSame(t, run(t, kase, p), 1)
}

// A plugin that asks another what it asked then is answered what that answered then, and
// else by its code of today, or told that nobody answers.
func TestOtherPlugins(t *testing.T) {
	streamstest.Slow(t, "builds programs")
	t.Parallel()
	asks := func(question string) plugins.Plugin {
		return tester(behaviour{"it": func(c *plugins.Context) ([]event.Envelope, error) {
			_, err := c.Request(event.RequestSubject("8ball"), map[string]any{"question": question})
			return c.Say("answered: %v", err == nil), nil
		}})
	}
	channel := plugintest.Run(t, asks("well?"), eightball.New())
	channel.Say("alice", "!test it")
	channel.Settle("tester")
	kase := record(t, channel, asks("well?"), replay.Filter{})
	broken := eightball.New()
	broken.Start = func(*plugins.Context) error { return errors.New("no") }
	for _, others := range [][]plugins.Plugin{{asks("well?"), eightball.New()}, nil, {broken}} {
		allSame(t, run(t, kase, asks("well?"), others...), 1)
	}
	allSame(t, run(t, kase, asks("really?"), eightball.New()), 1)
	for _, others := range [][]plugins.Plugin{nil, {broken}} {
		if r := run(t, kase, asks("really?"), others...)[0]; text(t, r) != "changed said answered: true | now answered: false" {
			t.Errorf("without the other: %s", text(t, r))
		}
	}
}

// The lines of a case with one event.
const (
	caseHead  = `{"case":{"layout":1,"plugin":"tester"}}` + "\n"
	caseEvent = `{"event":{"ref":"PLUGIN:1","at":"2026-11-24T14:05:00Z","subject":"plugin.tester.command","body":{"command":"test","args":["it"],"user":"a"},"waited":0,"said":null}}`
)

// What a plugin uses that it did not use when the case was made is empty to it,
// and named.
func TestAbsent(t *testing.T) {
	t.Parallel()
	p := tester(behaviour{"it": says("hello")})
	channel := plugintest.Run(t, p)
	channel.Say("alice", "!test it")
	channel.Settle("tester")
	kase := record(t, channel, p, replay.Filter{})
	allSame(t, run(t, kase, p), 1)
	var saved bytes.Buffer
	if err := kase.Save(&saved); err != nil {
		t.Fatal(err)
	}
	loaded, err := dryrun.Load(&saved)
	if err != nil {
		t.Fatal(err)
	}
	p = tester(behaviour{"it": tally(1)})
	if r := run(t, loaded, p)[0]; text(t, r) != `changed said hello | now 1 | new now database.set {"collection":"tally","data":{"n":1},"id":"it"}` {
		t.Error(text(t, r))
	}
	if diff := cmp.Diff([]string{"tally"}, loaded.MissingCollections()); diff != "" {
		t.Error(diff)
	}
}
