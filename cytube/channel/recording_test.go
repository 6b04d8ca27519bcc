package channel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is when every frame of these tests comes.
var now = time.UnixMilli(1_795_489_000_000)

// recordedFrame is a frame that a client of the recorded session received.
type recordedFrame struct {
	client string
	Frame
}

// recording reads the frames of a session with a real server.
func recording(t testing.TB) (frames []recordedFrame) {
	t.Helper()
	f, err := os.Open("../socketio/testdata/cytube-frames.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r struct{ Dir, C, Frame string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir != "in" {
			continue
		}
		p, err := socketio.Decode([]byte(r.Frame))
		if err != nil {
			t.Fatal(err)
		}
		if p.Type == socketio.Message {
			frames = append(frames, recordedFrame{r.C, Frame{Name: p.Name, Args: p.Args}})
		}
	}
	if lines.Err() != nil || len(frames) < 900 {
		t.Fatalf("read %d frames: %v", len(frames), lines.Err())
	}
	return frames
}

// joiningState is a state between BeginJoin and EndJoin.
func joiningState() *State {
	s := New("testchan")
	s.BeginJoin()
	return s
}

// joinedState is a state after EndJoin.
func joinedState() *State {
	s := joiningState()
	s.EndJoin()
	return s
}

// frame decodes 42["name",arg] without the 42.
func frame(t testing.TB, text string) Frame {
	t.Helper()
	p, err := socketio.Decode([]byte("42" + text))
	if err != nil {
		t.Fatal(err)
	}
	return Frame{Name: p.Name, Args: p.Args}
}

// apply applies frames and returns subject and data of their events.
func apply(t testing.TB, s *State, frames ...string) (events []string) {
	t.Helper()
	for _, text := range frames {
		list, err := s.Apply(frame(t, text), now)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			events = append(events, fmt.Sprintf("%s %s", e.Subject, e.Data))
		}
	}
	for _, e := range s.Flush(now) {
		events = append(events, fmt.Sprintf("%s %s", e.Subject, e.Data))
	}
	return events
}

// Each frame that a real server sent means what the golden file says, as the bot, a
// moderator and a late guest see it.
func TestRecording(t *testing.T) {
	t.Parallel()
	states := map[string]*State{}
	events := map[string][]string{}
	for _, f := range recording(t) {
		s := states[f.client]
		if s == nil {
			s = joiningState()
			states[f.client] = s
		}
		list, err := s.Apply(f.Frame, now)
		if err != nil {
			t.Errorf("%s: %v", f.client, err)
		}
		if f.Name == "login" {
			s.EndJoin()
		}
		for _, e := range list {
			if err := e.Validate(); err != nil {
				t.Errorf("%s: %v", f.client, err)
			}
			events[f.client] = append(events[f.client], fmt.Sprintf("%s %s", e.Subject, e.Data))
		}
	}
	var got bytes.Buffer
	for _, client := range []string{"bot", "boss", "eve"} {
		for _, e := range states[client].Flush(now) {
			events[client] = append(events[client], fmt.Sprintf("%s %s", e.Subject, e.Data))
		}
		fmt.Fprintf(&got, "== %s\n%s\n", client, strings.Join(events[client], "\n"))
	}
	golden(t, "testdata/recording.golden", got.String())
}

// golden compares got with a golden file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("events differ (-golden +got):\n%s", diff)
	}
}
