package seen

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/bot/bottest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

func TestMain(m *testing.M) { bottest.Main(m, New()) }

// join and leave publish that a user came or went.
func join(channel *plugintest.Channel, user string) {
	channel.Publish(event.SubjectUserJoin, event.UserJoin{User: user, Channel: plugintest.ChannelName, Rank: 1, Time: time.Now().UnixMilli()})
}

func leave(channel *plugintest.Channel, user string) {
	channel.Publish(event.SubjectUserLeave, event.UserLeave{User: user, Channel: plugintest.ChannelName})
}

// botSays publishes the echo of what a bot sent.
func botSays(t *testing.T, channel *plugintest.Channel, user, line string) {
	t.Helper()
	e, err := event.New(event.SubjectChat, event.Chat{User: user, Message: line, Channel: plugintest.ChannelName, Rank: 2, Time: time.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := channel.Bus.Publish(t.Context(), e.WithMeta(event.MetaCausation, "CYTUBE:1")); err != nil {
		t.Fatal(err)
	}
}

// types has users type lines, which are counted when it returns.
func types(channel *plugintest.Channel, lines ...[2]string) {
	for _, l := range lines {
		channel.Type(l[0], 1, l[1])
	}
	channel.Settle(Name)
}

// answers types a command and compares what is said.
func answers(t *testing.T, channel *plugintest.Channel, user string, rank int, line, want string) {
	t.Helper()
	if got := channel.SayAs(user, rank, line); !strings.HasPrefix(got, want) {
		t.Errorf("%s: %s was answered\n%q, want\n%q", user, line, got, want)
	}
	channel.Settle(Name)
}

// S29: who is here, oneself, a name never heard, and one in other case.
func TestSeen(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	join(channel, "Alice")
	types(channel, [2]string{"Alice", "the popcorn is ready"})
	leave(channel, "Alice")
	join(channel, "bob")
	channel.Settle(Name)
	answers(t, channel, "carol", 1, "!seen ALICE", "👀 Alice was last here ")
	botSays(t, channel, "Rosey", "hm")
	channel.Settle(Name)
	answers(t, channel, "carol", 1, "!seen rosey", "👀 That is me")
	answers(t, channel, "carol", 1, "!tell ROSEY hm", "❌ ROSEY is a bot")
	answers(t, channel, "carol", 1, "!seen @bob:", "👀 bob is here")
	answers(t, channel, "carol", 1, "!seen Carol", "👀 You are right here, carol")
	answers(t, channel, "carol", 1, "!seen alcie", "❌ I have never seen alcie here. Did you mean Alice?")
	answers(t, channel, "carol", 1, "!seen zzzzzz", "❌ I have never seen zzzzzz here.")
	answers(t, channel, "carol", 1, "!seen", "❌ write for example !seen alice")
	answers(t, channel, "carol", 1, "!firstseen alice", "🌱 Alice was here first on ")
	answers(t, channel, "carol", 1, "!said popcorn", "💬 Alice, ")
	answers(t, channel, "carol", 1, "!said @bob popcorn", "❌ nobody said that")
}

// S31: bots and the server are out, one person is one in any case, and an operator counts
// two names as one, which is an event and can be undone.
func TestTops(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Set(Name, "ignore", "OtherBot,mod")
	for range 5 {
		botSays(t, channel, "Rosey", "beep")
		types(channel, [2]string{"otherbot", "beep"}, [2]string{"[server]", "bob joined"})
	}
	types(channel, [2]string{"Bob", "one two"}, [2]string{"bob", "three"}, [2]string{"bobby", "four"}, [2]string{"alice", "five"}, [2]string{"alice", "six"})
	answers(t, channel, "mod", 3, "!top", "🏅 lines: 1. alice 2, 2. bob 2, 3. bobby 1")
	answers(t, channel, "alice", 1, "!samename bobby bob", "⛔ alice: !samename needs rank 3")
	answers(t, channel, "mod", 3, "!samename Bobby BOB", "✅ Bobby counts as BOB now")
	answers(t, channel, "mod", 3, "!top words", "🏅 words: 1. alice 5, 2. bob 4")
	answers(t, channel, "mod", 3, "!stats bobby", "📊 bob: 3 lines, 4 words, ")
	answers(t, channel, "mod", 3, "!samename bob bobby", "❌ bob and bobby are one name already")
	answers(t, channel, "mod", 3, "!samename undo bobby", "✅ bobby counts as themselves again")
	answers(t, channel, "mod", 3, "!stats bobby", "📊 bobby: 1 line, 1 word, ")
	answers(t, channel, "mod", 3, "!top wishes", "❌ write for example !top emotes, films, lines, ")
	for _, kind := range []string{kindMerged, kindParted} {
		if stored := channel.Stored(event.EventSubject(Name, kind)); len(stored) != 1 {
			t.Errorf("%d events %s", len(stored), kind)
		}
	}
	channel.Repeat(Name)
}

// What a person does is counted once, whatever is repeated, and a round number is said.
func TestAchievements(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Set(Name, "achievements", "on")
	earlier, err := event.Encode(Person{Channel: plugintest.ChannelName, User: "alice", First: 1, Lines: 96, Words: 96})
	if err == nil {
		_, err = channel.Request(event.SubjectSet, event.Set{Collection: People, ID: key(plugintest.ChannelName, "alice"), Data: earlier})
	}
	if err != nil {
		t.Fatal(err)
	}
	types(channel, [2]string{"alice", "x"}, [2]string{"alice", "x"}, [2]string{"alice", "x"})
	channel.Repeat(Name)
	if got := channel.Say("alice", "y"); got != "🏆 alice: 100 lines" {
		t.Error(got)
	}
	channel.Publish(event.SubjectMediaChange, event.MediaChange{Title: "Metropolis", URL: "https://youtu.be/x", Type: "yt", Channel: plugintest.ChannelName, QueuedBy: "ALICE"})
	channel.Settle(Name)
	answers(t, channel, "bob", 1, "!stats alice", "📊 alice: 100 lines, 100 words, 0 emotes, 1 film played, 0 watched in a moment, a moment here, 1 day in a row at most; since ")
	if said := channel.Said(); len(said) != 2 {
		t.Errorf("it said %q", said)
	}
	join(channel, "carol")
	channel.Publish(event.SubjectMediaChange, event.MediaChange{ // whose middle is a moment later
		Title: "Nosferatu", URL: "https://youtu.be/y", Type: "yt", Duration: 100, Channel: plugintest.ChannelName, Extra: event.Extra{"position": []byte("49.999")},
	})
	channel.Settle(Name)
	channel.Set(Name, "text_stats", `{{.user}} hat {{plural "Film" "Filme" .watched}} gesehen`)
	answers(t, channel, "bob", 1, "!stats carol", "carol hat 1 Film gesehen")
	leave(channel, "carol")
	channel.Publish(event.SubjectMediaStop, event.MediaStop{Title: "Nosferatu", URL: "https://youtu.be/y", Type: "yt", Channel: plugintest.ChannelName})
	channel.Settle(Name)
	answers(t, channel, "bob", 1, "!stats carol", "carol hat 1 Film gesehen")
	answers(t, channel, "bob", 1, "!top watched", "🏅 watched: 1. carol 1")
	answers(t, channel, "bob", 1, "!top emotes", "❌ there is nobody to rank by emotes yet")
}

// Who is there in the middle of a film has watched it; time counts while something plays.
func TestReel(t *testing.T) {
	t.Parallel()
	const began = 1_000_000
	at := func(seconds int64) int64 { return began + 1000*seconds }
	film := Reel{}.play(began, 100*time.Second, 0)
	skipped := film.then(at(40))
	for name, c := range map[string]struct {
		came, left Reel
		from, to   int64 // seconds
		films      int
		seconds    int64
	}{
		"all of it":              {film, film, 0, 100, 1, 100},
		"the middle":             {film, film, 10, 60, 1, 50},
		"the end":                {film, film, 60, 200, 0, 40},
		"the beginning":          {film, film, 0, 40, 0, 40},
		"skipped":                {film, skipped, 0, 200, 0, 40},
		"two of them":            {film, film.play(at(100), 100*time.Second, 0), 0, 170, 2, 170},
		"found in its middle":    {Reel{}, Reel{}.play(at(10), 100*time.Second, 60*time.Second), 0, 200, 0, 40},
		"found before that":      {Reel{}, Reel{}.play(at(10), 100*time.Second, 30*time.Second), 0, 40, 1, 30},
		"live":                   {film, film.play(at(100), 0, 0), 90, 500, 0, 410},
		"nothing":                {skipped, skipped, 50, 90, 0, 0},
		"a clock that goes back": {film, film, 60, 40, 0, 0},
	} {
		p := Person{Here: at(c.from)}
		p.CameAt.Films, p.CameAt.Seconds = c.came.at(p.Here)
		if p = p.until(at(c.to), c.left); p.Watched != c.films || p.Watching != c.seconds {
			t.Errorf("%s: watched %d in %d s, want %d in %d s", name, p.Watched, p.Watching, c.films, c.seconds)
		}
	}
}

// S28: a message is delivered once, though its user joins and speaks in the same moment from
// two tabs, and everything starts again in between.
func TestTellOnce(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	answers(t, channel, "alice", 1, "!tell Bob the film   was great", "✉️ I will tell Bob")
	channel.Reboot()
	join(channel, "bob")
	types(channel, [2]string{"bob", "hi"}, [2]string{"BOB", "hello"})
	channel.Repeat(Name)
	if said := channel.Said(); len(said) != 2 || !strings.HasPrefix(said[1], "✉️ bob: alice said ") || !strings.HasSuffix(said[1], ": the film was great") {
		t.Errorf("it said %q", said)
	}
	channel.Next()
	answers(t, channel, "alice", 1, "!tells", "✉️ No message of yours waits")
}

// S30: caps, who gets none, expiry that the sender hears of, own ones listed and taken back,
// and private ones stay private.
func TestTellLimits(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Set(Name, "ignore", "OtherBot")
	channel.Set(Name, "max_to", "2")
	channel.Set(Name, "max_from", "3")
	for _, step := range [][2]string{
		{"!tell", "❌ write for example !tell alice"}, {"!tell alice hm", "❌ you know that"}, {"!tell otherbot hm", "❌ otherbot is a bot"}, {"!tell b*b hm", "❌ b*b is not"},
		{"!tell bob one", "✉️ I will tell bob"}, {"!tell BOB two", "✉️ I will tell BOB"}, {"!tell bob three", "❌ 2 messages wait for bob"},
		{"!tell carol four", "✉️ I will tell carol"}, {"!tell dave five", "❌ 3 messages of yours wait"}, {"!untell x", "❌ write for example !untell 812"}, {"!untell 999999", "❌ no message #999999"},
	} {
		answers(t, channel, "alice", 1, step[0], step[1])
	}
	list := channel.Say("alice", "!tells")
	if !strings.Contains(list, " @BOB: one; #") || !strings.HasSuffix(list, " @carol: four") {
		t.Errorf("they are %q", list)
	}
	_, number, _ := strings.Cut(list, "#")
	number, _, _ = strings.Cut(number, " ")
	answers(t, channel, "mallory", 1, "!untell "+number, "❌ no message")
	answers(t, channel, "alice", 1, "!untell #"+number, "✉️ Took back message #"+number)
	types(channel, [2]string{"bob", "hi"})
	if got := channel.Next(); !strings.HasPrefix(got, "✉️ bob: alice said ") || !strings.HasSuffix(got, ": two") {
		t.Error(got)
	}
	channel.Set(Name, "in_chat", "0")
	channel.Set(Name, "deliver", "{{.from}}: {{.text}}")
	types(channel, [2]string{"carol", "hi"})
	if got := channel.Next(); got != "alice: four" || len(channel.Stored(event.SubjectSendPM)) != 1 {
		t.Errorf("delivered %q", got)
	}
}

// A message that nobody fetched expires, and its sender hears of it when they are here.
func TestTellExpires(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	answers(t, channel, "alice", 1, "!tell bob come back", "✉️ I will tell bob")
	due := messageDue{User: "bob", Channel: plugintest.ChannelName}
	channel.Publish(event.EventSubject(Name, kindExpired), due) // too early
	channel.Settle(Name)
	answers(t, channel, "alice", 1, "!tells", "✉️ #")
	channel.Set(Name, "expire", "1m")
	private := event.Command{Command: "tell", Args: []string{"carol", "a", "secret"}, User: "alice", Channel: plugintest.ChannelName, Rank: 1, RawMessage: "!tell carol a secret", Private: true}
	channel.Publish(event.CommandSubject(Name), private)
	channel.Next()
	answers(t, channel, "alice", 1, "!tells", "✉️ #")
	for _, s := range channel.Stored(event.SubjectSendChat) {
		if strings.Contains(string(s.Data), "secret") {
			t.Errorf("it said in chat %s", s.Data)
		}
	}
	types(channel, [2]string{"carol", "hi"})
	if got := channel.Next(); !strings.HasSuffix(got, ": a secret") {
		t.Error(got)
	}
	if pms := channel.Stored(event.SubjectSendPM); len(pms) != 2 {
		t.Errorf("%d private messages, want the answer and the message", len(pms))
	}
}
