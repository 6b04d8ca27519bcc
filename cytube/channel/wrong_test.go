package channel

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
	"github.com/rosey-bot/rosey/event"
)

// inScene returns the events of one client in the scenes whose titles begin with a text,
// as subjects with some of their fields.
func inScene(t *testing.T, client, title string, fields ...string) (events []string) {
	t.Helper()
	p := &scenePlayer{State: joinedState(), client: client}
	self := map[string]string{"bot": "rosey", "mod": "mona", "user": "alice"}[client]
	p.SetSelf(self)
	at, inside := now, false
	take := func(list []Event) {
		for _, e := range list {
			if inside && !strings.HasPrefix(e.Subject, "cytube.user.count") {
				events = append(events, summary(t, e, fields))
			}
		}
	}
	for _, f := range scenetest.Frames(t) {
		if f.Event == "scene" {
			take(p.Flush(at))
			at, inside = at.Add(time.Minute), strings.HasPrefix(strings.Trim(string(f.Args[0]), `"`), title)
		}
		if f.Conn != client || f.Dir != "in" || strings.HasPrefix(f.Event, "$") {
			continue
		}
		if f.Event == "rank" && string(f.Args[0]) == "-1" {
			p.BeginJoin()
		}
		list, err := p.Apply(Frame{Name: f.Event, Args: f.Args}, at.Add(time.Duration(f.T)*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		take(list)
		if f.Event == "login" {
			p.SetSelf(self)
			p.EndJoin()
		}
	}
	return events
}

// summary returns an event's subject, and the fields that it has.
func summary(t *testing.T, e Event, fields []string) string {
	t.Helper()
	var data map[string]json.RawMessage
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimPrefix(e.Subject, "cytube.")
	for _, name := range fields {
		if value, ok := data[name]; ok {
			text += " " + name + "=" + strings.Trim(string(value), `"`)
		}
	}
	if e.Metadata[event.MetaFound] == true {
		text += " found"
	}
	return text
}

// Each of what earlier releases recorded wrongly is recorded as it was.
func TestOnceRecordedWrongly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, client, scene string
		fields              []string
		want                []string
	}{
		{"a join of somebody with a rank", "mod", "join: a moderator", []string{"user", "rank"}, []string{"user.join user=rosey rank=2"}},
		{"the bot's own ban", "user", "/ban: somebody present", []string{"user", "reason"}, []string{"moderation.ban user=alice reason=You're banned!"}},
		{"an ipban", "bot", "/ipban: all addresses", []string{"user", "addresses"}, []string{"channel.bans", "moderation.ban user=carol addresses=8"}},
		{"queuers of a playlist that is hidden", "user", "seeplaylist", []string{"queued_by"}, []string{
			"media.position", "media.temp", "media.move", "media.change queued_by=", "media.change queued_by=", "media.clear", "media.stop",
		}},
		{"an unban of a name with a space", "bot", "unban:", []string{"user", "id"}, []string{
			"moderation.unban user=alice id=18", `moderation.unban user=someone <else> id=19`, "moderation.unban user=ghost id=99999",
		}},
		{"the reason of a ban", "bot", "requestBanlist", []string{"user", "reason", "id"}, []string{
			"state", "moderation.ban user=alice reason=spam and more id=18", "moderation.ban user=never_seen reason=because id=19",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, inScene(t, test.client, test.scene, test.fields...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// item is an item of the playlist as a frame has it.
func item(uid int, id string) string {
	return `{"media":{"id":"` + id + `","title":"T","seconds":61,"type":"yt"},"uid":` + strconv.Itoa(uid) + `,"queueby":"alice"}`
}

// Of what the server does not say, or says by a whole list only, it is recorded what the
// bot found.
func TestFoundInLists(t *testing.T) {
	t.Parallel()
	three := `["playlist",[` + item(1, "a") + "," + item(2, "b") + "," + item(3, "c") + `]]`
	for _, test := range []struct {
		name   string
		frames []string // after the first, which is in the session before
		want   []string
	}{
		{"a shuffle", []string{`["playlist",[` + item(7, "c") + "," + item(8, "a") + "," + item(9, "b") + `]]`}, []string{"media.shuffle uids=[7,8,9] was=[3,1,2]"}},
		{"a shuffle after a move lost an item", []string{`["playlist",[` + item(7, "c") + "," + item(8, "a") + `]]`},
			[]string{"media.delete uid=2 found", "media.shuffle uids=[7,8] was=[3,1]"}},
		{"deletes in a burst", []string{`["playlist",[` + item(2, "b") + `]]`}, []string{"media.delete uid=1 found", "media.delete uid=3 found"}},
		{"what a session missed", []string{"join", `["playlist",[` + item(1, "a") + "," + item(3, "c") + "," + item(5, "e") + `]]`},
			[]string{"media.delete uid=2 found", "media.queue uid=5 after=3 found"}},
		{"a restart of the server", []string{"join", `["playlist",[` + item(0, "a") + "," + item(1, "b") + "," + item(2, "c") + `]]`},
			[]string{"state part=playlist epoch=1795489001000"}},
		{"a restart of the server without items", []string{"join", `["playlist",[]]`, `["queue",{"item":` + item(0, "x") + `,"after":"prepend"}]`},
			[]string{"media.delete uid=1 found", "media.delete uid=2 found", "media.delete uid=3 found", "media.queue uid=0 after=null epoch=1795489002000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := joiningState()
			apply(t, s, three)
			s.EndJoin()
			var got []string
			for i, text := range test.frames {
				if text == "join" {
					s.BeginJoin()
					continue
				}
				events, err := s.Apply(frame(t, text), now.Add(time.Duration(i)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					got = append(got, summary(t, e, []string{"part", "uid", "uids", "was", "after", "epoch"}))
				}
			}
			for i := range got { // that of the first session is of no interest
				got[i] = strings.Replace(got[i], " epoch=1795489000000", "", 1)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
