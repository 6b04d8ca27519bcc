package router_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// suggestions says lines, each as USER, TEXT, and returns what the bot is to say.
func (f *fixture) suggestions(lines ...[2]string) (said []string) {
	f.Helper()
	for _, l := range lines {
		f.route(event.Chat{User: l[0], Message: l[1]}, nil)
	}
	for _, s := range streamstest.Stored(f, f.bus, streams.Cytube) {
		switch s.Subject {
		case event.SubjectSendChat:
			p, err := event.As[event.SendChat](s.Envelope)
			if err != nil {
				f.Fatal(err)
			}
			said = append(said, p.Message)
		case event.SubjectSendPM:
			f.Errorf("a private message: %s", s.Data)
		}
	}
	return said
}

func TestSuggestsNearCommands(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a server for each case")
	for _, test := range []struct {
		name  string
		lines [][2]string
		want  []string
	}{
		{"a near miss", [][2]string{{"alice", "!rol 2d6"}}, []string{"alice: did you mean !roll?"}},
		{"in any form", [][2]string{{"alice", "！ＲＯＬＬＬ 2d6"}}, []string{"alice: did you mean !roll?"}},
		{"nothing near", [][2]string{{"alice", "!weather"}, {"alice", "!ro"}, {"alice", "hello"}}, nil},
		{"the word once", [][2]string{{"alice", "!rol"}, {"alice", "!rol"}, {"bob", "!rol"}}, []string{"alice: did you mean !roll?"}},
		{"a user once", [][2]string{{"alice", "!rol"}, {"alice", "!rolll"}}, []string{"alice: did you mean !roll?"}},
		{"another user's another word", [][2]string{{"alice", "!rol"}, {"bob", "!rolll"}}, []string{"alice: did you mean !roll?", "bob: did you mean !roll?"}},
		{"not a command for moderators", [][2]string{{"alice", "!kik bob"}}, nil},
		{"the bot's own lines", [][2]string{{"rosey", "!rol"}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := runSuggesting(t, time.Hour)
			if diff := cmp.Diff(test.want, f.suggestions(test.lines...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is misspelt in a private message is answered there, whatever others asked or were
// told, in chat and in private.
func TestSuggestsInPrivate(t *testing.T) {
	t.Parallel()
	f := runSuggesting(t, time.Hour)
	f.route(event.Chat{User: "bob", Message: "!rol"}, nil)
	f.route(event.Chat{User: "otherbot", Message: "bob rolled 7"}, nil)
	for _, pm := range [][2]string{{"alice", "!rol 2d6"}, {"alice", "!rolll"}, {"bob", "!rol"}, {"rosey", "!rol"}, {"carol", "!weather"}} {
		e, err := event.New(event.SubjectPM, event.PM{User: pm[0], To: "rosey", Message: pm[1], Channel: "main", Rank: 1, Time: time.Now().UnixMilli()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if o := <-f.outcomes; o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
	}
	var said []string
	for _, s := range streamstest.Stored(t, f.bus, streams.Cytube) {
		if s.Subject == event.SubjectSendPM {
			said = append(said, string(s.Data))
		}
	}
	want := []string{
		`{"to":"alice","message":"did you mean !roll?","channel":"main"}`,
		`{"to":"bob","message":"did you mean !roll?","channel":"main"}`,
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

// A word that others answer is theirs, as long as the stream tells of it. Without an
// interval only that keeps the second suggestion back.
func TestSuggestsNothingForWordsOfOtherBots(t *testing.T) {
	t.Parallel()
	f := runSuggesting(t, time.Nanosecond)
	f.suggestions([2]string{"alice", "!rol 2d6"}, [2]string{"alice", "hm"}, [2]string{"alice", "!rolll"}, [2]string{"otherbot", "alice rolled 7"})
	want := []string{"alice: did you mean !roll?", "alice: did you mean !roll?", "bob: did you mean !roll?"}
	if diff := cmp.Diff(want, f.suggestions([2]string{"bob", "!rolll"}, [2]string{"bob", "!roil"})); diff != "" {
		t.Error(diff)
	}
}

func TestSuggestsNothingUnlessSet(t *testing.T) {
	t.Parallel()
	if said := run(t, diceAndKick).suggestions([2]string{"alice", "!rol"}); len(said) != 0 {
		t.Errorf("said %q", said)
	}
}

var diceAndKick = map[string]string{
	"dice-roller": `{"name":"dice-roller","version":"1.0.0","commands":["roll","dice"]}`,
	"admin":       `{"name":"admin","version":"1.0.0","commands":[{"name":"kick","min_rank":2}]}`,
}

func runSuggesting(t *testing.T, interval time.Duration) *fixture {
	t.Helper()
	return runWith(t, diceAndKick, func(r *router.Router, js jetstream.JetStream) {
		r.Suggestions = router.NewSuggestionsEvery(js, interval)
	})
}
