package replay

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
)

func TestNames(t *testing.T) {
	t.Parallel()
	marks := event.Marks{
		"plugin.x.event.won": {
			{Name: "winner", Mark: event.MarkPerson}, {Name: "scores.user", Mark: event.MarkPerson}, {Name: "votes", Mark: event.MarkPerson},
			{Name: "teams.*.captain", Mark: event.MarkPerson}, {Name: "said", Mark: event.MarkText},
		},
		"plugin.x.event.none": nil,
	}
	for _, c := range []struct {
		subject, data string
		want          bool
	}{
		{"cytube.chat", `{"user":"Zoe","message":"x"}`, true},
		{"cytube.chat", `{"user":"bob","message":"zoe"}`, false},
		{"cytube.media.queue", `{"queued_by":"zoe"}`, true},
		{"platform.operation", `{"operator":"zoe"}`, true},
		{"plugin.x.event.won", `{"winner":"ZOE"}`, true},
		{"plugin.x.event.won", `{"scores":[{"user":"bob"},{"user":"zoe"}]}`, true},
		{"plugin.x.event.won", `{"votes":{"zoe":3}}`, true},
		{"plugin.x.event.won", `{"teams":{"red":{"captain":"zoe"}}}`, true},
		{"plugin.x.event.won", `{"said":"zoe","teams":{"zoe":{"captain":"bob"}}}`, false},
		{"plugin.x.event.none", `{"a":"zoe"}`, false},
		{"plugin.x.event.other", `{"a":[{"b":"zoe"}]}`, true},
		{"plugin.x.event.other", `{"a":{"zoe":1}}`, true},
		{"plugin.x.event.other", `{"a":"zoe was here"}`, false},
		{"plugin.x.request", `{"a":"zoe"}`, true},
		{"database.set", `{"collection":"c","data":{"who":"zoe"}}`, true},
		{"database.update", `{"collection":"c","id":"lounge/Zoe","ops":{"$set":{"said":"hello"}}}`, true},
		{"database.update", `{"collection":"c","id":"lounge/chloezoe","ops":{"$set":{"said":"hello"}}}`, false},
		{"cytube.chat", `{"user":"bob","message":"/zoe"}`, false},
	} {
		e := Event{Subject: c.subject, Body: []byte(`{"subject":"` + c.subject + `","data":` + c.data + `}`)}
		if got := e.Names("zoe", marks); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.subject, c.data, got, c.want)
		}
	}
}
