package channel

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
)

// odd are values that a server has no reason to send.
var odd = []string{
	`null`, `true`, `false`, `0`, `-1`, `1`, `2.5`, `1e300`, `-0`, `9007199254740993`, `1795979951398`, `""`, `"0"`, `"12"`, `"x"`, `[]`, `{}`, `[null]`, `[[]]`,
	`{"name":"alice"}`, `"prepend"`, `"append"`, `"alice"`, `"ALICE"`, `"rosey"`, `"İ"`, `"ſ"`, `" "`, `"\u0000"`, `"\ud800"`, `"🦊🦊"`, `"__proto__"`, `"password"`,
	`"[server]"`, `"a.b/*>"`, `"<b>x</b>"`, `"cu:x"`, `"` + strings.Repeat("y", 5000) + `"`,
}

// spoil replaces one of the values in a JSON value, chosen by pick, or leaves an object
// without it.
func spoil(raw json.RawMessage, pick func(n int) int) json.RawMessage {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	depth := pick(4)
	switch {
	case depth > 0 && json.Unmarshal(raw, &list) == nil && len(list) > 0:
		i := pick(len(list))
		switch list[i] = spoil(list[i], pick); pick(8) {
		case 0:
			list = append(list, list[i]) // twice
		case 1:
			list = slices.Delete(list, i, i+1)
		}
		return marshal(list)
	case depth > 0 && json.Unmarshal(raw, &object) == nil && len(object) > 0:
		keys := slices.Sorted(maps.Keys(object))
		key := keys[pick(len(keys))]
		if object[key] = spoil(object[key], pick); pick(8) == 0 {
			delete(object, key)
		}
		return marshal(object)
	}
	return json.RawMessage(odd[pick(len(odd))])
}

// oddFrames is a property: any sequence of frames, some of them with odd values, over any
// sessions and processes, makes no panic, and its events add up to what the frames built.
func oddFrames(frames []Frame) func(*rapid.T) {
	return func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		f := newFolder()
		at := now
		for range rapid.IntRange(1, 60).Draw(t, "frames") {
			at = at.Add(time.Duration(pick(4000)) * time.Millisecond)
			switch pick(30) {
			case 0: // another process
				f.check(t, at)
				f.State = New("testchan")
				f.Restore(f.view)
				f.BeginJoin()
			case 1:
				f.BeginJoin()
			case 2:
				f.EndJoin()
			case 3:
				f.SetSelf("rosey")
			default:
				frame := frames[pick(len(frames))]
				if frame.Args = slices.Clone(frame.Args); len(frame.Args) > 0 && pick(3) > 0 {
					frame.Args[0] = spoil(frame.Args[0], pick)
				}
				t.Logf("%s: %s %.300s", at.Format("05.000"), frame.Name, frame.Args)
				events, _ := f.Apply(frame, at) // what was held back comes also with a malformed one
				f.take(t, events)
			}
		}
		f.check(t, at)
	}
}

// someOfEach returns at most some frames of each name, so that the rare ones are as frequent
// as the others.
func someOfEach(tb testing.TB) (frames []Frame) {
	tb.Helper()
	seen := map[string]int{}
	for _, f := range scenetest.Frames(tb) {
		if f.Dir == "in" && f.Event != "" && f.Event[0] != '$' {
			if seen[f.Event]++; seen[f.Event] <= 12 {
				frames = append(frames, Frame{Name: f.Event, Args: f.Args})
			}
		}
	}
	return frames
}

// Frames with odd values add up, too.
func TestOddFramesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, oddFrames(someOfEach(t)))
}

// FuzzFrames looks for sequences of frames that do not add up.
func FuzzFrames(f *testing.F) {
	for seed := range 16 {
		r := rand.New(rand.NewPCG(1, uint64(seed)))
		choices := make([]byte, 4096)
		for i := range choices {
			choices[i] = byte(r.Uint32())
		}
		f.Add(choices)
	}
	f.Fuzz(rapid.MakeFuzz(oddFrames(someOfEach(f))))
}

// Frames that name one thing twice add up, as the property above once found that they did
// not.
func TestTwiceInAListAddsUp(t *testing.T) {
	t.Parallel()
	for name, frames := range map[string][]string{
		"a user, whose rank is another the second time": {
			`["userlist",[{"name":"alice","rank":0,"meta":{}}]]`,
			`["userlist",[{"name":"alice","rank":1,"meta":{}},{"name":"Alice","rank":0,"meta":{}}]]`,
		},
		"a user who is new": {
			`["userlist",[]]`,
			`["userlist",[{"name":"alice","rank":1,"meta":{}},{"name":"bob","rank":1,"meta":{}},{"name":"alice","rank":0,"meta":{"afk":true}}]]`,
		},
		"a uid of the playlist, after which an item is queued": {
			`["playlist",[` + item(5, "a") + "," + item(6, "b") + "," + item(4, "c") + "," + item(6, "b") + `]]`,
			`["queue",{"item":` + item(7, "d") + `,"after":99}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder()
			for i, text := range frames {
				f.step(t, frame(t, text), now.Add(time.Duration(i)*time.Second))
			}
		})
	}
}
