// Package scenetest has the recording of what the clients of a real server (CyTube 3.86) sent
// and received while each ability of a channel was tried, scene by scene, for tests.
package scenetest

import (
	"bytes"
	_ "embed" // of the recording
	"encoding/json"
	"testing"
)

//go:embed testdata/abilities.jsonl
var recording []byte

// Frame is a line of the recording.
type Frame struct {
	Scene, Conn, Dir, Event string
	Args                    []json.RawMessage
	T                       int64 // ms since the scene began
}

// Frames returns the recording. Arguments that are those of another line are filled in.
func Frames(t testing.TB) (frames []Frame) {
	t.Helper()
	for line := range bytes.Lines(recording) {
		var f Frame
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	for i := range frames {
		for range 3 { // a line may be as one that is as another
			var same struct {
				Line int `json:"$same"`
			}
			if len(frames[i].Args) == 1 && json.Unmarshal(frames[i].Args[0], &same) == nil && same.Line > 0 {
				frames[i].Args = frames[same.Line-1].Args
			}
		}
	}
	if len(frames) < 2500 {
		t.Fatalf("read %d frames", len(frames))
	}
	return frames
}
