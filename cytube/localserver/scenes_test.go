package localserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
)

// play plays a scene: it sends what the clients sent and returns the difference between what they were told.
func (s *stage) play(frames []scenetest.Frame) string {
	s.t.Helper()
	want := map[string][]string{}
	for i, f := range frames {
		s.cue(frames, i)
		switch {
		case f.Dir == "note" && f.Event == "note" && strings.Contains(string(f.Args[0]), "joins "):
			told := s.told[f.Conn]
			if s.conns[f.Conn] == nil {
				s.dial(f.Conn)
			}
			s.emit(f.Conn, "joinChannel", object{"name": s.channel})
			if name := nameOf[f.Conn]; name != "" {
				s.emit(f.Conn, "login", object{"name": name, "pw": "secret"})
			}
			s.told[f.Conn] = told
		case f.Dir == "out":
			if s.conns[f.Conn] == nil {
				s.dial(f.Conn)
			}
			if f.Scene != "queue.18" && f.Scene != "queue.20" {
				s.rested()
			}
			s.write(f.Conn, outFrame(f))
		case f.Dir == "in" && f.Event == "$disconnect":
			s.settle("")
			s.exit(f.Conn)
			if strings.Contains(string(f.Args[0]), "server disconnect") {
				want[f.Conn] = append(want[f.Conn], "41")
			}
		case f.Dir == "in":
			if s.conns[f.Conn] == nil {
				s.dial(f.Conn)
			}
			want[f.Conn] = append(want[f.Conn], wanted(f))
		}
	}
	s.settle("")
	for conn, frames := range s.told {
		if slices.Contains(frames, "41") {
			s.exit(conn) // as a client does that was sent away
		}
	}
	got := map[string][]string{}
	for conn := range want {
		want[conn] = comparableFrames(frames[0].Scene, want[conn])
		got[conn] = comparableFrames(frames[0].Scene, s.told[conn])
	}
	return cmp.Diff(want, got)
}

func outFrame(f scenetest.Frame) string {
	args, ack := f.Args, ""
	if n := len(args); n > 0 && string(args[n-1]) == `"$ack"` {
		args, ack = args[:n-1], "7"
	}
	name, _ := json.Marshal(f.Event)
	parts := [][]byte{name}
	for _, a := range args {
		parts = append(parts, a)
	}
	return "42" + ack + "[" + string(bytes.Join(parts, []byte(","))) + "]"
}

// wanted is a recorded event as a frame.
func wanted(f scenetest.Frame) string {
	switch f.Event {
	case "$connect_error":
		return "44" + string(f.Args[0])
	case "$ack":
		return "437[" + string(f.Args[0]) + "]"
	}
	return outFrame(f)
}

var errNoFrame = errors.New("no event")

func eventOf(frame string) (args []any, err error) {
	if !strings.HasPrefix(frame, "42") {
		return nil, errNoFrame
	}
	if err := json.Unmarshal([]byte(frame[2:]), &args); err != nil {
		return nil, fmt.Errorf("frame %s: %w", frame, err)
	}
	return args, nil
}

// TestScenesReplayed plays the clients of the scenes against this server: each must be told what the real server told it,
// in the same order.
func TestScenesReplayed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var s *stage
	played, skipped := 0, 0
	for _, frames := range byScene(scenetest.Frames(t)) {
		scene := frames[0].Scene
		if starts := slices.Contains(firstScenes, scene); starts {
			if s != nil {
				s.Close()
			}
			s = newStage(t, ctx, scene)
			t.Cleanup(s.Close)
		}
		s.prepare(frames)
		if reason, skip := notReproduced[scene]; skip {
			t.Logf("%s: not reproduced: %s", scene, reason)
			skipped++
			continue
		}
		if diff := s.play(frames); diff != "" {
			t.Errorf("%s\n%s", scene, diff)
		}
		played++
	}
	t.Logf("%d scenes are as on the real server, %d are not reproduced", played, skipped)
}

func byScene(frames []scenetest.Frame) (scenes [][]scenetest.Frame) {
	for i, f := range frames {
		if i == 0 || f.Scene != frames[i-1].Scene {
			scenes = append(scenes, nil)
		}
		scenes[len(scenes)-1] = append(scenes[len(scenes)-1], f)
	}
	return scenes
}
