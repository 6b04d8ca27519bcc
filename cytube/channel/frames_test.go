package channel

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ frame, want string }{
		{`["chatMsg"]`, `frame "chatMsg": it has no argument`},
		{`["chatMsg",null]`, "it has no argument"},
		{`["chatMsg","x"]`, "must be"},
		{`["chatMsg",{"msg":"x","time":1}]`, "username is missing"},
		{`["chatMsg",{"username":"","msg":"x","time":1}]`, "username is missing"},
		{`["chatMsg",{"username":"a","time":1}]`, "msg is missing"},
		{`["chatMsg",{"username":"a","msg":"x"}]`, "time is missing"},
		{`["chatMsg",{"username":"a","msg":"x","time":-1}]`, "time is -1"},
		{`["chatMsg",{"username":"a","msg":"x","time":1e300}]`, "time is 1e+300"},
		{`["userlist",{}]`, "must be"},
		{`["userlist",null]`, "it has no argument"},
		{`["addUser",{"rank":1}]`, "name is missing"},
		{`["userLeave",{}]`, "name is missing"},
		{`["setUserRank",{"name":"a"}]`, "rank is missing"},
		{`["rank",null]`, "it has no argument"},
		{`["queue",{}]`, "uid is missing"},
		{`["changeMedia",{"id":"i","title":"t"}]`, "type is missing"},
		{`["changeMedia",{"id":7.5,"title":"t","type":{}}]`, "type is missing"},
		{`["queue",{"item":{"uid":"x","media":{"id":"i","title":"t","type":"yt"}}}]`, "uid is missing"},
		{`["rank","x"]`, "must be float64, not string"},
		{`["delete",{}]`, "uid is missing"},
		{`["setCurrent","x"]`, "must be int"},
		{`["channelOpts",[]]`, "must be"},
	} {
		checkMalformed(t, frame(t, test.frame), test.want)
	}
	deep := json.RawMessage(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000))
	checkMalformed(t, Frame{Name: "chatMsg", Args: []json.RawMessage{deep}}, "")
}

// checkMalformed checks that a frame is an error with a text and has no effect.
func checkMalformed(t *testing.T, f Frame, want string) {
	t.Helper()
	s := joiningState()
	apply(t, s, listAlice)
	events, err := s.Apply(f, now)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s %.80s: error %v, want %q", f.Name, f.Args, err, want)
	}
	if len(events) > 0 || len(s.users) != 1 {
		t.Errorf("%s %.80s: it had an effect", f.Name, f.Args)
	}
}

// Any sequence of recorded frames, in any order and over several sessions, gives valid
// events, and the same sequence gives the same events again.
func TestFoldIsDeterministic(t *testing.T) {
	t.Parallel()
	frames := recording(t)
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(-3, len(frames)-1), 1, 200).Draw(t, "steps")
		fold := func() (events []string) {
			s := New("testchan")
			for i, step := range steps {
				at := now.Add(time.Duration(i) * time.Second)
				switch step {
				case -3:
					s.BeginJoin()
				case -2:
					s.EndJoin()
				case -1:
					s.SetSelf("rosey")
				default:
					list, _ := s.Apply(frames[step].Frame, at)
					for _, e := range list {
						body, err := e.MarshalJSON()
						if err != nil {
							t.Fatal(err)
						}
						events = append(events, e.Subject+" "+string(body))
					}
				}
			}
			return events
		}
		if first, second := fold(), fold(); !slices.Equal(first, second) {
			t.Fatal(cmp.Diff(first, second))
		}
	})
}

// FuzzFrame applies whatever a server might send: it never panics, and the events keep
// to the contract.
func FuzzFrame(f *testing.F) {
	seen := map[string]int{}
	for _, r := range recording(f) {
		if seen[r.Name]++; seen[r.Name] <= 3 && len(r.Args) == 1 {
			f.Add(r.Name, []byte(r.Args[0]))
		}
	}
	f.Fuzz(func(t *testing.T, name string, arg []byte) {
		if !json.Valid(arg) {
			return // such a frame does not get here
		}
		frame := Frame{Name: name, Args: []json.RawMessage{arg}}
		s := joiningState()
		s.SetSelf("bot")
		for range 2 { // joining and joined
			events, err := s.Apply(frame, now)
			if err != nil && len(events) > 0 {
				t.Error("a malformed frame had an effect")
			}
			for _, e := range events {
				if err := e.Validate(); err != nil {
					t.Error(err)
				}
				body, err := e.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := event.Decode(e.Subject, body); err != nil {
					t.Error(err)
				}
			}
			s.EndJoin()
		}
	})
}

// BenchmarkApply measures a chat line from the frame to the event.
func BenchmarkApply(b *testing.B) {
	s := joinedState()
	f := frame(b, `["chatMsg",{"username":"alice","msg":"line &amp; <strong>more</strong>","meta":{},"time":1000}]`)
	for b.Loop() {
		if events, err := s.Apply(f, now); err != nil || len(events) != 1 {
			b.Fatal(err)
		}
	}
}
