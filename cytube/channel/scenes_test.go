package channel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
	"github.com/rosey-bot/rosey/event"
)

// scenePlayer folds the frames of one client.
type scenePlayer struct {
	*State
	client string
}

// play applies a frame and returns its events.
func (p *scenePlayer) play(t testing.TB, f scenetest.Frame, at time.Time) (events []string) {
	t.Helper()
	if f.Event == "rank" && string(f.Args[0]) == "-1" {
		p.BeginJoin()
	}
	list, err := p.Apply(Frame{Name: f.Event, Args: f.Args}, at)
	if err != nil {
		t.Errorf("%s, %s: %v", f.Scene, p.client, err)
	}
	if f.Event == "login" {
		if name, refusal, err := ReadLogin(Frame{Name: f.Event, Args: f.Args}); err == nil && refusal == "" {
			p.SetSelf(name)
			p.EndJoin()
		}
	}
	for _, e := range list {
		if err := e.Validate(); err != nil {
			t.Errorf("%s, %s: %v", f.Scene, p.client, err)
		}
		if e.Subject == "cytube.poll.open" {
			p.PollStored(ref(1))
		}
		events = append(events, fmt.Sprintf("%s %s", e.Subject, e.Data))
	}
	return events
}

// Each scene means what the golden file says, as a moderator sees it who did nothing.
func TestScenes(t *testing.T) {
	t.Parallel()
	p := &scenePlayer{State: joinedState(), client: "mod"}
	var got strings.Builder
	at := now
	flush := func() {
		for _, e := range p.Flush(at) {
			fmt.Fprintf(&got, "%s %s\n", e.Subject, e.Data)
		}
	}
	began := at
	for _, f := range scenetest.Frames(t) {
		switch {
		case f.Event == "scene":
			flush()
			began = at.Add(time.Minute)
			at = began
			fmt.Fprintf(&got, "== %s: %s\n", f.Scene, f.Args[0])
		case f.Conn == p.client && f.Dir == "in" && !strings.HasPrefix(f.Event, "$"):
			at = began.Add(time.Duration(f.T) * time.Millisecond)
			for _, e := range p.play(t, f, at) {
				fmt.Fprintln(&got, e)
			}
		}
	}
	flush()
	golden(t, "testdata/scenes.golden", got.String())
}

// ref is where an event is stored.
func ref(seq uint64) event.Ref { return event.Ref{Stream: "CYTUBE", Seq: seq} }
