package console

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// The history of a user has what names the user in a field that is marked as a person, and
// not what others said of them.
func TestHistoryOfAUserReadsMarks(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	s.chat("Zoe", "chat-hers")
	s.chat("bob", "chat-about-her zoe")
	for _, e := range []struct {
		subject string
		payload any
	}{
		{event.ModerationSubject(event.ActionKick), event.Moderation{User: "bob", By: "zoe", Reason: "kick-by-her", Channel: "lounge", Time: 1}},
		{event.SubjectPollOpen, event.Poll{Poll: "CYTUBE:1", Title: "poll-of-hers", By: "zoe", Options: []string{"a"}, Counts: []int{0}, Channel: "lounge"}},
		{event.SubjectUserAliases, event.UserAliases{User: "bob", Aliases: []string{"zoe"}, Channel: "lounge"}},
		{event.SubjectAnnouncement, event.Announcement{Title: "announced", Text: "text-about-her zoe", By: "bob", Channel: "lounge"}},
	} {
		streamstest.Publish(t, s.bus, e.subject, e.payload)
	}
	for _, path := range []string{"/history?user=zoe", "/history/rows?user=zoe&channel=lounge"} {
		_, body, _ := s.ask(s.client(), "GET", path, nil)
		for text, want := range map[string]bool{"chat-hers": true, "chat-about-her": false, "kick-by-her": true, "poll-of-hers": true, "also known as": true, "text-about-her": false} {
			if strings.Contains(body, text) != want {
				t.Errorf("%s has %s: %t\n%s", path, text, !want, body)
			}
		}
	}
}
