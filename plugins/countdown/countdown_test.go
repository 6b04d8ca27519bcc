package countdown

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// noon is a Tuesday.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) { streamstest.Main(m) }

// The conversation of a channel with the plugin. Each command is handled a second
// time, as after a crash, which must give no second reply or event.
func TestCommands(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for _, step := range []struct {
		user    string
		rank    int
		line    string
		answers string
	}{
		{"alice", 1, "!countdown", "⏳ There are no countdowns: add one with !countdown add movie 2h30m"},
		{"guest", 0, "!countdown add movie 2h30m", "❌ only registered users can add countdowns"},
		{"alice", 1, "!countdown add movie", "❌ say what and when, for example !countdown add movie 2h30m"},
		{"alice", 1, "!countdown add movie bananas", `❌ "bananas" is not a time`},
		{"alice", 1, "!countdown add " + strings.Repeat("x", MaxName+1) + " 2h", "❌ a name has 1 to 40 characters"},
		{"alice", 1, `!countdown add "" 2h`, "❌ a name has 1 to 40 characters"},
		{"alice", 1, "!countdown add List 2h", "❌ List cannot be a name, it is a command"},
		{"alice", 1, "!countdown add movie 2h30m", "⏳ movie in 2h 30m, on "},
		{"bob", 1, `!cd add "New Year" 2099-01-01 Europe/Berlin`, "❌ that is more than 10 years away"},
		{"bob", 1, `!cd add "Movie Night" 3d weekly`, "⏳ Movie Night in 3d, on "},
		{"bob", 1, "!cd add MOVIE 1h", "❌ there is a countdown movie already, due in 2h"},
		{"bob", 1, "!countdown Movie", "⏳ movie in 2h "},
		{"bob", 1, "!countdown show movie", "⏳ movie in 2h "},
		{"bob", 1, "!countdown @Movie:", "⏳ movie in 2h "},
		{"bob", 1, "!countdown show", "❌ say which one"},
		{"bob", 1, "!countdown xmas", "❌ there is no countdown xmas: see !countdown list"},
		{"bob", 1, "!countdown film friday 20:00", "❌ there is no countdown film: see !countdown list, or to set it: !countdown add film friday 20:00"},
		{"bob", 1, `!countdown "the film" in 2 hours daily`, `❌ there is no countdown the film: see !countdown list, or to set it: !countdown add "the film" in 2 hours daily`},
		{"bob", 1, "!countdown friday 20:00", "❌ there is no countdown friday: see !countdown list, or to set it: !countdown add movie friday 20:00"},
		{"bob", 1, "!countdown show film", "❌ there is no countdown film: see !countdown list, or to set it: !countdown add film 2h30m"},
		{"bob", 1, "!countdown film bananas", "❌ there is no countdown film: see !countdown list, or to set it: !countdown add film 2h30m"},
		{"bob", 1, "!countdown movie 1h", "⏳ movie in 2h "},
		{"bob", 1, "!countdown list", "⏳ movie in 2h "},
		{"bob", 1, "!countdown rm", "❌ say which one"},
		{"bob", 1, "!countdown rm xmas", "❌ there is no countdown xmas"},
		{"bob", 1, "!countdown rm movie", "❌ movie was set by alice: only they and moderators can remove it"},
		{"ALICE", 1, "!countdown rm movie", "🗑️ Removed the countdown movie"},
		{"alice", 1, "!countdown rm movie", "❌ there is no countdown movie"},
		{"mod", 2, "!countdown rm \"movie night\"", "🗑️ Removed the countdown Movie Night"},
		{"alice", 1, "!countdown add movie 1h", "⏳ movie in 1h, on "},
	} {
		if got := channel.SayAs(step.user, step.rank, step.line); !strings.HasPrefix(got, step.answers) {
			t.Errorf("%s: %s\n got %q\nwant %q", step.user, step.line, got, step.answers)
		}
		if strings.HasPrefix(step.answers, "❌") {
			continue
		}
		said := channel.Said()
		channel.Repeat(Name)
		if again := channel.Said(); !slices.Equal(said, again) {
			t.Errorf("%s: handled again, it said %q more", step.line, again[len(said):])
		}
	}
	for kind, want := range map[string]int{"added": 3, "removed": 2, "minus": 0, "due": 0} {
		if got := len(channel.Stored(event.EventSubject(Name, kind))); got != want {
			t.Errorf("%d events of kind %s, want %d", got, kind, want)
		}
	}
}

func TestAnnouncements(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	channel := plugintest.Run(t, build([]time.Duration{time.Second, time.Hour}))
	channel.Say("alice", "!countdown add tea 3s")
	if got := channel.Next(); got != "⏳ tea in 1s" {
		t.Errorf("before it is due: %q", got)
	}
	if got := channel.Next(); got != "⏰ tea: now!" {
		t.Errorf("when it is due: %q", got)
	}
	channel.Repeat(Name)
	if said := channel.Said(); len(said) != 3 {
		t.Errorf("handled again, it said %q", said)
	}
	if got := channel.Say("alice", "!countdown"); !strings.HasPrefix(got, "⏳ There are no countdowns") {
		t.Errorf("afterwards: %q", got)
	}
	minus := channel.Stored(event.EventSubject(Name, "minus"))
	due := channel.Stored(event.EventSubject(Name, "due"))
	if len(minus) != 1 || len(due) != 1 || !strings.Contains(string(minus[0].Data), `"left":1,`) || !strings.Contains(string(due[0].Data), `"name":"tea"`) {
		t.Errorf("events %v and %v", minus, due)
	}
	if minus[0].CorrelationID == "" || minus[0].CorrelationID != due[0].CorrelationID {
		t.Errorf("the conversations are %q and %q", minus[0].CorrelationID, due[0].CorrelationID)
	}
}

// A removed countdown is silent; one of the same name that is set afterwards is
// not, and is announced at its own time.
func TestRemovedIsSilent(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Say("alice", "!countdown add tea 3s")
	channel.Say("alice", "!countdown rm tea")
	channel.Say("alice", "!countdown add tea 4s")
	channel.Say("alice", "!countdown add gone 3s")
	channel.Say("alice", "!countdown rm gone")
	if got := channel.Next(); got != "⏰ tea: now!" {
		t.Errorf("said %q", got)
	}
	if said := channel.Said(); len(said) != 6 {
		t.Errorf("it said %q", said)
	}
}

func TestSurvivesRestarts(t *testing.T) {
	streamstest.Slow(t, "waits for timers")
	t.Parallel()
	channel := plugintest.Run(t, New())
	channel.Say("alice", "!countdown add tea 2s")
	channel.Restart(Name)
	channel.Type("alice", 1, "!countdown add cake 2s")
	channel.Settle(Name)
	channel.Reboot()
	// The tea may be due before the cake is set.
	got := []string{channel.Next(), channel.Next(), channel.Next()}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "⏳ cake in 2s") })
	slices.Sort(got)
	if want := []string{"⏰ cake: now!", "⏰ tea: now!"}; !slices.Equal(got, want) {
		t.Errorf("after restarts it said %q, want %q", got, want)
	}
}

// put stores a countdown as the plugin left it some time ago.
func put(t *testing.T, channel *plugintest.Channel, d Countdown) {
	t.Helper()
	data, err := event.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := channel.Request(event.SubjectSet, event.Set{Collection: Collection, ID: recordID(d.Channel, d.Name), Data: data}); err != nil {
		t.Fatal(err)
	}
}

// What came due while the bot was down is announced late; what recurs goes on
// with the next time ahead, and what should have been said before is left out.
func TestMissed(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	now := time.Now()
	ago := now.Add(-90 * time.Minute).Unix()
	once := Countdown{Name: "once", Channel: plugintest.ChannelName, Set: "PLUGIN:1", Rule: timeparse.Rule{Zone: "UTC", First: ago}, Due: ago, Next: ago}
	weekly := Countdown{Name: "weekly", Channel: plugintest.ChannelName, Set: "PLUGIN:2",
		Rule: timeparse.Rule{Zone: "UTC", Every: timeparse.Period{N: 1, Unit: "week"}, First: now.Add(-20 * 24 * time.Hour).Unix()}, Due: now.Add(-6 * 24 * time.Hour).Unix(), Next: now.Add(-6 * 24 * time.Hour).Unix()}
	ahead := Countdown{Name: "ahead", Channel: plugintest.ChannelName, Set: "PLUGIN:3",
		Rule: timeparse.Rule{Zone: "UTC", First: now.Add(30 * time.Minute).Unix()}, Due: now.Add(30 * time.Minute).Unix(), Next: now.Add(-30 * time.Minute).Unix()}
	old := Countdown{Name: "old", Channel: plugintest.ChannelName, Done: true, Due: now.Add(-2 * retention).Unix()}
	for _, d := range []Countdown{once, weekly, ahead, old} {
		put(t, channel, d)
	}
	channel.Restart(Name)
	got := []string{channel.Next(), channel.Next()}
	slices.Sort(got)
	next := time.Unix(weekly.Due, 0).UTC().Add(7 * 24 * time.Hour)
	if want := []string{"⏰ once was due 1h 30m ago", "⏰ weekly was due 6d ago — next on " + stamp(next)}; !slices.Equal(got, want) {
		t.Errorf("it said %q, want %q", got, want)
	}
	// The tick of the one ahead says nothing, and leaves it with its next time.
	var reply struct{ Data Countdown }
	for {
		body, err := channel.Request(event.SubjectGet, event.Get{Collection: Collection, ID: recordID(plugintest.ChannelName, "ahead")})
		if err != nil || json.Unmarshal(body, &reply) != nil {
			t.Fatalf("%s, %v", body, err)
		}
		if reply.Data.Next > now.Unix() {
			break
		}
	}
	if left := reply.Data.Due - reply.Data.Next; left != 600 {
		t.Errorf("ahead is announced next %d s before it is due, want 600", left)
	}
	if said := channel.Said(); len(said) != 2 {
		t.Errorf("it said %q", said)
	}
	if _, err := channel.Request(event.SubjectGet, event.Get{Collection: Collection, ID: recordID(plugintest.ChannelName, "old")}); event.CodeOf(err) != event.RecordNotFound {
		t.Errorf("what was over long ago is still there: %v", err)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, New())
	for i := range MaxRunning {
		put(t, channel, Countdown{Name: fmt.Sprint(i), Channel: plugintest.ChannelName, Set: "PLUGIN:0", Rule: timeparse.Rule{Zone: "UTC"}, Due: time.Now().Add(time.Hour).Unix()})
	}
	if got := channel.Say("alice", "!countdown add tea 1h"); got != "❌ there are 50 countdowns already: remove one first" {
		t.Error(got)
	}
}

// Announcements that a countdown has no time for are left out, and one that would
// come with the answer to the command that set it.
func TestNext(t *testing.T) {
	t.Parallel()
	k := announcer{Minus}
	for left, want := range map[time.Duration]time.Duration{
		30 * time.Second: 0, time.Minute: 0, 61 * time.Second: time.Minute, 2 * time.Hour: time.Hour,
		24 * time.Hour: time.Hour, 25 * time.Hour: 24 * time.Hour, 300 * 24 * time.Hour: 7 * 24 * time.Hour,
	} {
		due := noon.Add(left)
		set := noon.Add(-499 * time.Millisecond) // which is rounded to noon
		if got := due.Sub(time.Unix(k.next(Countdown{Due: due.Unix()}, set), 0)); got != want {
			t.Errorf("with %s left it is announced %s before, want %s", left, got, want)
		}
	}
}
