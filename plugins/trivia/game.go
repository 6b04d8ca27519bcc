package trivia

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// The collections of the plugin.
const (
	Games  = "trivia_games"  // one record a channel: its current or last game
	Scores = "trivia_scores" // one record a channel and user
)

// The reasons for which a game ends.
const (
	Finished    = "finished"    // every question was asked
	Stopped     = "stopped"     // somebody stopped it
	Idle        = "idle"        // nobody answered for a while
	Interrupted = "interrupted" // the bot was down
)

// Timing configures the pace of a game. Timers have a resolution of a second.
type Timing struct {
	Lead     time.Duration // before the first question
	Hint     time.Duration // before each of two hints
	Limit    time.Duration // after the second hint
	Pause    time.Duration // between questions
	MaxDelay time.Duration // of a step, beyond which the game is interrupted
	// IdleTTL is how long it is cached that a channel has no game. It must be less than
	// Lead, or another instance's game would be missed.
	IdleTTL time.Duration
}

// DefaultTiming is the timing of New.
var DefaultTiming = Timing{
	Lead: 5 * time.Second, Hint: 12 * time.Second, Limit: 12 * time.Second, Pause: 6 * time.Second,
	MaxDelay: 2 * time.Minute, IdleTTL: 2 * time.Second,
}

const (
	hints = 2 // of each question
	// maxUnanswered is how many unanswered questions in a row end a game.
	maxUnanswered = 3
	// maxSeen is how many of the last questions are not asked again soon.
	maxSeen = 300
)

// game is a record of Games: the state of a channel's game.
type game struct {
	Running    bool              `json:"running"`
	ID         string            `json:"game"` // STREAM:SEQ of the command that started it
	Channel    string            `json:"channel"`
	By         string            `json:"by" mark:"person"`
	Difficulty string            `json:"difficulty"`           // "" for any
	Category   string            `json:"category" mark:"text"` // "" for all
	Questions  []Question        `json:"questions"`
	Number     int               `json:"number"` // of the last question, from 1
	Open       bool              `json:"open"`   // it can be answered
	Asked      int64             `json:"asked"`  // ms since the epoch
	Hints      int               `json:"hints"`
	Step       int               `json:"step"` // counts the game's steps
	Wake       int64             `json:"wake"` // ms since the epoch, when the next step is due
	Unanswered int               `json:"unanswered"`
	Players    map[string]player `json:"players" mark:"person"`
	Seen       []string          `json:"seen"` // IDs of questions asked, the latest last
}

// player is a user's score in a game.
type player struct {
	User    string `json:"user" mark:"person"`
	Points  int    `json:"points"`
	Correct int    `json:"correct"`
}

// progress returns where a running game is, as text.
func (g *game) progress() string {
	switch n := len(g.Questions); {
	case g.Open:
		return fmt.Sprintf("question %d of %d is open", g.Number, n)
	case g.Number < n:
		return fmt.Sprintf("question %d of %d comes in a moment", g.Number+1, n)
	}
	return "the last question is over, and the game ends in a moment"
}

func (g *game) question() Question { return g.Questions[g.Number-1] }

// choose returns n random questions, preferring those not asked lately.
func choose(pool []Question, n int, seen []string, random *rand.Rand) []Question {
	pool = slices.Clone(pool)
	random.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	slices.SortStableFunc(pool, func(a, b Question) int {
		return slices.Index(seen, a.ID) - slices.Index(seen, b.ID) // -1 if not asked
	})
	return pool[:min(n, len(pool))]
}

// turn is a game and the event that advances it. Each method makes one step and returns
// the events to publish.
type turn struct {
	*game
	c      *plugins.Context
	timing Timing
	now    time.Time
}

// then schedules the next step.
func (t turn) then(after time.Duration) {
	t.Step++
	t.Wake = t.now.Add(after).UnixMilli()
}

// begin starts a game.
func (t turn) begin() []event.Envelope {
	t.then(t.timing.Lead)
	what := english.Plural(len(t.Questions), "question", "")
	if t.Category != "" {
		what += " of " + t.Category
	}
	if t.Difficulty != "" {
		what += ", " + t.Difficulty
	}
	return append(t.c.Say("🧠 Trivia: %s! Type your answers in chat. The first question comes in %s.", what, seconds(t.timing.Lead)),
		t.emit("game_start", map[string]any{"questions": len(t.Questions), "user": t.By})...)
}

// step makes the step for which the timer was set.
func (t turn) step() []event.Envelope {
	switch {
	case t.now.Sub(time.UnixMilli(t.Wake)) > t.timing.MaxDelay:
		return t.end(Interrupted)
	case !t.Open && t.Number == len(t.Questions):
		return t.end(Finished)
	case !t.Open:
		return t.ask()
	case t.Hints < hints:
		return t.hint()
	}
	return t.giveUp("⌛ Time is up! It was %s.")
}

func (t turn) ask() []event.Envelope {
	t.Number++
	t.Open, t.Hints, t.Asked = true, 0, t.now.UnixMilli()
	q := t.question()
	t.Seen = append(t.Seen, q.ID)
	t.Seen = t.Seen[max(0, len(t.Seen)-maxSeen):]
	t.then(t.timing.Hint)
	return append(t.c.SayIn(t.Channel, "❓ %d/%d (%s, %s, %d points) %s", t.Number, len(t.Questions), q.Category, q.Difficulty, Points[q.Difficulty], q.Text),
		t.emit("question", t.about(q))...)
}

func (t turn) hint() []event.Envelope {
	t.Hints++
	wait := t.timing.Hint
	if t.Hints == hints {
		wait = t.timing.Limit
	}
	t.then(wait)
	return t.c.SayIn(t.Channel, "💡 %s (%d points)", hint(t.question().Answers[0], t.Hints), t.worth())
}

// worth returns the points for the open question: each hint costs three tenths.
func (t turn) worth() int { return Points[t.question().Difficulty] * (10 - 3*t.Hints) / 10 }

func (t turn) giveUp(said string) []event.Envelope {
	q := t.question()
	t.Open = false
	t.Unanswered++
	t.then(t.timing.Pause)
	p := t.about(q)
	p["correct"], p["user"], p["answer"], p["points"] = false, "", q.Answers[0], 0
	out := append(t.c.SayIn(t.Channel, said, q.Answers[0]), t.emit("answer", p)...)
	if t.Number < len(t.Questions) && t.Unanswered >= maxUnanswered {
		out = append(out, t.end(Idle)...)
	}
	return out
}

// correct handles a correct answer.
func (t turn) correct(user string) []event.Envelope {
	q, points := t.question(), t.worth()
	t.Open = false
	t.Unanswered = 0
	t.then(t.timing.Pause)
	if t.Players == nil {
		t.Players = map[string]player{}
	}
	pl := t.Players[strings.ToLower(user)]
	pl = player{user, pl.Points + points, pl.Correct + 1}
	t.Players[strings.ToLower(user)] = pl
	p := t.about(q)
	p["correct"], p["user"], p["answer"], p["points"] = true, user, q.Answers[0], points
	p["seconds"] = max(0, float64(t.now.UnixMilli()-t.Asked)/1000)
	return append(t.c.SayIn(t.Channel, "✅ %s: %s! +%d, %d in this game", user, q.Answers[0], points, pl.Points), t.emit("answer", p)...)
}

func (t turn) end(reason string) []event.Envelope {
	t.Running, t.Open = false, false
	t.Step++
	scores := []map[string]any{}
	var said []string
	winner := ""
	for i, pl := range t.ranking() {
		if i == 0 {
			winner = pl.User
		}
		scores = append(scores, map[string]any{"user": pl.User, "points": pl.Points, "correct": pl.Correct})
		if i < 5 {
			said = append(said, fmt.Sprintf("%d. %s %d", i+1, pl.User, pl.Points))
		}
	}
	text := map[string]string{
		Finished:    "🏁 That was the last question. ",
		Stopped:     "🏁 The game was stopped. ",
		Idle:        "🏁 Nobody answers, so the game is over. ",
		Interrupted: "🏁 I was away, so the game is over. ",
	}[reason]
	if len(said) == 0 {
		text += "Nobody scored."
	} else {
		text += strings.Join(said, ", ")
	}
	return append(t.c.SayIn(t.Channel, "%s", text), t.emit("game_end", map[string]any{
		"reason": reason, "questions": len(t.Questions), "asked": t.Number, "winner": winner, "scores": scores,
	})...)
}

// ranking returns the players by points.
func (g *game) ranking() []player {
	return slices.SortedFunc(maps.Values(g.Players), func(a, b player) int {
		return cmp.Or(b.Points-a.Points, b.Correct-a.Correct, strings.Compare(a.User, b.User))
	})
}

func (t turn) about(q Question) map[string]any {
	return map[string]any{
		"number": t.Number, "questions": len(t.Questions), "id": q.ID,
		"category": q.Category, "difficulty": q.Difficulty, "question": q.Text,
	}
}

// emit returns an event with the fields that all events of a game have.
func (t turn) emit(kind string, payload map[string]any) []event.Envelope {
	payload["channel"], payload["game"] = t.Channel, t.ID
	if _, ok := payload["difficulty"]; !ok {
		payload["difficulty"] = cmp.Or(t.Difficulty, anyOf)
	}
	return t.c.Emit(kind, payload)
}

func seconds(d time.Duration) string { return english.Plural(int(d.Seconds()+0.5), "second", "") }
