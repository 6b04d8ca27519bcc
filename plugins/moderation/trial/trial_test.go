package trial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// history stores events as the bot does.
type history struct {
	testing.TB
	js jetstream.JetStream
	n  int
}

func (p *history) put(subject, data, correlation string) {
	p.Helper()
	p.n++
	body := fmt.Sprintf(`{"subject":%q,"data":%s,"timestamp":1732645200.5,"priority":1,"correlation_id":%q,"metadata":{"source":"test"}}`, subject, data, correlation)
	if _, err := p.js.PublishAsync(subject, []byte(body), jetstream.WithStallWait(time.Minute)); err != nil {
		p.Fatal(err)
	}
	if p.n%200 == 0 {
		<-p.js.PublishAsyncComplete()
	}
}

func (p *history) line(user string, rank int, text string) {
	p.Helper()
	p.put(event.SubjectChat, fmt.Sprintf(`{"user":%q,"message":%q,"channel":"lounge","rank":%d,"time":1732645200000}`, user, text, rank), fmt.Sprintf("%032d", p.n))
}

func (p *history) act(action, user, by, correlation string) {
	p.Helper()
	p.put(event.ModerationSubject(action), fmt.Sprintf(`{"user":%q,"by":%q,"channel":"lounge","reason":"","time":1732645200000}`, user, by), correlation)
}

func rules(t testing.TB, c automod.Config) *automod.Rules {
	t.Helper()
	c.ExemptRank, c.RaidStep, c.StepsTime = 2, "kick", time.Hour
	r, err := automod.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A trial tells whom rules would have hit, which hits are false alarms, and which acts of
// moderators no rule foresaw; automod's own acts are none of theirs.
func TestRun(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	p := &history{TB: t, js: bus.JetStream()}
	p.put(event.SubjectState, `{"part":"emotes","value":[{"name":"SHOUTINGEMOTE"}],"page":1,"pages":1,"hash":"x","channel":"lounge","time":1}`, "a")
	p.line("alice", 1, "STOP SHOUTING ALL OF YOU")
	p.act(event.ActionMute, "Alice", "mona", "by-hand")
	p.line("alice", 1, "I AM NOT SHOUTING AT ALL")
	p.line("bob", 1, "WHAT IS HAPPENING HERE")
	p.line("bob", 1, "SHOUTINGEMOTE SHOUTINGEMOTE")
	p.line("mona", 2, "BE QUIET ALL OF YOU NOW")
	p.act(event.ActionKick, "carol", "mona", "by-hand")
	p.put("plugin.moderation.event.hit", `{"event_type":"hit","user":"bob","channel":"lounge"}`, "automod")
	<-p.js.PublishAsyncComplete() // what follows is in another stream, and later
	p.act(event.ActionKick, "bob", "rosey", "automod")
	<-p.js.PublishAsyncComplete()
	r, err := Run(t.Context(), bus.JetStream(), Options{
		Rules: rules(t, automod.Config{Caps: 80, CapsLetters: 10, Steps: []string{"warn", "mute:10m"}}), Channel: "lounge", Since: time.Now().Add(-time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range r.Hits {
		got = append(got, fmt.Sprintf("%s %s %s [%s] %d", h.User, h.Rule, h.Step, h.Acted, len(h.Lines)))
	}
	want := "alice caps warn [mute by mona] 1; alice caps mute:10m [mute by mona] 1; bob caps warn [] 1"
	if strings.Join(got, "; ") != want {
		t.Errorf("hits: %q, want %q", got, want)
	}
	if r.Lines != 4 || r.Users != 2 || r.False() != 1 || len(r.Acts) != 2 || r.Missed() != 1 {
		t.Errorf("%d lines of %d users, %d false, %d acts, %d missed", r.Lines, r.Users, r.False(), len(r.Acts), r.Missed())
	}
	if rows := r.ByUser(); len(rows) != 2 || rows[0].Name != "alice" || rows[0].Last != "mute:10m" || rows[0].Right != 2 {
		t.Errorf("by user: %+v", rows)
	}
	if rows := r.ByRule(); len(rows) != 1 || rows[0].Hits != 3 || rows[0].Users != 2 || rows[0].False != 1 {
		t.Errorf("by rule: %+v", rows)
	}
}
