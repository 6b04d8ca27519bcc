package autoplay_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/autoplay"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// plays publishes that a film of 200 s plays, from a position on.
func plays(channel *plugintest.Channel, n, position int) {
	raw, _ := json.Marshal(position)
	channel.Publish(event.SubjectMediaChange, event.MediaChange{
		Title: "film " + id(n), URL: "https://youtube.com/watch?v=" + id(n), Type: "yt", Duration: 200, Channel: plugintest.ChannelName,
		Extra: event.Extra{"position": raw},
	})
}

// says waits until the answer to a moderator's command begins like that.
func says(t *testing.T, channel *plugintest.Channel, line, want string) {
	t.Helper()
	if got := channel.SayAs("mod", 2, line); !strings.HasPrefix(got, want) {
		t.Errorf("%s\n got %q\nwant %q", line, got, want)
	}
}

// S11: An episode was played when half of it was; what is skipped at once, or was cut off while
// the bot was away, comes again.
func TestEpisodesThatWerePlayed(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, autoplay.New())
	says(t, channel, "!programme add dark "+links(1, 3), "🎬 dark (3 items)")
	says(t, channel, "!programme series dark on", "🎬 dark (series, 0 of 3 episodes played)")
	for _, step := range []struct {
		episode, position int
		away              bool
		played            string
	}{
		{1, 150, false, "1 of 3"},
		{2, 0, false, "1 of 3"},
		{2, 20, true, "1 of 3"},
		{2, 120, true, "2 of 3"},
		{9, 180, false, "2 of 3"},
		{3, 100, false, "3 of 3"},
	} {
		plays(channel, step.episode, step.position)
		if step.away {
			channel.Publish(event.SubjectConnection, event.Connection{Channel: plugintest.ChannelName, State: event.StateDown, Reason: "test", Time: 1})
		}
		plays(channel, 8, 0)
		channel.Settle(autoplay.Name)
		says(t, channel, "!programme series dark on", "🎬 dark (series, "+step.played+" episodes played)")
	}
	says(t, channel, "!programme start dark", "❌ all of dark was played: !programme rewind dark begins it anew")
	says(t, channel, "!tag x "+link(2), "film "+id(2)+" is tagged x") // its title is known
	says(t, channel, "!schedule in 2h film", "❌ film may be film ")
	says(t, channel, "!schedule in 2h FILM "+id(2), "📅 1. film "+id(2)+" in 2h")
	says(t, channel, "!schedule in 2h 100% of film "+id(2), "❌ there is no programme")
}

// S09: A record that is damaged keeps neither the plugin nor the others from starting, and a
// timer of the time before an edit starts nothing.
func TestDamagedAndEdited(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, autoplay.New())
	says(t, channel, "!schedule in 2h "+link(1), "📅 1. "+link(1)+" in 2h")
	if _, err := channel.Request(event.SubjectSet, map[string]any{
		"collection": autoplay.Schedules, "id": plugintest.ChannelName + "/7",
		"data": map[string]any{"channel": plugintest.ChannelName, "number": 7, "what": "News", "set": "PLUGIN:1", "zone": "UTC", "cron": "0 27 * * *", "due": 1, "next": 1, "done": false},
	}); err != nil {
		t.Fatal(err)
	}
	channel.Restart(autoplay.Name)
	channel.Settle(autoplay.Name)
	says(t, channel, "!calendar", "📅 News (damaged: remove it); 1. "+link(1)+" in ")
	says(t, channel, "!schedule rm 7", "🗑️ Removed 7: News")
	var before struct {
		Data struct{ Set string }
	}
	raw, err := channel.Request(event.SubjectGet, map[string]any{"collection": autoplay.Schedules, "id": plugintest.ChannelName + "/1"})
	if err != nil || json.Unmarshal(raw, &before) != nil {
		t.Fatal(err, string(raw))
	}
	says(t, channel, "!schedule edit 1 in 3h", "📅 1. "+link(1)+" in 3h")
	channel.Publish(event.EventSubject(autoplay.Name, "tick"), map[string]any{"event_type": "tick", "channel": plugintest.ChannelName, "number": 1, "set": before.Data.Set})
	channel.Settle(autoplay.Name)
	says(t, channel, "!calendar", "📅 1. "+link(1)+" in ")
}

// What is scheduled is announced before, in the channel's words; 0 announces nothing; and with
// quiet commands are answered by private message.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, autoplay.New())
	for key, value := range map[string]string{"announce_first": "0s", "announce_last": "59m58s", "soon": "bald: {{.what}} {{duration .left}}", "quiet": "true"} {
		channel.Set(autoplay.Name, key, value)
	}
	says(t, channel, "!schedule in 1h "+link(1), "📅 1. "+link(1)+" in 1h")
	if private := channel.Stored(event.SubjectSendPM); len(private) != 1 {
		t.Errorf("%v", private)
	}
	if got, want := channel.Next(), "bald: "+link(1)+" 59m 58s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	channel.Settle(autoplay.Name)
	if said := channel.Said(); len(said) != 2 {
		t.Errorf("it said %q", said)
	}
}

// The calendar has each time of what recurs.
func TestCalendarRequest(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, autoplay.New())
	says(t, channel, "!schedule 20:00 every week "+link(1), "📅 1. "+link(1))
	raw, err := channel.Request(event.RequestSubject(autoplay.Name, "calendar"), map[string]any{"channel": plugintest.ChannelName})
	if err != nil {
		t.Fatal(err)
	}
	var reply struct{ Entries []autoplay.Occurrence }
	if err := json.Unmarshal(raw, &reply); err != nil || len(reply.Entries) < 8 || len(reply.Entries) > 9 {
		t.Fatalf("%s, %v", raw, err)
	}
	for n, e := range reply.Entries[1:] {
		if time.Unix(e.At, 0).Sub(time.Unix(reply.Entries[n].At, 0)) != 7*24*time.Hour || e.Rule != "every week" {
			t.Errorf("%+v", e)
		}
	}
}
