package channel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/view"
)

const (
	listAlice = `["userlist",[{"name":"alice","rank":1}]]`
	itemTwo   = `{"media":{"id":"abc","title":"T","seconds":61,"type":"yt"},"uid":2,"queueby":"alice"}`
)

// foldTest is a test of the events that frames mean in a channel.
type foldTest struct {
	name   string
	before []string // frames whose events do not matter
	frames []string
	want   []string // subject and data
}

func (test foldTest) run(t *testing.T) {
	t.Parallel()
	s := joinedState()
	apply(t, s, test.before...)
	if diff := cmp.Diff(test.want, apply(t, s, test.frames...)); diff != "" {
		t.Error(diff)
	}
}

// A value that is null, missing or of another type costs its field.
func TestOddFrames(t *testing.T) {
	t.Parallel()
	const queued = `cytube.media.queue {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice","after":null,"temp":false,"epoch":1795489000000}`
	with := func(old, new string) []string { return []string{strings.Replace(queued, old, new, 1)} }
	item := func(old, new string) []string {
		return []string{`["playlist",[` + strings.Replace(itemTwo, old, new, 1) + `,null,5,{"uid":"x"},{}]]`}
	}
	none := []string{`["playlist",[]]`}
	for _, test := range []foldTest{
		{"null title in a playlist", none, item(`"T"`, `null`), with(`"T"`, `""`)},
		{"number for a title", none, item(`"T"`, `300`), with(`"T"`, `"300"`)},
		{"object for a title", none, item(`"T"`, `{}`), with(`"T"`, `""`)},
		{"null length", none, item(`61`, `null`), with(`61`, `0`)},
		{"string for a length", none, item(`61`, `"61"`), with(`61`, `61`)},
		{"length that none can have", none, item(`61`, `-1e300`), with(`61`, `0`)},
		{"string for a uid", none, item(`"uid":2`, `"uid":"2"`), with(`x`, `x`)},
		{"null adder", none, item(`"alice"`, `null`), with(`"alice"`, `""`)},
		{"no media", none, []string{`["queue",{"item":{"uid":9},"after":"append"}]`},
			[]string{`cytube.media.queue {"uid":9,"title":"","url":"","type":"","duration":0,"channel":"testchan","queued_by":"","after":null,"temp":false,"epoch":1795489000000}`}},
		{"null rank in a userlist", []string{listAlice}, []string{`["userlist",[{"name":"alice","rank":null},{"name":"bob","rank":null},null,7,{"name":null,"rank":1}]]`},
			[]string{`cytube.user.join {"user":"bob","channel":"testchan","rank":0,"time":1795489000000}`}},
		{"string for a rank", []string{listAlice}, []string{`["userlist",[{"name":"alice","rank":"2"}]]`},
			[]string{`cytube.user.rank {"user":"alice","channel":"testchan","rank":2,"time":1795489000000}`}},
		{"number for a name, string for a time", []string{`["userlist",[{"name":1984,"rank":1}]]`}, []string{`["chatMsg",{"username":1984,"msg":42,"meta":[],"time":"5"}]`},
			[]string{`cytube.chat {"user":"1984","message":"42","channel":"testchan","rank":1,"time":5}`}},
		{"string for a bool", []string{`["setPlaylistLocked",false]`}, []string{`["setPlaylistLocked","true"]`},
			[]string{`cytube.media.lock {"locked":true,"channel":"testchan","time":1795489000000}`}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, test := range []foldTest{
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
		{"as it was typed", nil, []string{`["chatMsg",{"username":"a","msg":"use <code>x</code> <b>y</b>","meta":{},"time":5}]`,
			`["pm",{"username":"a","to":"bot","msg":"the<em>cat</em>sat","meta":{},"time":5}]`},
			[]string{"cytube.chat " + `{"user":"a","message":"use ` + "`x`" + ` y","html":"use <code>x</code> <b>y</b>","channel":"testchan","rank":0,"time":5}`,
				`cytube.pm {"user":"a","to":"bot","message":"the_cat_sat","html":"the<em>cat</em>sat","channel":"testchan","rank":0,"time":5}`}},
		{"filters of the channel's own", []string{`["chatFilters",[{"name":"u","source":"__(.+?)__","flags":"g","replace":"<em>\\1</em>","active":true}]]`},
			[]string{`["chatMsg",{"username":"a","msg":"<em>x</em> <s>y</s>","meta":{},"time":5}]`},
			[]string{`cytube.chat {"user":"a","message":"__x__ y","html":"<em>x</em> <s>y</s>","channel":"testchan","rank":0,"time":5}`}},
		{"of filters that make the same, the first", []string{`["chatFilters",[{"name":"u","source":"__(.+?)__","flags":"g","replace":"<em>\\1</em>","active":true},{"name":"i","source":"_(.+?)_","flags":"g","replace":"<em>\\1</em>","active":true}]]`},
			[]string{`["chatMsg",{"username":"a","msg":"<em>x</em>","meta":{},"time":5}]`},
			[]string{`cytube.chat {"user":"a","message":"__x__","html":"<em>x</em>","channel":"testchan","rank":0,"time":5}`}},
		{"a filter added to those of each channel", []string{`["updateChatFilter",{"name":"u","source":"__(.+?)__","flags":"g","replace":"<u>\\1</u>","active":true}]`},
			[]string{`["chatMsg",{"username":"a","msg":"<u>x</u> <s>y</s>","meta":{},"time":5}]`},
			[]string{`cytube.chat {"user":"a","message":"__x__ ~~y~~","html":"<u>x</u> <s>y</s>","channel":"testchan","rank":0,"time":5}`}},
		{"nothing to say", nil, []string{`["setPlaylistMeta",{}]`, `["mediaUpdate",{"currentTime":1,"paused":false}]`}, nil},
		{"unknown", nil, []string{`["x",{"a":1},[]]`}, []string{`cytube.unknown {"name":"x","bytes":9,"channel":"testchan","time":1795489000000}`}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	for _, test := range []foldTest{
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
		{"first list", nil, []string{listAlice}, []string{`cytube.state {"part":"users","value":[{"name":"alice","rank":1}],"page":1,"pages":1,` +
			`"hash":"2249152c400ca24b494ed85b3b053902","channel":"testchan","time":1795489000000}`}},
		{"another list", []string{`["userlist",[{"name":"alice","rank":1},{"name":"bob","rank":2},{"name":"","rank":-1}]]`},
			[]string{`["userlist",[{"name":"carol","rank":0},{"name":"bob","rank":3}]]`},
			[]string{`cytube.user.leave {"user":"alice","channel":"testchan"}`,
				`cytube.user.join {"user":"carol","channel":"testchan","rank":0,"time":1795489000000}`,
				`cytube.user.rank {"user":"bob","channel":"testchan","rank":3,"time":1795489000000}`}},
	} {
		t.Run(test.name, test.run)
	}
}

func TestPlaylist(t *testing.T) {
	t.Parallel()
	for _, test := range []foldTest{
		{"queue", nil, []string{`["queue",{"item":` + itemTwo + `,"after":"prepend"}]`},
			[]string{`cytube.media.queue {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice","after":null,"temp":false}`}},
		{"change", []string{`["playlist",[` + itemTwo + `]]`, `["setCurrent",2]`},
			[]string{`["changeMedia",{"id":"abc","title":"T","seconds":61.7,"type":"yt","currentTime":-3,"paused":true}]`},
			[]string{`cytube.media.change {"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice","began":true,"position":0,"uid":2,"epoch":1795489000000}`}},
		{"change to what is not on the playlist", []string{`["playlist",[` + itemTwo + `]]`, `["setCurrent",2]`},
			[]string{`["changeMedia",{"id":"x","title":"L","seconds":null,"type":"cu"}]`},
			[]string{`cytube.media.change {"title":"L","url":"x","type":"cu","duration":0,"channel":"testchan","queued_by":"","began":true,"position":0,"epoch":1795489000000}`}},
		{"delete", []string{`["playlist",[` + itemTwo + `]]`}, []string{`["delete",{"uid":2}]`, `["delete",{"uid":3}]`},
			[]string{`cytube.media.delete {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice","epoch":1795489000000}`,
				`cytube.media.delete {"uid":3,"title":"","url":"","type":"","duration":0,"channel":"testchan","queued_by":"","epoch":1795489000000}`}},
		{"cleared playlist", []string{`["playlist",[` + itemTwo + `]]`}, []string{`["playlist",[]]`, `["playlist",[` + itemTwo + `]]`},
			[]string{`cytube.media.clear {"count":1,"channel":"testchan","time":1795489000000,"epoch":1795489000000}`,
				`cytube.media.queue {"uid":2,"title":"T","url":"https://youtube.com/watch?v=abc","type":"yt","duration":61,"channel":"testchan","queued_by":"alice","after":null,"temp":false,"epoch":1795489000000}`}},
		{"shuffled playlist", []string{`["playlist",[` + itemTwo + `]]`, `["setCurrent",2]`, `["changeMedia",{"id":"abc","title":"T","seconds":61,"type":"yt"}]`},
			[]string{`["playlist",[` + strings.Replace(itemTwo, `"uid":2`, `"uid":9`, 1) + `]]`, `["setCurrent",9]`,
				`["changeMedia",{"id":"abc","title":"T","seconds":61,"type":"yt","currentTime":30}]`},
			[]string{`cytube.media.shuffle {"uids":[9],"was":[2],"channel":"testchan","time":1795489000000,"epoch":1795489000000}`,
				`cytube.media.position {"position":30,"paused":false,"kind":"seek","channel":"testchan","time":1795489000000,"epoch":1795489000000}`}},
	} {
		t.Run(test.name, test.run)
	}
}

// The media that play when the bot joins are a change only if others played before.
func TestJoinDoesNotChangeMedia(t *testing.T) {
	t.Parallel()
	s := New("testchan")
	for i, step := range []struct {
		joining bool
		id      string
		want    int
	}{{true, "a", 1}, {false, "b", 1}, {false, "b", 1}, {true, "b", 0}, {true, "c", 1}} {
		s.EndJoin()
		if step.joining {
			s.BeginJoin()
		}
		if got := len(apply(t, s, `["changeMedia",{"id":"`+step.id+`","title":"T","seconds":1,"type":"yt"}]`)); got != step.want {
			t.Errorf("step %d: %+v: %d events", i, step, got)
		}
	}
	s = joiningState()
	s.Restore(&view.View{Playing: &view.Playing{Type: "yt", URL: "https://youtube.com/watch?v=a", At: now.UnixMilli()}})
	if got := apply(t, s, `["changeMedia",{"id":"a","title":"T","seconds":1,"type":"yt"}]`); len(got) > 0 {
		t.Errorf("media that are restored: %q", got)
	}
	s = joiningState()
	s.Restore(&view.View{Playing: &view.Playing{Type: "tw", URL: "https://twitch.tv/a", At: now.Add(-time.Hour).UnixMilli()}})
	if got := apply(t, s, `["changeMedia",{"id":"a","title":"T","seconds":0,"type":"tw","currentTime":0}]`); len(got) > 0 {
		t.Errorf("a live stream, whose position stands still: %q", got)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	s := joinedState()
	apply(t, s, `["userlist",[{"name":"bob","rank":1},{"name":"Carol","rank":2.5},{"name":"alice","rank":1},{"name":"","rank":-1}]]`)
	if diff := cmp.Diff([]Member{{"Carol", 2}, {"alice", 1}, {"bob", 1}}, s.Members()); diff != "" {
		t.Error(diff)
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

func TestNewFloodLimitBoundsNonsense(t *testing.T) {
	t.Parallel()
	for _, params := range [][2]float64{{0, 0}, {-1, -1}, {1e300, 1e300}, {1, 1e-300}} {
		if l := NewFloodLimit(params[0], params[1], nil); l.Burst < 1 || l.PerSecond <= 0 || l.Cooldown < 0 || time.Duration(float64(time.Second)/l.PerSecond) <= 0 {
			t.Errorf("%v makes %+v", params, l)
		}
	}
}
