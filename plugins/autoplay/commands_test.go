package autoplay_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/autoplay"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// What people type wrongly gets an answer that helps, and changes nothing (S09).
func testCommands(t *testing.T, w *world) {
	w.set("zone", "Europe/Berlin")
	for _, step := range []struct{ line, answer string }{
		{"!calendar", "📅 Nothing is scheduled: !schedule friday 20:00 NAME or LINK"},
		{"!schedule", "📅 Nothing is scheduled"},
		{"!schedule friday 20:00", "❌ say what is to be played: !schedule friday 20:00 NAME or LINK"},
		{"!schedule friday 20:00 Metropolis", `❌ there is no programme, saved playlist, link or title "Metropolis"`},
		{"!programme", "There are no programmes"},
		{"!programme add", "❌ say a name and links"},
		{"!programme add Metropolis", "❌ say a name and links"},
		{"!programme add list https://youtu.be/film0000001", "❌ list cannot be a name, it is a command"},
		{"!programme add Metropolis https://example.com/", "❌ https://example.com/ is on no site that CyTube knows"},
		{"!programme add Metropolis https://www.youtube.com/playlist?list=PLabcdefghijk", "❌ https://www.youtube.com/playlist?list=PLabcdefghijk is a playlist of its site"},
		{"!programme add The Metropolis https://youtu.be/film0000001 yt:film0000002", "🎬 The Metropolis (2 items)"},
		{"!schedule friday 20:00 Metropoli", `❌ there is no programme`},
		{"!schedule friday 20:00 the metropolis", "📅 1. The Metropolis in "},
		{"!schedule every saturday 20:00 The Metropolis", "📅 2. The Metropolis in "},
		{"!schedule cron 0 20 * * 5 The Metropolis", "📅 3. The Metropolis in "},
		{"!schedule friday 27:00 The Metropolis", `❌ "27:00" is no time of day`},
		{"!schedule cron 0 27 * * 5 The Metropolis", `❌ "0 27 * * 5" is no cron expression`},
		{"!schedule 2020-01-01 20:00 The Metropolis", "❌ 2020-01-01 20:00 is over"},
		{"!schedule 2027-03-28 02:30 The Metropolis", "❌ there is no 02:30 on Sun 28 Mar 2027 in Europe/Berlin"},
		{"!schedule 0s The Metropolis", "❌ 0s is over"},
		{"!schedule edit 1 2020-01-01 20:00", "❌ 2020-01-01 20:00 is over"},
		{"!schedule edit 9 saturday 21:00", "❌ there is no schedule 9"},
		{"!schedule edit x saturday 21:00", `❌ "x" is no number of a schedule`},
		{"!schedule edit 2 every sunday 21:00", "📅 2. The Metropolis in "},
		{"!schedule rm 1", "🗑️ Removed 1: The Metropolis"},
		{"!schedule rm 1", "❌ there is no schedule 1"},
		{"!schedule rm", "❌ say which one by its number"},
		{"!tag horror", "❌ nothing plays: write !tag horror LINK"},
		{"!tag Horror https://youtu.be/film0000001", "https://youtube.com/watch?v=film0000001 is tagged horror"},
		{"!tag -horror https://youtu.be/film0000001", "https://youtube.com/watch?v=film0000001 is tagged with nothing"},
		{"!schedule saturday 20:00 film0000_03", "📅 4. film0000_03 in "},
		{"!tag Horror film0000_03", "https://youtube.com/watch?v=film0000_03 is tagged horror"},
		{"!tag Horror Metropolis1", "https://youtube.com/watch?v=Metropolis1 is tagged horror"},
		{"!tag horror Cabiriacabi", `❌ "Cabiriacabi" is not a link`},
		{"!programme add film0000_04 film0000_05 film0000_06", "🎬 film0000_04 (2 items)"},
		{"!programme rm film0000_04", "🗑️ Removed film0000_04 (2 items)"},
		{"!schedule saturday 20:00 Oppenheimer", `❌ there is no programme, saved playlist, link or title "Oppenheimer"`},
		{"!filler nonsense", "❌ write !filler, !filler aside, or !filler back 1"},
		{"!programme rm The Metropolis 7", "❌ The Metropolis has no item 7"},
		{"!programme rm The Metropolis 2", "🎬 The Metropolis (1 item)"},
		{"!programme rm The Metropolis", "🗑️ Removed The Metropolis (1 item)"},
		{"!programme start The Metropolis", "❌ there is no programme"},
	} {
		w.answers(step.line, step.answer)
	}
	w.set("zone", "Mars/Olympus")
	w.answers("!schedule friday 20:00 x", `❌ the setting zone is "Mars/Olympus"`)
}

// storeUnsayable stores what no command makes: schedules with a rule that is none, programmes
// that are over and full, and films with nearly the same title.
func storeUnsayable(t *testing.T, w *world) {
	t.Helper()
	store := func(collection, id, record string) {
		t.Helper()
		data := json.RawMessage(fmt.Sprintf(`{"channel":%q,%s}`, w.Channel, record))
		if _, err := w.Request(event.SubjectSet, event.Set{Collection: collection, ID: event.ID(w.Channel + "/" + id), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	for n, rule := range []string{`"cron":"nonsense"`, `"set":"x","what":"nothing"`} {
		due := time.Now().Unix()
		store(autoplay.Schedules, fmt.Sprint(n+8), fmt.Sprintf(`"number":%d,"due":%d,"next":%[2]d,"zone":"UTC","done":false,%s`, n+8, due, rule))
	}
	store(autoplay.Programmes, "over", `"name":"over","series":true,"entries":[{"url":"x","played":true}]`)
	store(autoplay.Programmes, "full", `"name":"full","entries":[`+strings.Repeat(`{"url":"x"},`, 499)+`{"url":"x"}]`)
	for _, part := range []string{"1", "2"} {
		store(autoplay.Library, part, fmt.Sprintf(`"url":%q,"title":"Nosferatu %[1]s"`, part))
	}
}

// Each text is said as it is set, with all that it may use, also by private message.
func TestTexts(t *testing.T) {
	w := start(t)
	texts := plugintest.Texts(autoplay.New())
	w.SetTexts(w.Channel, autoplay.Name, texts)
	w.set("missed", "catch_up")
	storeUnsayable(t, w)
	w.hosts.fails(id(2), "Video does not exist or is private")
	for _, line := range []string{
		"!programme", "!programme add Metropolis " + links(1, 2), "!programme Metropolis", "!schedule every friday 20:00 Metropolis", "!calendar",
		"!schedule rm 1", "!tag lost " + link(2), "!filler", "!filler aside", "!filler back all",
		"!filler nonsense", "!schedule 2h", "!schedule rm", "!schedule rm 99", "!programme Metropoli", "!programme rm Metropolis 9", "!programme add list " + link(1),
		"!schedule 2h https://youtube.com/playlist?list=PLabcdefghijk", "!schedule 2h nonsense", "!filler back 9", "!tag horror",
		"!programme start over", "!programme add full " + link(1), "!schedule 2h Nosferatu",
		"!programme start Metropolis", "!programme rm Metropolis",
	} {
		w.mod.Says(line)
	}
	w.Publish(event.EventSubject(autoplay.Name, "tick"), map[string]any{"channel": w.Channel, "number": 9, "set": "x"})
	said := func(except ...string) {
		t.Helper()
		var unsaid []string
		defer func() { t.Log("not said:", unsaid) }()
		w.Until("all texts", func() bool {
			unsaid = plugintest.Unsaid(texts, w.BotLines(), append(except, "soon", "too_late", "stuck")...)
			return len(unsaid) == 0
		})
	}
	said("text_no_filler", "text_barred", "text_aside_item", "text_no_zone")
	w.set("zone", "Mars/Olympus") // all was scheduled by now
	w.mod.Says("!schedule 2h Metropolis")
	w.set("filler_from", "tag:lost") // what is set aside by now
	w.set("filler", "true")
	w.mod.Says("!filler")
	w.mod.Says("!filler aside")
	said()
	answered := func(key string) {
		w.Await(event.SubjectSendPM, func(s streams.Stored) bool { return strings.Contains(string(s.Data), "["+key+":") })
	}
	w.set("quiet", "true")
	w.mod.Says("!filler")
	answered("text_filler")
	w.set("text_filler", "") // it is not answered
	w.mod.Says("!filler")
	w.mod.Says("!tag horror " + link(1))
	answered("text_tagged")
	if n := len(w.Stored(event.SubjectSendPM)); n != 2 {
		t.Errorf("%d private messages", n)
	}
}

// A bot that is killed while it loads a programme loads each item once and in order.
func TestKilledWhileLoading(t *testing.T) {
	t.Parallel()
	channels := []string{"done", "undone"}
	bot := startIn(t, channels...)
	for _, channel := range channels {
		t.Run(channel, func(t *testing.T) {
			w := bot.in(t, channel)
			w.answers("!programme add Metropolis "+links(1, 3), "🎬 Metropolis (3 items)")
			w.KillAt("queue", channel == "done", func() { w.mod.Says("!programme start Metropolis") })
			w.loaded(1)
			w.becomes(1, 2, 3)
			if l := w.Site.Playlist(w.Channel); len(l) != 3 {
				t.Errorf("%+v", l)
			}
		})
	}
}
