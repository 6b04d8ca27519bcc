package texts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/plugins/texts"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// reader answers what is wrong with a time, a schedule, a length or a link, and fails with the error
// that it is asked for.
func reader() plugins.Plugin {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	read := func(of func(c *plugins.Context) error) plugins.Handler {
		return func(c *plugins.Context) ([]event.Envelope, error) {
			if err := of(c); err != nil {
				return nil, err
			}
			return c.Say("read"), nil
		}
	}
	return plugins.Plugin{Name: "reader", Version: "1.0.0", Commands: []plugins.Command{
		{Name: "when", Handle: read(func(c *plugins.Context) error {
			_, err := timeparse.ParseSchedule(c.Command.Args, now)
			return err
		})},
		{Name: "cut", Handle: read(func(c *plugins.Context) error {
			_, _, err := timeparse.CutSchedule(c.Command.Args, now)
			return err
		})},
		{Name: "long", Handle: read(func(c *plugins.Context) error {
			_, err := timeparse.Duration(c.Text(0))
			return err
		})},
		{Name: "link", Handle: read(func(c *plugins.Context) error {
			_, err := medialink.ParseTyped(c.Text(0))
			return err
		})},
		{Name: "ask", Handle: read(func(c *plugins.Context) error {
			return event.Errorf(event.PluginError, "%s", c.Reason("it is gone"))
		})},
		{Name: "fail", Handle: read(func(*plugins.Context) error { return errors.New("broken") })},
		{Name: "ok", Handle: read(func(*plugins.Context) error { return nil })},
		{Name: "high", MinRank: 2, Handle: read(func(*plugins.Context) error { return nil })},
	}}
}

// saying is a line with what is answered, by the text of a key.
type saying struct{ key, line, answer string }

var said = []saying{
	{"time", "!long 7x", `❌ "7x" is not a duration: write for example 90s, 5m or 30d`},
	{"time", "!when soon", `❌ "soon" is not a time: write for example 2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin`},
	{"time", "!cut friday 27:00", `❌ "27:00" is no time of day: write for example 20:00 or 8pm`},
	{"time", "!when 5M", `❌ "5M" may mean minutes or months: write 1m for a minute, 1mo for a month`},
	{"time", "!when 20:00 Mars/Olympus", "❌ I do not know the time zone Mars/Olympus: write for example Europe/Berlin or +01:00"},
	{"time", "!when 2026-03-29 02:30 Europe/Berlin", "❌ there is no 02:30 on Sun 29 Mar 2026 in Europe/Berlin: the clocks go forward then, write for example 03:30"},
	{"schedule", "!when", "❌ say when: a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00"},
	{"schedule", "!when every 2 weeks", "❌ say when it begins, for example 20:00 every 2 weeks"},
	{"schedule", "!when every day", "❌ say when it begins, for example 20:00 every day"},
	{"schedule", "!when 20:00 every blue moon", `❌ I cannot read "every blue moon": write for example every day, every 2 weeks or every 90 minutes`},
	{"schedule", "!when 20:00 every second", "❌ that is too often: every 5m at the most"},
	{"schedule", "!when 2050-01-01", "❌ that is more than 10 years away"},
	{"schedule", "!when 1999-01-01", "❌ 1999-01-01 is more than 10 years ago"},
	{"schedule", "!when 2026-02-28", "❌ 2026-02-28 is over: it was 1d 12h ago"},
	{"schedule", "!when cron 0 0 30 2 *", `❌ "0 0 30 2 *" never comes`},
	{"cron", "!when cron 0 20 *", "❌ a cron expression has five fields, minute, hour, day, month and weekday: write for example cron 0 20 * * 5"},
	{"cron", "!when cron a b c d e", `❌ "a b c d e" is no cron expression: `},
	{"link", "!link nonsense", `❌ "nonsense" is not a link`},
	{"link", "!link https://youtube.com/feed", "❌ https://youtube.com/feed is on a site that CyTube knows, and is no video there"},
	{"link", "!link https://example.com/x", "❌ https://example.com/x is on no site that CyTube knows, and no file that it plays; if it is a file after all, queue it by type fi and the link as id"},
	{"link", "!link http://example.com/x.mp4", "❌ CyTube takes files and streams only from an https:// address, not http://example.com/x.mp4"},
	{"link", "!link https://soundcloud.com/x", "❌ CyTube takes nothing from SoundCloud any more"},
	{"link", "!link zz:1", `❌ CyTube knows no media type "zz"`},
	{"reason", "!ask", "❌ it is gone"},
	{"rank", "!high", "⛔ USER: !high needs rank 2, yours is 1"},
	{"", "!ok", "read"},
	{"cooldown", "!ok", "⏳ USER: !ok again in "},
}

// fails is what is said of a command that fails.
var fails = saying{"failed", "!fail", "USER: !fail did not work yet, trying again; USER: !fail failed, an operator can see why (rosey dead ls)"}

// notices returns what was said of the last command that failed.
func notices(channel *plugintest.Channel) (said []string) {
	for _, s := range channel.Stored(event.SubjectSendChat) {
		if p, err := event.As[event.SendChat](s.Envelope); err == nil && s.Meta(event.MetaResult) != "" {
			said = append(said, p.Message)
		}
	}
	return said[len(said)-2:]
}

// What Rosey itself says is said in a channel's words, once it has some, with all that these may use;
// the defaults of the settings say what is said before.
func TestWordsAreSaid(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, texts.New(), reader())
	channel.Set("reader", "ok.cooldown_user", "1h")
	saidTo := func(user string) (answers []string) {
		for _, step := range said {
			answers = append(answers, strings.ReplaceAll(channel.Say(user, step.line), user, "USER"))
		}
		channel.Type(user, 1, "!fail")
		channel.Emitted(event.EventSubject("reader", event.TypeDeadLetter))
		channel.Settle("reader") // its user is answered after that
		return append(answers, strings.ReplaceAll(strings.Join(notices(channel), "; "), user, "USER"))
	}
	first := saidTo("alice")
	for n, want := range append(said, fails) {
		if !strings.HasPrefix(first[n], want.answer) {
			t.Errorf("%s: said %q, want %q", want.line, first[n], want.answer)
		}
	}
	marked := plugintest.Texts(texts.New())
	for key, p := range texts.New().Properties() {
		if marked[key] != "" {
			channel.Set(event.SharedTexts, key, p.Text(p.Default))
		}
	}
	for n, got := range saidTo("bob") {
		if got != first[n] {
			t.Errorf("%s: said %q by default, and %q where nothing is set", append(said, fails)[n].line, got, first[n])
		}
	}
	for key, text := range marked {
		channel.Set(event.SharedTexts, key, text)
	}
	for n, got := range saidTo("carol") {
		if step := append(said, fails)[n]; step.key != "" && !strings.Contains(got, "["+step.key+":") {
			t.Errorf("%s: said %q, want the text %s", step.line, got, step.key)
		}
	}
	if unsaid := plugintest.Unsaid(marked, append(channel.Said(), notices(channel)...), "alias", "suggestion", "backlog", "undelivered"); len(unsaid) > 0 { // see router and sender
		t.Errorf("not said: %v of %q", unsaid, channel.Said())
	}
}

// Words of which nothing is left say nothing; what users type is not expanded.
func TestWordsThatAreEmpty(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, texts.New(), reader())
	channel.Set(event.SharedTexts, "time", "")
	channel.Set(event.SharedTexts, "rank", "")
	channel.Type("alice", 1, "!long 7x")
	channel.Type("alice", 1, "!high")
	channel.Set(event.SharedTexts, "link", `{{if eq .why "link"}}„{{.text}}“ ist kein Link{{end}}`)
	if got := channel.Say("alice", "!link {{.why}}"); got != "❌ „{{.why}}“ ist kein Link" {
		t.Errorf("said %q", got)
	}
}
