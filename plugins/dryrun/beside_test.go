package dryrun_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/dryrun"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// counted is the record of the plugins below.
type counted struct {
	N int `json:"n"`
}

// gate is a moment that a handler waits for. In a dry run it has passed.
type gate struct {
	once   sync.Once
	passed chan struct{}
}

func newGate() *gate   { return &gate{passed: make(chan struct{})} }
func (g *gate) pass()  { g.once.Do(func() { close(g.passed) }) }
func (g *gate) await() { <-g.passed }

func concurrent(name string, commands map[string]plugins.Handler) plugins.Plugin {
	p := plugins.Plugin{Name: name, Version: "1.0.0", Concurrent: true, Collections: map[string]any{"tally": counted{}}}
	for command, handle := range commands {
		p.Commands = append(p.Commands, plugins.Command{Name: command, Description: command, Handle: handle})
	}
	return p
}

func count(c *plugins.Context) (n counted, err error) {
	err = c.DB("tally").Get("n", &n)
	if event.CodeOf(err) == event.RecordNotFound {
		err = nil
	}
	return n, err
}

// A command that was handled while another user's waited is handled at its own time.
func TestTimeOfHandlersBesideEachOther(t *testing.T) {
	t.Parallel()
	other := newGate()
	p := concurrent("ages", map[string]plugins.Handler{
		"first": func(c *plugins.Context) ([]event.Envelope, error) { other.await(); return nil, nil },
		"age": func(c *plugins.Context) ([]event.Envelope, error) {
			if _, err := count(c); err != nil {
				return nil, err
			}
			if c.Command.User == "bob" {
				other.pass()
			}
			return c.Say("%s is %s old", c.Command.User, c.Waited()), nil
		},
	})
	channel := plugintest.Run(t, p)
	channel.Type("alice", 1, "!first")
	channel.Type("alice", 1, "!age")
	channel.Type("bob", 1, "!age")
	channel.Next()
	channel.Next()
	channel.Settle(p.Name)
	allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 2)
}

// What a handler read before another wrote is not what is there afterwards.
func TestReadsBesideWrites(t *testing.T) {
	t.Parallel()
	read, failed := newGate(), new(atomic.Bool)
	p := concurrent("tallies", map[string]plugins.Handler{
		"set": func(c *plugins.Context) ([]event.Envelope, error) {
			read.await()
			_, err := c.DB("tally").Set("n", counted{1})
			return c.Say("set"), err
		},
		"get": func(c *plugins.Context) ([]event.Envelope, error) {
			n, err := count(c)
			read.pass()
			return c.Say("%d", n.N), err
		},
		"fail": func(c *plugins.Context) ([]event.Envelope, error) { // so that what it is answered is not kept
			n, err := count(c)
			if failed.CompareAndSwap(false, true) {
				return nil, errors.New("for once")
			}
			return c.Say("%d", n.N), err
		},
	})
	channel := plugintest.Run(t, p)
	channel.Type("bob", 1, "!set")
	channel.Type("alice", 1, "!get")
	channel.Next()
	channel.Next()
	if said := channel.Say("carol", "!fail"); said != "1" {
		t.Fatalf("carol hears %q", said)
	}
	channel.Settle(p.Name)
	allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 4)
}

// Whatever several users asked for at once, an unchanged plugin is the same.
func TestUsersBesideEachOther(t *testing.T) {
	streamstest.Slow(t, "many commands")
	t.Parallel()
	p := concurrent("adder", map[string]plugins.Handler{
		"add": func(c *plugins.Context) ([]event.Envelope, error) {
			var n counted
			return c.DB("tally").Change(event.ID(c.Command.Args[0]), &n, func() ([]event.Envelope, error) {
				n.N++
				return c.Say("%s %d after %s", c.Command.User, n.N, c.Waited()), nil
			})
		},
		"get": func(c *plugins.Context) ([]event.Envelope, error) {
			n, err := count(c)
			return c.Say("%d", n.N), err
		},
	})
	channel := plugintest.Run(t, p)
	user, line := rapid.SampledFrom([]string{"alice", "bob", "carol"}), rapid.SampledFrom([]string{"!add n", "!add n", "!add m", "!get"})
	for i := range 60 {
		channel.Type(user.Example(i), 1, line.Example(i))
	}
	for range 60 {
		channel.Emitted(event.CommandSubject(p.Name))
	}
	channel.Settle(p.Name)
	for _, r := range run(t, record(t, channel, p, replay.Filter{}), p) {
		if s := r.Status(); s != dryrun.Same {
			t.Errorf("%s of %s is %s: %s", r.Event.Ref, r.Event.Body, s, text(t, r))
		}
	}
}

type volume struct {
	Volume int `json:"volume" default:"5" min:"1" max:"9" jsonschema:"how loud"`
	Bass   int `json:"bass" default:"5" min:"1" max:"9" jsonschema:"how low"`
}

// loud says its settings, and asks nothing.
func loud() plugins.Plugin {
	p := concurrent("loud", map[string]plugins.Handler{"loud": func(c *plugins.Context) ([]event.Envelope, error) {
		s := plugins.SettingsOf[volume](c)
		return c.Say("%d %d", s.Volume, s.Bass), nil
	}})
	p.Settings = volume{}
	return p
}

// The settings are those of then, whatever they became since, also from a file; but for
// those that the caller gives.
func TestSettingsOfThen(t *testing.T) {
	t.Parallel()
	p := loud()
	channel := plugintest.Run(t, p)
	channel.Say("alice", "!loud")
	for i := range 8 {
		channel.Set(p.Name, []string{"volume", "bass"}[i%2], fmt.Sprint(1+i))
		channel.Say("alice", "!loud")
	}
	channel.Set(p.Name, "volume", "5")
	kase := record(t, channel, p, replay.Filter{})
	allSame(t, run(t, kase, p), 9)
	allSame(t, run(t, record(t, channel, p, replay.Filter{Since: kase.Events[5].At}), p), 4)
	var saved bytes.Buffer
	if err := kase.Save(&saved); err != nil {
		t.Fatal(err)
	}
	loaded, err := dryrun.Load(&saved)
	if err != nil {
		t.Fatal(err)
	}
	allSame(t, run(t, loaded, p), 9)
	for i, r := range runWith(t, loaded, p, router.Setting{Plugin: p.Name, Key: "volume", Text: "9"}) {
		if want := fmt.Sprintf(`"9 %d"`, []int{5, 5, 2, 2, 4, 4, 6, 6, 8}[i]); !bytes.Contains(r.Outputs[0].Data, []byte(want)) {
			t.Errorf("%d with volume 9: %s, want %s", i, r.Outputs[0].Data, want)
		}
	}
	o := dryrun.Options{Settings: []router.Setting{{Plugin: p.Name, Key: "loud.cooldown_user", Text: "9s"}}}
	for _, err := range dryrun.Run(t.Context(), loaded, p, o) {
		if event.CodeOf(err) != event.InvalidInput {
			t.Errorf("a setting of the router: %v", err)
		}
	}
}

func runWith(t *testing.T, c *dryrun.Case, p plugins.Plugin, set ...router.Setting) (all []dryrun.Result) {
	t.Helper()
	for r, err := range dryrun.Run(streamstest.Context(t), c, p, dryrun.Options{Settings: set}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// A command that a grant let through comes to the plugin, also when the grant is over.
func TestGrantsOfThen(t *testing.T) {
	t.Parallel()
	p := loud()
	channel := plugintest.Run(t, p)
	channel.Set(p.Name, "loud.min_rank", "3")
	channel.Grant("alice", "loud.loud", time.Hour)
	channel.Say("alice", "!loud")
	channel.Grant("alice", "loud.loud", -time.Hour)
	allSame(t, run(t, record(t, channel, p, replay.Filter{}), p), 1)
}
