package cytube

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
	"github.com/rosey-bot/rosey/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorded gives the frames that the clients of a recorded session received.
func recorded(t testing.TB) (frames []recordedFrame) {
	t.Helper()
	f, err := os.Open("socketio/testdata/cytube-frames.jsonl")
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
			frames = append(frames, recordedFrame{r.C, socketio.Event{Name: p.Name, Args: p.Args}})
		}
	}
	if lines.Err() != nil || len(frames) < 900 {
		t.Fatalf("read %d frames: %v", len(frames), lines.Err())
	}
	return frames
}

type recordedFrame struct {
	client string
	event  socketio.Event
}

func testRoom() *room {
	r := newRoom("testchan")
	r.now = func() time.Time { return time.UnixMilli(1_795_489_000_000) }
	r.begin()
	return r
}

// Every frame that a real server was seen to send means what the golden file
// says, as the bot, a moderator and a late guest see it.
func TestRecording(t *testing.T) {
	t.Parallel()
	rooms := map[string]*room{}
	events := map[string][]string{}
	for _, f := range recorded(t) {
		r := rooms[f.client]
		if r == nil {
			r = testRoom()
			rooms[f.client] = r
		}
		facts, err := r.apply(f.event.Name, f.event.Args)
		if err != nil {
			t.Errorf("%s: %v", f.client, err)
		}
		if f.event.Name == "login" {
			r.joining = false
		}
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("%s: %v", f.client, err)
			}
			events[f.client] = append(events[f.client], fmt.Sprintf("%s %s", fact.Subject, fact.Data))
		}
	}
	var got bytes.Buffer
	for _, client := range []string{"bot", "boss", "eve"} {
		fmt.Fprintf(&got, "== %s\n%s\n", client, strings.Join(events[client], "\n"))
	}
	golden := "testdata/recording.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("events differ (-golden +got):\n%s", diff)
	}
}

// frame decodes 42["name",arg] without the 42.
func frame(t testing.TB, text string) (string, []json.RawMessage) {
	t.Helper()
	p, err := socketio.Decode([]byte("42" + text))
	if err != nil {
		t.Fatal(err)
	}
	return p.Name, p.Args
}

const (
	listAlice = `["userlist",[{"name":"alice","rank":1}]]`
	itemTwo   = `{"media":{"id":"abc","title":"T","seconds":61,"type":"yt"},"uid":2,"queueby":"alice"}`
)

func TestRoom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		before []string // frames whose events do not matter
		frames []string
		want   []string // subject and data
	}{
		{"rank comes from the list", []string{`["userlist",[{"name":"Alice","rank":2.5}]]`},
			[]string{`["chatMsg",{"username":"alice","msg":"x","meta":{},"time":5}]`},
			[]string{`cytube.chat {"user":"alice","message":"x","channel":"testchan","rank":2,"time":5}`}},
		{"who is gone is a guest", []string{listAlice, `["userLeave",{"name":"alice"}]`},
			[]string{`["chatMsg",{"username":"alice","msg":"x","time":5}]`},
			[]string{`cytube.chat {"user":"alice","message":"x","channel":"testchan","rank":0,"time":5}`}},
		{"emote", nil, []string{`["chatMsg",{"username":"a","msg":"waves","meta":{"addClass":"action","action":true},"time":5}]`},
			[]string{`cytube.chat {"user":"a","message":"waves","channel":"testchan","rank":0,"time":5,"action":true}`}},
		{"class", nil, []string{`["chatMsg",{"username":"a","msg":"x","meta":{"addClass":"spoiler"},"time":5}]`},
			[]string{`cytube.chat {"user":"a","message":"x","channel":"testchan","rank":0,"time":5,"class":"spoiler"}`}},
		{"shadow", nil, []string{`["chatMsg",{"username":"a","msg":"x","meta":{"shadow":true},"time":5.9}]`},
			[]string{`cytube.chat {"user":"a","message":"x","channel":"testchan","rank":0,"time":5,"shadow":true}`}},
		{"the server's own lines", nil, []string{
			`["chatMsg",{"username":"[server]","msg":"x","meta":{},"time":5}]`,
			`["chatMsg",{"username":"a","msg":"x","meta":{"addClass":"server-whisper"},"time":5}]`}, nil},
		{"pm", []string{listAlice}, []string{`["pm",{"username":"alice","to":"bot","msg":"a &amp; b","meta":{},"time":5}]`},
			[]string{`cytube.pm {"user":"alice","to":"bot","message":"a & b","channel":"testchan","rank":1,"time":5}`}},

		{"join", []string{listAlice}, []string{`["addUser",{"name":"bob","rank":1.5}]`},
			[]string{`cytube.user.join {"user":"bob","channel":"testchan","rank":1,"time":1795489000000}`}},
		{"join again", []string{listAlice}, []string{`["addUser",{"name":"ALICE","rank":1}]`, `["setUserRank",{"name":"alice","rank":1.5}]`}, nil},
		{"another rank", []string{listAlice}, []string{`["addUser",{"name":"alice","rank":2}]`, `["setUserRank",{"name":"alice","rank":3}]`},
			[]string{`cytube.user.rank {"user":"alice","channel":"testchan","rank":2,"time":1795489000000}`,
				`cytube.user.rank {"user":"alice","channel":"testchan","rank":3,"time":1795489000000}`}},
		{"anonymous", []string{listAlice}, []string{`["addUser",{"name":"","rank":-1}]`, `["userLeave",{"name":""}]`}, nil},
		{"rank of a stranger", []string{listAlice}, []string{`["setUserRank",{"name":"bob","rank":2}]`}, nil},
		{"leave", []string{listAlice}, []string{`["userLeave",{"name":"Alice"}]`, `["userLeave",{"name":"alice"}]`},
			[]string{`cytube.user.leave {"user":"alice","channel":"testchan"}`}},
		{"first list", nil, []string{listAlice}, nil},
		{"another list", []string{`["userlist",[{"name":"alice","rank":1},{"name":"bob","rank":2},{"name":"","rank":-1}]]`},
			[]string{`["userlist",[{"name":"carol","rank":0},{"name":"bob","rank":3}]]`},
			[]string{`cytube.user.leave {"user":"alice","channel":"testchan"}`,
				`cytube.user.join {"user":"carol","channel":"testchan","rank":0,"time":1795489000000}`,
				`cytube.user.rank {"user":"bob","channel":"testchan","rank":3,"time":1795489000000}`}},

		{"queue", nil, []string{`["queue",{"item":` + itemTwo + `,"after":"prepend"}]`},
			[]string{`cytube.media.queue {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice"}`}},
		{"change", []string{`["playlist",[` + itemTwo + `]]`, `["setCurrent",2]`},
			[]string{`["changeMedia",{"id":"abc","title":"T","seconds":61.7,"type":"yt","currentTime":-3,"paused":true}]`},
			[]string{`cytube.media.change {"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice"}`}},
		{"change to what is not on the playlist", []string{`["playlist",[` + itemTwo + `]]`, `["setCurrent",2]`},
			[]string{`["changeMedia",{"id":"x","title":"L","seconds":null,"type":"cu"}]`},
			[]string{`cytube.media.change {"title":"L","url":"x","type":"cu","duration":0,"channel":"testchan","queued_by":""}`}},
		{"delete", []string{`["playlist",[` + itemTwo + `]]`}, []string{`["delete",{"uid":2}]`, `["delete",{"uid":3}]`},
			[]string{`cytube.media.delete {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice"}`,
				`cytube.media.delete {"uid":3,"title":"","url":"","type":"","duration":0,"channel":"testchan","queued_by":""}`}},
		{"cleared playlist", []string{`["playlist",[` + itemTwo + `]]`}, []string{`["playlist",[]]`, `["playlist",[` + itemTwo + `]]`},
			[]string{`cytube.media.delete {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice"}`,
				`cytube.media.queue {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice"}`}},
		{"nothing to say", nil, []string{`["usercount",5]`, `["mediaUpdate",{"currentTime":1,"paused":false}]`, `["x"]`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := testRoom()
			r.joining = false
			for _, text := range test.before {
				if _, err := r.apply(frame(t, text)); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, text := range test.frames {
				facts, err := r.apply(frame(t, text))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range facts {
					got = append(got, fmt.Sprintf("%s %s", f.Subject, f.Data))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a join tells of what plays is a change only when it is another than
// before.
func TestJoinDoesNotChangeMedia(t *testing.T) {
	t.Parallel()
	r := testRoom()
	change := func(id string) int {
		facts, err := r.apply(frame(t, `["changeMedia",{"id":"`+id+`","title":"T","seconds":1,"type":"yt"}]`))
		if err != nil {
			t.Fatal(err)
		}
		return len(facts)
	}
	for i, step := range []struct {
		joining bool
		id      string
		want    int
	}{{true, "a", 1}, {false, "b", 1}, {false, "b", 1}, {true, "b", 0}, {true, "c", 1}} {
		if r.joining = step.joining; change(step.id) != step.want {
			t.Errorf("step %d: %+v", i, step)
		}
	}
}

func TestIllTypedFrames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ frame, want string }{
		{`["chatMsg"]`, `frame "chatMsg": it has no argument`},
		{`["chatMsg",null]`, "it has no argument"},
		{`["chatMsg","x"]`, "must be"},
		{`["chatMsg",{"msg":"x","time":1}]`, "username is missing"},
		{`["chatMsg",{"username":"","msg":"x","time":1}]`, "username is missing"},
		{`["chatMsg",{"username":"a","time":1}]`, "msg is missing"},
		{`["chatMsg",{"username":"a","msg":"x"}]`, "time is missing"},
		{`["chatMsg",{"username":"a","msg":5,"time":1}]`, "msg must be string, not number"},
		{`["chatMsg",{"username":"a","msg":"x","time":"1"}]`, "time must be float64, not string"},
		{`["chatMsg",{"username":"a","msg":"x","time":-1}]`, "time is -1"},
		{`["chatMsg",{"username":"a","msg":"x","time":1e300}]`, "time is 1e+300"},
		{`["chatMsg",{"username":"a","msg":"x","time":1,"meta":[]}]`, "meta must be"},
		{`["pm",{"username":"a","msg":"x","time":1,"to":7}]`, "to must be string"},
		{`["userlist",{}]`, "must be"},
		{`["userlist",null]`, "it has no argument"},
		{`["userlist",[5]]`, "must be"},
		{`["userlist",[{"name":"a"}]]`, "rank is missing"},
		{`["userlist",[{"name":"a","rank":-2}]]`, "rank is -2"},
		{`["addUser",{"rank":1}]`, "name is missing"},
		{`["addUser",{"name":"a","rank":"1"}]`, "rank must be"},
		{`["userLeave",{}]`, "name is missing"},
		{`["setUserRank",{"name":"a"}]`, "rank is missing"},
		{`["rank","1"]`, "must be float64"},
		{`["rank",null]`, "it has no argument"},
		{`["playlist",[{}]]`, "uid is missing"},
		{`["playlist",[{"uid":1}]]`, "media is missing"},
		{`["playlist",[{"uid":1.5,"media":{}}]]`, "uid must be"},
		{`["queue",{}]`, "uid is missing"},
		{`["queue",{"item":{"uid":1,"media":{"title":"t","type":"yt"}}}]`, "id is missing"},
		{`["queue",{"item":{"uid":1,"media":{"id":"i","type":"yt"}}}]`, "title is missing"},
		{`["changeMedia",{"id":"i","title":"t"}]`, "type is missing"},
		{`["changeMedia",{"id":"i","title":"t","type":"yt","seconds":-1}]`, "seconds is -1"},
		{`["delete",{}]`, "uid is missing"},
		{`["setCurrent","x"]`, "must be int"},
		{`["channelOpts",[]]`, "must be"},
		{`["chatMsg",` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `]`, ""},
	} {
		var name string
		var args []json.RawMessage
		r := testRoom()
		if _, err := r.apply(frame(t, listAlice)); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(test.frame, `["chatMsg",[[`) {
			name, args = "chatMsg", []json.RawMessage{json.RawMessage(test.frame[11 : len(test.frame)-1])}
		} else {
			name, args = frame(t, test.frame)
		}
		facts, err := r.apply(name, args)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80s: error %v, want %q", test.frame, err, test.want)
		}
		if len(facts) > 0 || len(r.users) != 1 {
			t.Errorf("%.80s: it had an effect", test.frame)
		}
	}
}

func TestMediaURL(t *testing.T) {
	t.Parallel()
	for _, test := range [][3]string{
		{"yt", "abc", "https://youtube.com/watch?v=abc"},
		{"vi", "1", "https://vimeo.com/1"},
		{"fi", "https://x.example/a.mp4", "https://x.example/a.mp4"},
		{"cu", "cu:1", "cu:1"},
		{"pt", "tube.example;u-1", "https://tube.example/videos/watch/u-1"},
		{"od", "me;v", "https://odysee.com/@me/v"},
		{"bn", "artist;song", "https://artist.bandcamp.com/track/song"},
		{"pt", "odd", "odd"},
		{"zz", "a;b", "a;b"},
	} {
		if got := mediaURL(test[0], test[1]); got != test[2] {
			t.Errorf("%s %s: got %s", test[0], test[1], got)
		}
	}
}

// FuzzFrame feeds a room with whatever a server might send: it never panics, and
// what it makes of it keeps to the contract.
func FuzzFrame(f *testing.F) {
	seen := map[string]int{}
	for _, r := range recorded(f) {
		if seen[r.event.Name]++; seen[r.event.Name] <= 3 && len(r.event.Args) == 1 {
			f.Add(r.event.Name, []byte(r.event.Args[0]))
		}
	}
	f.Fuzz(func(t *testing.T, name string, arg []byte) {
		if !json.Valid(arg) {
			return // such a frame does not get here
		}
		r := testRoom()
		r.self = "bot"
		rec := &recorder{room: r, voice: newVoice(flood{}), recent: newRecentLines()}
		for range 2 { // known and unknown
			facts, err := r.apply(name, []json.RawMessage{arg})
			if err != nil && len(facts) > 0 {
				t.Error("a bad frame had an effect")
			}
			for _, fact := range facts {
				if err := fact.Validate(); err != nil {
					t.Error(err)
				}
				if _, err := event.Decode(fact.Subject, must(fact.MarshalJSON())); err != nil {
					t.Error(err)
				}
			}
			r.joining = false
			rec.answer(socketio.Event{Name: name, Args: []json.RawMessage{arg}})
			var e entry
			_ = e.take(socketio.Event{Name: name, Args: []json.RawMessage{arg}})
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
