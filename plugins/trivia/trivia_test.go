package trivia

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// quick is a timing in which nothing happens by itself but the next question.
var quick = Timing{Hint: time.Hour, Limit: time.Hour, MaxDelay: time.Minute, IdleTTL: time.Nanosecond}

// says passes over what is said until a line begins with a mark.
func says(channel *plugintest.Channel, mark string) {
	for !strings.HasPrefix(channel.Next(), mark) {
	}
}

// asked waits for the next question and returns its answers.
func asked(t *testing.T, channel *plugintest.Channel) []string {
	t.Helper()
	says(channel, "❓")
	e := channel.Emitted("plugin.trivia.event.question")
	var p struct{ ID string }
	if err := json.Unmarshal(e.Data, &p); err != nil {
		t.Fatal(err)
	}
	pool, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(pool, func(q Question) bool { return q.ID == p.ID })
	if i < 0 {
		t.Fatalf("no question has the id %q", p.ID)
	}
	return pool[i].Answers
}

// repeat hands the plugin its last events again, which must change nothing.
func repeat(t *testing.T, channel *plugintest.Channel) {
	t.Helper()
	count := func() (n [3]int) {
		n[0] = len(channel.Stored("plugin.trivia.event.>"))
		for i, user := range []string{"alice", "bob"} {
			var reply struct{ Data Score }
			body, err := channel.Request(event.SubjectGet, event.Get{Collection: Scores, ID: scoreID(plugintest.ChannelName, user)})
			if err == nil && json.Unmarshal(body, &reply) == nil {
				n[i+1] = reply.Data.Points
			}
		}
		return n
	}
	channel.Settle(Name)
	said, before := channel.Said(), count()
	channel.Repeat(Name)
	if again := channel.Said(); !slices.Equal(said, again) {
		t.Errorf("handled again, it said %q more", again[len(said):])
	}
	if after := count(); after != before {
		t.Errorf("handled again, the events and the points of two users are %v, after %v", after, before)
	}
}

// answerEvent is the payload of plugin.trivia.event.answer.
type answerEvent struct {
	EventType, Channel, Game, User, Answer, ID, Category, Difficulty, Question string
	Number, Questions, Points                                                  int
	Correct                                                                    bool
	Seconds                                                                    *float64
}

func decode(t *testing.T, s streams.Stored, into any) {
	t.Helper()
	if err := json.Unmarshal(s.Data, into); err != nil {
		t.Fatal(err)
	}
}

// marks returns the sign with which each message begins.
func marks(said []string) (all []string) {
	for _, s := range said {
		mark, _, _ := strings.Cut(s, " ")
		all = append(all, mark)
	}
	return all
}

// A line from the chat buffer that was typed before the question is no answer to it,
// whenever it was stored; one typed after it is.
func TestBufferedLines(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 1 easy geo")
	answer := asked(t, channel)[0]
	question := channel.Stored("plugin.trivia.event.question")[0]
	buffered := func(user string, typed time.Time) {
		streamstest.Publish(t, channel.Bus, event.SubjectChat,
			event.Chat{User: user, Message: answer, Channel: plugintest.ChannelName, Rank: 1, Time: typed.UnixMilli()}, streams.WithMeta(event.MetaBuffered, true))
	}
	buffered("alice", question.At.Add(-10*time.Minute))
	buffered("bob", question.At.Add(time.Second))
	var got answerEvent
	decode(t, channel.Emitted("plugin.trivia.event.answer"), &got)
	if got.User != "bob" || !got.Correct {
		t.Errorf("%s answered: %+v", got.User, got)
	}
}

func TestGame(t *testing.T) {
	streamstest.Slow(t, "plays whole games")
	t.Parallel()
	timing := quick
	timing.Hint, timing.Limit = 2*time.Second, time.Second
	channel := plugintest.Run(t, build(timing))
	if got := channel.Say("alice", "!trivia start 2 easy geo"); got != "🧠 Trivia: 2 questions of geography, easy! Type your answers in chat. The first question comes in 0 seconds." {
		t.Error(got)
	}
	first := asked(t, channel)
	channel.Type("carol", 1, "no idea at all")
	channel.Type("bob", 1, "is it "+strings.ToUpper(first[0])+"?")
	channel.Type("alice", 1, first[0]) // too late
	right := channel.Emitted("plugin.trivia.event.answer")
	var answer answerEvent
	decode(t, right, &answer)
	// Hints may have come before the answer.
	hinted := slices.Index([]int{10, 7, 4}, answer.Points)
	if !answer.Correct || answer.User != "bob" || answer.Answer != first[0] || hinted < 0 || answer.Number != 1 ||
		answer.Questions != 2 || answer.Channel != plugintest.ChannelName || answer.Category != "geography" || answer.Seconds == nil || answer.Question == "" {
		t.Errorf("answer %s", right.Data)
	}
	second := asked(t, channel)
	wrong := channel.Emitted("plugin.trivia.event.answer")
	if !strings.Contains(string(wrong.Data), `"correct":false`) || !strings.Contains(string(wrong.Data), `"user":""`) {
		t.Errorf("a question that nobody answered: %s", wrong.Data)
	}
	says(channel, "🏁")
	end := channel.Emitted("plugin.trivia.event.game_end")
	var over struct {
		Reason, Winner   string
		Questions, Asked int
		Scores           []player
	}
	decode(t, end, &over)
	if over.Reason != Finished || over.Winner != "bob" || over.Questions != 2 || over.Asked != 2 || !slices.Equal(over.Scores, []player{{"bob", answer.Points, 1}}) {
		t.Errorf("game_end %s", end.Data)
	}
	said := channel.Said()
	want := slices.Insert([]string{"🧠", "❓", "✅", "❓", "💡", "💡", "⌛", "🏁"}, 2, slices.Repeat([]string{"💡"}, max(hinted, 0))...)
	if !slices.Equal(marks(said), want) {
		t.Errorf("it said %q", said)
	}
	if got := said[len(said)-2]; got != "⌛ Time is up! It was "+second[0]+"." {
		t.Error(got)
	}
	if start := channel.Stored("plugin.trivia.event.game_start"); len(start) != 1 || !strings.Contains(string(start[0].Data),
		`"channel":"test","difficulty":"easy","event_type":"game_start","game":"PLUGIN:1","questions":2,"user":"alice"`) {
		t.Errorf("game_start %v", start)
	}
	repeat(t, channel)
}

func TestDirecting(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	talk := func(user string, rank int, line, answers string) {
		t.Helper()
		if got := channel.SayAs(user, rank, line); !strings.HasPrefix(got, answers) {
			t.Errorf("%s: %s\n got %q\nwant %q", user, line, got, answers)
		}
	}
	talk("alice", 1, "!trivia", "🧠 No game is on: begin one with !trivia start")
	talk("alice", 1, "!trivia stop", "❌ no game is on")
	talk("alice", 1, "!trivia hint", "❌ no game is on")
	talk("alice", 1, "!trivia bananas", "❌ I do not know trivia bananas: try !trivia start")
	talk("alice", 1, "!trivia start 31", "❌ a game has 1 to 30 questions")
	talk("alice", 1, "!trivia start 0", "❌ a game has 1 to 30 questions")
	talk("alice", 1, "!trivia start bananas", `❌ I do not know "bananas": say how many questions, easy, medium, hard, or one of arts, film, games`)
	talk("alice", 1, "!trivia categories", "🧠 168 questions: arts 24, film 24, games 24, geography 24")
	talk("alice", 1, "!quiz start hard", "🧠 Trivia: 10 questions, hard!")
	asked(t, channel)
	talk("bob", 1, "!trivia start", "❌ a game is on already: question 1 of 10 is open")
	talk("bob", 1, "!trivia", "❓ 1/10 ")
	talk("bob", 1, "!trivia hint", "💡 ")
	talk("bob", 1, "!trivia hint", "💡 ")
	if got := channel.Say("bob", "!trivia hint"); got != "❌ you have had every hint" {
		t.Error(got)
	}
	talk("bob", 1, "!trivia skip", "❌ alice started the game: only they and moderators can do that")
	talk("bob", 1, "!trivia stop", "❌ alice started the game")
	talk("ALICE", 1, "!trivia skip", "⏭️ Skipped. It was ")
	asked(t, channel)
	talk("mod", 2, "!trivia skip", "⏭️ Skipped")
	asked(t, channel)
	talk("mod", 2, "!trivia skip", "⏭️ Skipped")
	if got := channel.Next(); got != "🏁 Nobody answers, so the game is over. Nobody scored." {
		t.Error(got)
	}
	talk("alice", 1, "!trivia", "🧠 No game is on")
}

func TestHintsCostPoints(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	channel.Say("alice", "!trivia start 1 hard")
	answers := asked(t, channel)
	channel.Say("alice", "!trivia hint")
	if got := channel.Say("alice", "!trivia hint"); got != "💡 "+hint(answers[0], 2)+" (12 points)" {
		t.Error(got)
	}
	if got := channel.Say("alice", answers[0]); got != "✅ alice: "+answers[0]+"! +12, 12 in this game" {
		t.Error(got)
	}
}

func TestScores(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, build(quick))
	if got := channel.Say("alice", "!trivia top"); got != "🏆 Nobody has scored yet: begin a game with !trivia start" {
		t.Error(got)
	}
	if got := channel.Say("alice", "!trivia score"); got != "❌ alice has not scored yet" {
		t.Error(got)
	}
	channel.Say("alice", "!trivia start 3 medium")
	for _, user := range []string{"alice", "bob", "Alice"} {
		answers := asked(t, channel)
		channel.Type(user, 1, answers[len(answers)-1])
	}
	says(channel, "🏁")
	channel.Repeat(Name) // once it has counted all
	for line, want := range map[string]string{
		"!trivia top":          "🏆 1. Alice 40 (2 right, 1 win), 2. bob 20 (1 right, 0 wins)",
		"!trivia score":        "🏆 2. bob 20 (1 right, 0 wins), of 1 game",
		"!trivia score @ALICE": "🏆 1. Alice 40 (2 right, 1 win), of 1 game",
	} {
		if got := channel.Say("bob", line); got != want {
			t.Errorf("%s\n got %q\nwant %q", line, got, want)
		}
	}
	body, err := channel.Request("plugin.trivia.request.scores", map[string]any{"channel": plugintest.ChannelName, "limit": 1})
	if want := `{"count":2,"scores":[{"channel":"test","user":"Alice","points":40,"correct":2,"games":1,"wins":1}],"success":true}`; err != nil || string(body) != want {
		t.Errorf("scores %s, %v\nwant %s", body, err, want)
	}
	if _, err := channel.Request("plugin.trivia.request.scores", map[string]any{}); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("without a channel: %v", err)
	}
}

func TestRequestQuestion(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New(write(t, "anime.json", anime)))
	body, err := channel.Request("plugin.trivia.request.question", map[string]any{"category": "anime", "difficulty": "hard"})
	if want := `{"question":{"answers":["Katsuhiro Otomo","Otomo"],"category":"anime","difficulty":"hard","id":"anime-2","points":30,"question":"Who directed Akira?"},"success":true}`; err != nil || string(body) != want {
		t.Errorf("reply %s, %v\nwant %s", body, err, want)
	}
	if _, err := channel.Request("plugin.trivia.request.question", map[string]any{}); err != nil {
		t.Error(err)
	}
	for payload, code := range map[string]event.Code{
		`{"category":"bananas"}`: event.InvalidInput, `{"category":7}`: event.InvalidInput,
		`{"category":"anime","difficulty":"medium"}`: event.RecordNotFound,
	} {
		if _, err := channel.Request("plugin.trivia.request.question", json.RawMessage(payload)); event.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", payload, err, code)
		}
	}
	if got := channel.Say("alice", "!trivia start medium anime"); got != "❌ there are no medium questions of anime" {
		t.Error(got)
	}
}

// A pack that cannot be read keeps the plugin from starting, with the reason.
func TestBrokenPack(t *testing.T) {
	t.Parallel()
	start := New(write(t, "broken.json", `{"questions":[{}]}`)).Start
	if err := start(new(plugins.Context)); err == nil || !strings.Contains(err.Error(), "broken.json: question 1") {
		t.Error(err)
	}
}

// A command from elsewhere may name no channel.
func TestNoChannel(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Publish(event.CommandSubject("trivia"), event.Command{Command: "trivia", Args: []string{"start"}, User: "alice"})
	if got := channel.Next(); got != "❌ trivia is played in a channel, and the command names none" {
		t.Errorf("it said %q", got)
	}
}
