package trivia

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Each step of a game is handled a second time, as after a crash: one answer is
// one reply and its points are counted once.
func TestHandledTwice(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 3")
	answers := asked(t, channel)
	repeat(t, channel)
	channel.Type("alice", 1, answers[0])
	answers = asked(t, channel)
	repeat(t, channel)
	channel.Type("bob", 1, answers[0])
	asked(t, channel)
	repeat(t, channel)
	channel.Type("mod", 2, "!trivia stop")
	channel.Emitted("plugin.trivia.event.game_end")
	repeat(t, channel)
	if n := len(channel.Stored("plugin.trivia.event.question")); n != 3 {
		t.Errorf("%d questions, want 3", n)
	}
}

// A game goes on where it was when everything was started again.
func TestSurvivesRestarts(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 3")
	answers := asked(t, channel)
	channel.Reboot()
	if got := channel.Say("alice", answers[0]); !strings.HasPrefix(got, "✅ alice: ") {
		t.Error(got)
	}
	answers = asked(t, channel)
	channel.Restart(Name)
	if got := channel.Say("alice", answers[0]); !strings.HasPrefix(got, "✅ alice: ") {
		t.Error(got)
	}
	asked(t, channel)
}

// When the bot was away for longer than players wait, the game is over.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.MaxDelay = -time.Hour // every step is too late
	channel := plugintest.Run(t, build(timing))
	channel.Say("alice", "!trivia start 3")
	if got := channel.Next(); got != "🏁 I was away, so the game is over. Nobody scored." {
		t.Error(got)
	}
	if end := channel.Emitted("plugin.trivia.event.game_end"); !strings.Contains(string(end.Data), `"reason":"interrupted"`) {
		t.Errorf("game_end %s", end.Data)
	}
}

// What is not an answer of somebody in the channel does not count.
func TestWhoseAnswersCount(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 1")
	answers := asked(t, channel)
	line := event.Chat{User: "rosey", Message: answers[0], Channel: plugintest.ChannelName, Time: 1}
	publish := func(change func(*event.Envelope)) {
		t.Helper()
		e, err := event.New(event.SubjectChat, line)
		if err != nil {
			t.Fatal(err)
		}
		change(&e)
		if _, err := channel.Bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	publish(func(e *event.Envelope) { *e = e.WithMeta(event.MetaCausation, "CYTUBE:3") }) // what the bot said itself
	publish(func(e *event.Envelope) { *e = e.WithMeta(event.MetaBackfill, true) })        // what was said before it came
	line.Extra = event.Extra{"shadow": json.RawMessage("true")}                           // what others cannot see
	publish(func(*event.Envelope) {})
	line.Extra, line.Channel = nil, "elsewhere"
	publish(func(*event.Envelope) {})
	if got := channel.Say("alice", answers[0]); !strings.HasPrefix(got, "✅ alice: ") {
		t.Errorf("%q", got)
	}
}

// What a step says is stored before the timer of the next step is: another consumer handles that,
// which could say the end of a game before the answer that ended it.
func TestTimersFollowWhatIsSaid(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 1")
	asked(t, channel)
	timers, err := channel.Bus.JetStream().Stream(t.Context(), streams.Timer)
	if err != nil {
		t.Fatal(err)
	}
	channel.Settle(Name) // the timer of the first step is gone
	timer, err := timers.GetLastMsgForSubject(t.Context(), ">")
	if err != nil {
		t.Fatal(err)
	}
	said := channel.Stored(event.SubjectSendChat)
	if question := said[len(said)-1]; timer.Time.Before(question.At) {
		t.Errorf("the timer of the next step was set at %s, before the question was asked at %s", timer.Time, question.At)
	}
}

// While no game is on, chat is not looked up in the database.
func TestQuietChannelsCostNothing(t *testing.T) {
	t.Parallel()
	timing := quick
	timing.IdleTTL = time.Hour
	channel := plugintest.Run(t, build(timing))
	for range 20 {
		channel.Type("alice", 1, "hello")
	}
	channel.Repeat(Name)
	streamstest.Recorded(t, channel.Bus.JetStream(), streams.Database, 1) // for 20 lines of chat
}

// A game that has not asked yet says so.
func TestProgress(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, step := range [][2]string{
		{"!trivia start 1", "🧠 Trivia: 1 question!"},
		{"!trivia start", "❌ a game is on already: question 1 of 1 comes in a moment"},
		{"!trivia", "🧠 question 1 of 1 comes in a moment"},
	} {
		if got := channel.Say("alice", step[0]); !strings.HasPrefix(got, step[1]) {
			t.Errorf("%s: %q, want %q", step[0], got, step[1])
		}
	}
	for g, want := range map[*game]string{
		{Questions: make([]Question, 2), Number: 1, Open: true}: "question 1 of 2 is open",
		{Questions: make([]Question, 2), Number: 1}:             "question 2 of 2 comes in a moment",
		{Questions: make([]Question, 2), Number: 2}:             "the last question is over, and the game ends in a moment",
	} {
		if got := g.progress(); got != want {
			t.Errorf("%+v: %s, want %s", g, got, want)
		}
	}
}

// A game's record of another shape silences no command, and no chat line is given up
// because of it.
func TestRecordOfAnotherShape(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	set := event.Set{Collection: Games, ID: event.ID(plugintest.ChannelName), Data: json.RawMessage(`{"questions":7}`)}
	if _, err := channel.Request(event.SubjectSet, set); err != nil {
		t.Fatal(err)
	}
	channel.Type("alice", 1, "hello")
	for _, line := range []string{"!trivia start", "!trivia stop"} {
		if got, want := channel.Say("alice", line), "❌ what is stored for this is damaged: an operator can look at it with rosey db check trivia_games"; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	channel.Settle(Name)
	if dead := channel.Stored(event.EventSubject(Name, event.TypeDeadLetter)); len(dead) > 0 {
		t.Errorf("given up: %v", dead)
	}
}
