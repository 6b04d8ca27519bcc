package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/quotedb"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// holds counts the stored events that say a text, by stream.
func holds(ctx context.Context, t *testing.T, bus *streams.Bus, text string) map[string]int {
	t.Helper()
	n := map[string]int{}
	q := replay.Query{Filter: replay.Filter{Grep: regexp.MustCompile(regexp.QuoteMeta(text))}}
	for e, err := range replay.Read(ctx, bus.JetStream(), q) {
		if err != nil {
			t.Fatal(err)
		}
		n[e.Ref.Stream]++
	}
	return n
}

// What plugins asked of the database because of somebody's commands goes with
// these, also where it came later than what is to be erased; what the bot answered
// stays and is counted.
func TestForgetErasesRequests(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	channel := plugintest.Run(t, quotedb.New())
	channel.Say("mallory", "!quote add secretword quote")
	channel.Settle(quotedb.Name) // so that its event comes before the next command
	channel.Say("mallory", "!quote secretword")
	channel.Say("alice", "!quote add something else")
	channel.Settle(quotedb.Name)
	streamstest.Recorded(t, channel.Bus.JetStream(), streams.Database, 4)
	before := holds(ctx, t, channel.Bus, "secretword")
	if before[streams.Database] < 2 || before[streams.Cytube] != 3 {
		t.Fatalf("what is to be erased is not there: %v", before)
	}
	others := holds(ctx, t, channel.Bus, "something else")
	o := ForgetOptions{Channel: plugintest.ChannelName, Since: time.Now().Add(-time.Hour), DryRun: true}
	last := channel.Stored(event.CommandSubject(quotedb.Name))[1]
	o.Until = last.At.Add(1)
	dry, err := Forget(ctx, channel.Bus, newKey(t), "mallory", o)
	if err != nil {
		t.Fatal(err)
	}
	if after := holds(ctx, t, channel.Bus, "secretword"); !cmp.Equal(after, before) {
		t.Errorf("the dry run left %v of %v", after, before)
	}
	o.DryRun = false
	done, err := Forget(ctx, channel.Bus, newKey(t), "mallory", o)
	if err != nil || !cmp.Equal(done, dry) || done.Events[streams.Database] < before[streams.Database] {
		t.Errorf("it erased %+v, %v; the dry run says %+v", done, err, dry)
	}
	// The answer to what is no quote, which quotes the command.
	if after, want := holds(ctx, t, channel.Bus, "secretword"), map[string]int{streams.Cytube: 1}; !cmp.Equal(after, want) {
		t.Errorf("after it %v are left, want %v", after, want)
	}
	if done.Answers < 2 {
		t.Errorf("it says that %d answers are left", done.Answers)
	}
	if after := holds(ctx, t, channel.Bus, "something else"); !cmp.Equal(after, others) {
		t.Errorf("of what others said %v is left of %v", after, others)
	}
}

// Programs that name no causes, and such as give the events of several people one
// correlation ID, show where the line is.
func TestForgetTellsWhoseRequestsTheyAre(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	w := &marked{t: t, bus: bus, refs: map[string]event.Ref{}, stored: map[string]uint64{}}
	store := w.store
	command := func(user string) map[string]any {
		return map[string]any{"command": "x", "args": []string{}, "user": user, "channel": "lounge", "rank": 1, "raw_message": "!x"}
	}
	get := func() map[string]any { return map[string]any{"collection": "c", "id": 1} }
	asked := event.RequestSubject("other")

	store("hers", event.CommandSubject("p"), "hers-alone", "", command("mallory"))
	store("get because of hers", event.SubjectGet, "another", "hers", get())
	store("request because of hers", asked, "hers-alone", "hers", map[string]any{})
	store("get for that request", event.SubjectGet, "hers-alone", "", get())
	store("event because of hers", event.EventSubject("p", "done"), "hers-alone", "hers", map[string]any{})
	store("get because of that event", event.SubjectGet, "hers-alone", "event because of hers", get())
	store("answer", event.SubjectSendChat, "hers-alone", "", map[string]any{"message": "what?"})

	store("hers in a crowd", event.CommandSubject("p"), "crowd", "", command("mallory"))
	store("bobs in a crowd", event.CommandSubject("p"), "crowd", "", command("bob"))
	store("get because of hers in a crowd", event.SubjectGet, "crowd", "hers in a crowd", get())
	store("get because of bobs in a crowd", event.SubjectGet, "crowd", "bobs in a crowd", get())
	store("get of the crowd", event.SubjectGet, "crowd", "", get())
	store("get of nobody", event.SubjectGet, "elsewhere", "", get())
	store("bob of her", event.SubjectChat, "gossip", "", map[string]any{"user": "bob", "message": "mallory!", "channel": "lounge", "rank": 1, "time": 1})

	done, err := Forget(ctx, bus, newKey(t), "mallory", ForgetOptions{})
	want := Forgotten{Events: map[string]int{streams.Plugin: 2, streams.PluginRequest: 1, streams.Database: 4}, Answers: 3, Mentions: 1}
	if err != nil || !cmp.Equal(done, want) {
		t.Errorf("it says %+v, %v; want %+v", done, err, want)
	}
	left := w.left()
	stays := []string{"answer", "bob of her", "bobs in a crowd", "event because of hers", "get because of bobs in a crowd", "get of nobody", "get of the crowd"}
	if !slices.Equal(left, stays) {
		t.Errorf("left are %s\nwant     %s", strings.Join(left, ", "), strings.Join(stays, ", "))
	}
	if order, want := erasuresOf(ctx, t, bus), []string{"map[DATABASE:[1 2 3 4] PLUGIN:[1 3] PLUGIN_REQUEST:[1]]"}; !slices.Equal(order, want) {
		t.Errorf("the erasures are of %v, want %v", order, want)
	}
}

// erasuresOf returns the events of each erasure, in the order they were stored.
func erasuresOf(ctx context.Context, t *testing.T, bus *streams.Bus) (order []string) {
	t.Helper()
	for e, err := range replay.Read(ctx, bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectErasure}}}) {
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Data event.Erasure `json:"data"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			t.Fatal(err)
		}
		order = append(order, fmt.Sprint(body.Data.Events))
	}
	return order
}

// marked are events by name, each of which holds its name as a mark.
type marked struct {
	t      *testing.T
	bus    *streams.Bus
	refs   map[string]event.Ref
	stored map[string]uint64 // by stream
}

// store publishes an event with a correlation ID and the name of its cause.
func (w *marked) store(name, subject, correlation, cause string, data map[string]any) {
	w.t.Helper()
	data["mark"] = "<" + name + ">"
	metadata := map[string]any{event.MetaSource: "test"}
	if cause != "" {
		metadata[event.MetaCausation] = w.refs[cause].String()
	}
	body, err := json.Marshal(map[string]any{"subject": subject, "data": data, "correlation_id": correlation, "metadata": metadata})
	if err == nil {
		err = w.bus.Conn().Publish(subject, body)
	}
	if err == nil {
		err = w.bus.Conn().Flush()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	spec, _ := streams.For(subject)
	ref := event.Ref{Stream: spec.Name, Seq: w.stored[spec.Name] + 1}
	for last := uint64(0); last < ref.Seq; {
		if _, last, err = replay.Bounds(w.t.Context(), w.bus.JetStream(), spec.Name); err != nil {
			w.t.Fatal(err)
		}
	}
	w.refs[name], w.stored[spec.Name] = ref, ref.Seq
}

// left returns the names of the events that are still stored, sorted.
func (w *marked) left() (names []string) {
	w.t.Helper()
	for name := range w.refs {
		if len(holds(w.t.Context(), w.t, w.bus, "<"+name+">")) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// The fingerprints of erased lines cannot be tried without their key, and what plugins
// say of a person by name is the person's.
func TestErasureIsNoOracle(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	line := event.Chat{User: "bob", Message: "a guess", Channel: "lounge", Time: ms(1)}
	streamstest.Publish(t, bus, event.SubjectChat, line)
	for kind, payload := range map[string]string{
		"quote_added": `{"id":1,"added_by":"Bob"}`, "quote_deleted": `{"id":1,"deleted_by":"bob"}`,
		"game_end": `{"winner":"bob","scores":[{"user":"alice","points":1}]}`, "round_end": `{"winner":"","scores":[{"user":"alice"},{"user":"BOB"}]}`,
		"other": `{"winner":"alice"}`,
	} {
		if _, err := bus.JetStream().Publish(ctx, event.EventSubject("game", kind), []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	done, err := Forget(ctx, bus, newKey(t), "bob", ForgetOptions{})
	if err != nil || done.Events[streams.Plugin] != 4 {
		t.Errorf("it erased %+v, %v", done, err)
	}
	var lines []string
	for e, err := range replay.Read(ctx, bus.JetStream(), replay.Query{Filter: replay.Filter{Subjects: []string{event.SubjectErasure}}}) {
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Decode()
		if err != nil {
			t.Fatal(err)
		}
		p, err := event.As[event.Erasure](s.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, p.Lines...)
	}
	keys, err := streams.ErasureKeys(ctx, bus.JetStream(), "lounge")
	if err != nil || len(keys) != 1 || len(lines) != 1 || lines[0] == line.Fingerprint(nil) || lines[0] != line.Fingerprint(keys[0].Key) {
		t.Errorf("the erasure has the lines %v, and %d keys, %v", lines, len(keys), err)
	}
}
