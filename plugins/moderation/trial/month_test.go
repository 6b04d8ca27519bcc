package trial

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/moderation/automod"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// monthStore keeps the month, to try rosey automod try on it as a user does.
var monthStore = flag.String("month", "", "make the store of BenchmarkMonth in this `directory` and keep it")

// A month is made of what 50 people say in 30 days, and of what moderators did about some of it.
type month struct {
	rand   *rand.Rand
	events []dated
}

// dated is an event with when it is stored.
type dated struct {
	at            time.Time
	subject, data string
}

func (m *month) add(at time.Time, subject, format string, args ...any) {
	m.events = append(m.events, dated{at, subject, fmt.Sprintf(format, args...)})
}

func (m *month) says(at time.Time, user, text string) {
	m.add(at, event.SubjectChat, `{"user":%q,"message":%q,"channel":"lounge","rank":1,"time":%d}`, user, text, at.UnixMilli())
}

// moderates has a moderator act in seven of ten cases, some minutes later.
func (m *month) moderates(at time.Time, user, action, reason string) {
	if m.rand.IntN(10) < 7 {
		at = at.Add(time.Duration(20+m.rand.IntN(400)) * time.Second)
		m.add(at, event.ModerationSubject(action), `{"user":%q,"by":"mona","channel":"lounge","reason":%q,"time":%d}`, user, reason, at.UnixMilli())
	}
}

// sentence returns what people say, mostly without anything that a rule looks for.
func (m *month) sentence(words int) string {
	known := strings.Fields("the film is not as good I think that this one was shot in a real castle lol and then he went away again who knows what comes next popcorn :LUL: :kappa: haha yes no really great music by him they never made another after 1931 what")
	var said []string
	for range words {
		said = append(said, known[m.rand.IntN(len(known))])
	}
	if m.rand.IntN(40) == 0 {
		said = append(said, fmt.Sprintf("https://youtu.be/abcdefg%04d", m.rand.IntN(9999)))
	}
	return strings.Join(said, " ")
}

// misbehaves adds a breach that moderators see, and the lines of it.
func (m *month) misbehaves(at time.Time, user string) int {
	switch m.rand.IntN(5) {
	case 0:
		for i := range 10 {
			m.says(at.Add(time.Duration(i)*700*time.Millisecond), user, m.sentence(3))
		}
		m.moderates(at, user, event.ActionMute, "flood")
		return 10
	case 1:
		m.says(at, user, strings.ToUpper("why does nobody here listen to me, "+m.sentence(4)))
		m.moderates(at, user, event.ActionKick, "caps")
	case 2:
		m.says(at, user, fmt.Sprintf("free stuff at https://shop%d.example.biz/x now", m.rand.IntN(9)))
		m.moderates(at, user, event.ActionBan, "spam")
	case 3:
		for i := range 5 {
			m.says(at.Add(time.Duration(i)*4*time.Second), user, "vote for my film")
		}
		m.moderates(at, user, event.ActionMute, "repeats")
		return 5
	default: // no rule foresees it
		m.says(at, user, "you are all stupid")
		m.moderates(at, user, event.ActionKick, "insult")
	}
	return 1
}

// newMonth makes a month of so many lines up to a time, the same each time. Most is said in the
// evening; in an exciting minute people shout and type fast, and nobody minds.
func newMonth(lines int, until time.Time) []dated {
	const days, people = 30, 50
	m := &month{rand: rand.New(rand.NewPCG(1, 20))}
	from := until.AddDate(0, 0, -days)
	m.add(from, event.SubjectState, `{"part":"emotes","value":[{"name":":LUL:"},{"name":":kappa:"}],"page":1,"pages":1,"hash":"x","channel":"lounge","time":1}`)
	for i := range people {
		at := from.Add(time.Duration(m.rand.IntN(20*24)) * time.Hour)
		m.add(at, event.SubjectUserJoin, `{"user":"user%d","channel":"lounge","rank":1,"time":%d}`, i, at.UnixMilli())
	}
	for n := 0; n < lines; n++ {
		evening := 20*time.Hour + time.Duration(m.rand.NormFloat64()*float64(2*time.Hour))
		at := from.AddDate(0, 0, m.rand.IntN(days-1)).Truncate(24 * time.Hour).Add(evening + time.Duration(m.rand.IntN(1000))*time.Millisecond)
		user := fmt.Sprintf("user%d", min(m.rand.IntN(people), m.rand.IntN(people)))
		switch dice := m.rand.IntN(1000); {
		case dice < 4:
			n += m.misbehaves(at, user) - 1
		case dice < 7:
			m.says(at, user, "OMG THAT WAS SO GOOD, "+strings.ToUpper(m.sentence(2)))
		default:
			m.says(at, user, m.sentence(1+m.rand.IntN(14)))
		}
	}
	slices.SortStableFunc(m.events, func(a, b dated) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return m.events
}

// store stores the events of a month, at their times, in a directory.
func store(tb testing.TB, dir string, events []dated) jetstream.JetStream {
	tb.Helper()
	first, err := embedded.Start(embedded.Config{Store: dir}) // whose store a bot takes for its own
	if err != nil {
		tb.Fatal(err)
	}
	streamstest.Bus(tb, first)
	if err := first.Stop(); err != nil {
		tb.Fatal(err)
	}
	s := streamstest.Standalone(tb, &server.Options{ServerName: "rosey", JetStream: true, StoreDir: dir})
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	for i, e := range events {
		streamstest.StoreAt(tb, s, streams.Cytube, e.subject, fmt.Sprintf(
			`{"subject":%q,"data":%s,"timestamp":%d.5,"priority":1,"correlation_id":"%032d","metadata":{"source":"cytube"}}`, e.subject, e.data, e.at.Unix(), i,
		), e.at)
	}
	return js
}

// BenchmarkMonth tries all rules on a month of 100,000 lines.
func BenchmarkMonth(b *testing.B) {
	const lines = 100_000
	dir := *monthStore
	if dir == "" {
		dir = b.TempDir()
	}
	now := time.Now()
	js := store(b, dir, newMonth(lines, now))
	all := rules(b, automod.Config{
		FloodLines: 8, FloodTime: 10 * time.Second, Repeat: 4, RepeatTime: time.Minute, Caps: 80, CapsLetters: 12, Links: "deny",
		AllowHosts: []string{"youtu.be"}, DenyWords: []string{"spoilers", `b[au]d\s+w[o0]rd`}, NewFor: time.Hour, NewLinks: "deny", RaidJoins: 10,
		RaidTime: time.Minute, RaidFor: time.Minute,
	})
	for b.Loop() {
		r, err := Run(b.Context(), js, Options{Rules: all, Channel: "lounge", Since: now.AddDate(0, 0, -31)})
		if err != nil || r.Lines < lines {
			b.Fatal(r.Lines, err)
		}
		b.ReportMetric(float64(len(r.Hits)), "hits")
		b.ReportMetric(float64(r.False()), "false")
		b.ReportMetric(float64(len(r.Acts)-r.Missed())/float64(len(r.Acts)), "foreseen")
	}
	b.ReportMetric(lines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
