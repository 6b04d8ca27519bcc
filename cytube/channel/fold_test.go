package channel

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// folder folds the events of a state as a reader of the stream does.
type folder struct {
	*State
	view *view.View
	seq  uint64
}

func newFolder() *folder { return &folder{State: New("testchan"), view: view.New("testchan")} }

// take folds events, which are stored and read in between.
func (f *folder) take(t rapid.TB, events []Event) {
	t.Helper()
	for _, e := range events {
		f.seq++
		if e.Subject == event.SubjectPollOpen {
			f.PollStored(ref(f.seq))
		}
		body, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := event.Decode(e.Subject, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		f.view.Apply(stored, ref(f.seq))
	}
}

// check compares what the events add up to with what the frames built.
func (f *folder) check(t rapid.TB, at time.Time) {
	t.Helper()
	f.take(t, f.Flush(at))
	if bytes.Equal(marshal(f.State.View()), marshal(f.view)) {
		return
	}
	if diff := cmp.Diff(asJSON(t, f.State.View()), asJSON(t, f.view)); diff != "" {
		t.Fatalf("the events add up to something else (-frames +events):\n%s", diff)
	}
}

func asJSON(t rapid.TB, v *view.View) (all map[string]any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The events of each recorded scene add up to what its frames built, as each client sees
// them.
func TestScenesAddUp(t *testing.T) {
	t.Parallel()
	clients := map[string]*folder{}
	at := now
	for _, f := range scenetest.Frames(t) {
		if f.Event == "scene" {
			at = at.Add(time.Minute)
		}
		if f.Dir != "in" || f.Event == "" || f.Event[0] == '$' {
			continue
		}
		c := clients[f.Conn]
		if c == nil {
			c = newFolder()
			clients[f.Conn] = c
		}
		c.step(t, Frame{Name: f.Event, Args: f.Args}, at.Add(time.Duration(f.T)*time.Millisecond))
	}
	if len(clients) < 6 {
		t.Errorf("%d clients", len(clients))
	}
}

// step applies a frame and compares.
func (f *folder) step(t rapid.TB, frame Frame, at time.Time) {
	t.Helper()
	if frame.Name == "rank" && string(frame.Args[0]) == "-1" {
		f.BeginJoin()
	}
	events, err := f.Apply(frame, at)
	if err != nil {
		return // it has no effect, see TestMalformedFrames
	}
	f.take(t, events)
	if frame.Name == "login" {
		f.SetSelf("rosey")
		f.EndJoin()
	}
	f.check(t, at)
}

// Any sequence of frames over any sessions and processes adds up.
func TestAnyFramesAddUp(t *testing.T) {
	t.Parallel()
	var frames []Frame
	for _, r := range recording(t) {
		frames = append(frames, r.Frame)
	}
	for _, f := range scenetest.Frames(t) {
		if f.Dir == "in" && f.Event != "" && f.Event[0] != '$' {
			frames = append(frames, Frame{Name: f.Event, Args: f.Args})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := newFolder()
		at := now
		for _, step := range rapid.SliceOfN(rapid.IntRange(-4, len(frames)-1), 1, 120).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			switch step {
			case -4: // another process
				f.check(t, at)
				f.State = New("testchan")
				f.Restore(f.view)
				fallthrough
			case -3:
				f.BeginJoin()
			case -2:
				f.EndJoin()
			case -1:
				f.SetSelf("rosey")
			default:
				events, err := f.Apply(frames[step], at)
				if err != nil && len(events) > 0 {
					t.Fatal(err)
				}
				f.take(t, events)
			}
			if rapid.Bool().Draw(t, "check") {
				f.check(t, at)
			}
		}
		f.check(t, at)
	})
}
