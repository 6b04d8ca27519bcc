package replay_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
)

// raw is what only JSON has.
var raw = regexp.MustCompile(`[{\[]["{\[]|":|\[\d|\{\}|\[\]|\btrue\b|\bfalse\b|\bnull\b|  | $`)

// Every event that a CyTube channel was recorded with is a line that people read.
func TestRecordedEventsInWords(t *testing.T) {
	t.Parallel()
	scenes, err := os.ReadFile("../cytube/channel/testdata/scenes.golden")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(scenes)) {
		subject, data, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(subject, "cytube.") {
			continue
		}
		seen[subject] = true
		if subject == event.SubjectChat || subject == event.SubjectPM {
			continue // what somebody said
		}
		r := replay.Describe(replay.Event{Subject: subject, At: time.Unix(1, 0), Body: []byte(data)})
		if r.Err == nil && (r.Text == "" || raw.MatchString(r.Text)) {
			t.Errorf("%s %s\nis said as %q", subject, data, r.Text)
		}
	}
	if len(seen) < 25 {
		t.Errorf("%d kinds of events", len(seen))
	}
}

// What is done to a channel says who and what.
func TestChangesInWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ subject, data, actor, want string }{
		{event.SubjectMediaLock, `{"locked":true,"channel":"lounge","time":1}`, "lounge", "the playlist is locked"},
		{event.SubjectMediaLock, `{"locked":false,"channel":"lounge","time":1}`, "lounge", "the playlist is open to all"},
		{event.SubjectMediaLeader, `{"user":"","channel":"lounge","time":1}`, "", "nobody leads the players any more"},
		{event.SubjectMediaLeader, `{"user":"alice","channel":"lounge","time":1}`, "alice", "leads the players"},
		{event.SubjectMediaVote, `{"count":2,"need":3,"passed":false,"channel":"lounge","time":1}`, "lounge", "2 of 3 votes to skip"},
		{event.SubjectPollOpen, `{"poll":"","title":"Next?","options":["Alien","So \"lala\""],"counts":[0,0],"hidden":false,"by":"alice","channel":"lounge","time":1}`, "alice", `opens the poll Next?: Alien, So "lala"`},
		{event.SubjectPollClose, `{"poll":"","title":"Next?","options":["Alien","Solaris"],"counts":[2,1],"hidden":false,"by":"alice","channel":"lounge","time":1}`, "alice", "had the poll Next?, which ends with Alien 2, Solaris 1"},
		{event.SubjectUserAFK, `{"user":"bob","afk":true,"channel":"lounge","time":1}`, "bob", "is away"},
		{event.SubjectOptions, `{"values":{},"changed":{"pagetitle":["a","b"],"chat_antiflood":[false,true]},"channel":"lounge","time":1}`, "lounge", "options are changed: chat_antiflood from off to on, pagetitle from a to b"},
		{event.SubjectEmote, `{"action":"rename","name":"b","was":"a","channel":"lounge","time":1}`, "lounge", "emote b is renamed (it was a)"},
		{event.SubjectMediaPosition, `{"position":90,"paused":true,"kind":"pause","channel":"lounge","time":1}`, "lounge", "what plays is paused at 1m30s"},
		{event.SubjectUserAliases, `{"user":"bob","aliases":["rob","robert"],"channel":"lounge","time":1}`, "bob", "is also known as rob, robert"},
		{event.SubjectSendKick, `{"user":"eve","reason":"spam","for":"ann"}`, "", "asks to kick eve spam for ann"},
		{event.SubjectSettings, `{"plugin":"trivia","channel":"","key":"questions","old":null,"new":5,"by":"ann","reason":"","revision":1,"timestamp":1}`, "ann", "sets questions of trivia in all channels to 5; it was not set"},
		{event.SubjectGrant, `{"action":"grant","user":"bob","right":"dj","channel":"lounge","until":0,"by":"ann","reason":"","timestamp":1}`, "ann", "grants dj to bob in lounge"},
	} {
		r := replay.Describe(replay.Event{Subject: test.subject, At: time.Unix(1, 0), Body: []byte(test.data)})
		if r.Err != nil || r.Text != test.want || test.actor != "" && r.Actor != test.actor {
			t.Errorf("%s %s: %q by %q, want %q by %q (%v)", test.subject, test.data, r.Text, r.Actor, test.want, test.actor, r.Err)
		}
	}
}

// There are words for every subject of the contract but those of requests and answers of the
// database, whose payloads are any.
func TestEverySubjectHasWords(t *testing.T) {
	t.Parallel()
	for _, subject := range event.LiteralSubjects() {
		if strings.HasPrefix(subject, "database.") {
			continue
		}
		r := replay.Describe(replay.Event{Subject: subject, At: time.Unix(1, 0), Body: []byte(`{"no":["field"]}`)})
		if strings.Contains(r.Text, "field") {
			t.Errorf("%s is shown as JSON", subject)
		}
	}
}
