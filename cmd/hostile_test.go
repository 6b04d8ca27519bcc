package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// siege is a bot in a channel whose server sends it whatever the test likes.
type siege struct {
	*channels
	store string
	bot   *process
	bus   *streams.Bus
	clock int64 // ms
}

func besiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{channels: openChannels(t, "lobby"), store: t.TempDir(), clock: time.Now().UnixMilli()}
	s.bot = startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--site", s.site.URL(), "--channel", "lobby", "--user", "rosey", "--store", s.store)
	if err := s.site.WaitUser(s.ctx, "lobby", "rosey"); err != nil {
		t.Fatalf("%v\n%s", err, s.bot.stderr.String())
	}
	t.Cleanup(func() {
		if log := s.bot.stderr.String(); t.Failed() {
			t.Log(log[max(0, len(log)-5000):])
		}
	})
	s.bus = busOf(t, s.store)
	s.answered("!roll d6+1")
	return s
}

// frame has the server send the bot a frame.
func (s *siege) frame(frame string) {
	s.t.Helper()
	if err := s.site.InjectFrame("lobby", "rosey", frame); err != nil {
		s.t.Fatalf("%v\n%s", err, s.bot.stderr.String())
	}
}

// event has the server send an event.
func (s *siege) event(name string, arg any) {
	s.t.Helper()
	b, err := json.Marshal([]any{name, arg})
	if err != nil {
		s.t.Fatal(err)
	}
	s.frame("42" + string(b))
}

// line has somebody say something.
func (s *siege) line(user, text string) {
	s.t.Helper()
	s.clock++
	s.event("chatMsg", map[string]any{"username": user, "msg": text, "meta": map[string]any{}, "time": s.clock})
}

// answered says a roll as the channel's user and waits for its answer: the bot has
// then taken everything before it.
func (s *siege) answered(roll string) {
	s.t.Helper()
	s.say("lobby", roll)
	s.hear("lobby", "Rolled "+regexp.QuoteMeta(strings.TrimPrefix(roll, "!roll "))+":")
}

// stored counts the events on a subject whose data satisfies ok.
func (s *siege) stored(subject string, ok func(streams.Stored) bool) (n int) {
	s.t.Helper()
	c, err := s.bus.JetStream().OrderedConsumer(s.ctx, streams.Cytube, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		s.t.Fatal(err)
	}
	for pending := c.CachedInfo().NumPending; pending > 0; {
		m, err := c.Next(jetstream.FetchMaxWait(testPatience))
		if err != nil {
			s.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			s.t.Fatal(err)
		}
		pending = meta.NumPending
		if d, err := streams.Read(m); err == nil && ok(d) {
			n++
		}
	}
	return n
}

// memory is the most that the bot's process had resident, in bytes, or 0.
func (s *siege) memory() (peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.bot.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &peak); n == 1 {
			return peak << 10
		}
	}
	return 0
}

// A flood of 1,000 lines a second is recorded line by line, each once; commands
// in it are answered once, at the pace that the channel allows.
func TestChatFlood(t *testing.T) {
	streamstest.Slow(t, "types thousands of lines")
	t.Parallel()
	s := besiege(t)
	const lines, every, burst = 2000, 100, 20
	before := s.memory()
	tick := time.NewTicker(burst * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for i := range lines {
		if i%every == 0 {
			s.line(fmt.Sprintf("flooder%d", i%50), fmt.Sprintf("!roll d6+%d", 1000+i))
		} else {
			s.line(fmt.Sprintf("flooder%d", i%50), fmt.Sprintf("flood %d", i))
		}
		if i%burst == burst-1 {
			<-tick.C
		}
	}
	rate := float64(lines) / time.Since(began).Seconds()
	for i := 0; i < lines; i += every {
		s.hear("lobby", fmt.Sprintf(`Rolled d6\+%d:`, 1000+i))
	}
	s.answered("!roll d6+2")
	recorded := s.stored(event.SubjectChat, func(d streams.Stored) bool {
		c, err := event.As[event.Chat](d.Envelope)
		return err == nil && strings.HasPrefix(c.User, "flooder")
	})
	if recorded != lines {
		t.Errorf("%d of %d lines are recorded", recorded, lines)
	}
	if said := s.said("lobby"); len(said) != lines/every+2 {
		t.Errorf("the bot said %d lines, want %d", len(said), lines/every+2)
	}
	t.Logf("%d lines at %.0f/s: %d recorded; %d commands among them, each answered once; resident memory at most %d MiB, %d before",
		lines, rate, recorded, lines/every, s.memory()>>20, before>>20)
}

// Frames as large as they may be, and deeper than any reader likes, neither end
// the bot nor the connection; what is in them is recorded or reported.
func TestLargeAndDeepFrames(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	const mega = 1 << 20
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	deeper := strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000)
	s.line("mallory", strings.Repeat("x", mega-200))
	s.line("mallory", strings.Repeat("y", 500_000))
	s.line(strings.Repeat("z", 500_000), "!roll d6+7")
	s.line("mallory", "!roll "+strings.Repeat("9", 700_000))
	frames := []string{
		`42["nobodyKnows","` + strings.Repeat("x", mega-100) + `"]`, `42["nobodyKnows",` + deep + `]`, `42["chatMsg",` + deep + `]`,
		`42["chatMsg",{"username":"mallory","msg":` + deeper + `,"time":1}]`, `42["userlist",` + deep + `]`, `42["playlist",` + deeper + `]`,
		`42["changeMedia",{"id":"x","title":"` + strings.Repeat("t", 900_000) + `","seconds":1e300,"type":"yt"}]`,
		`42["chatMsg",{"username":["a"],"msg":5,"time":"soon"}]`, `42["rank",1e999]`, `42["setUserRank",{"name":"","rank":-1e308}]`, `42[]`, `42{}`,
		`42["chatMsg",{"username":"mallory","msg":"late","meta":{},"time":99999999999999999999}]`, `42["chatMsg",{"username":"mallory","msg":"early","meta":{},"time":-5}]`,
	}
	for _, f := range frames {
		s.frame(f)
	}
	s.answered("!roll d6+3")
	var bot bot.Status
	got := rosey(t, "", "status", "--output", "json", "--store", s.store)
	var all fullStatus
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || all.Bot == nil {
		t.Fatalf("%v: %+v", err, got)
	}
	bot = *all.Bot
	if joins := bot.Connector.Joins; joins != 1 {
		t.Errorf("the bot joined %d times\n%s", joins, s.bot.stderr.String())
	}
	long := s.stored(event.SubjectChat, func(d streams.Stored) bool { return len(d.Data) > 400_000 })
	t.Logf("%d frames, %d of them of 0.5 MB to 1 MB: no reconnect; %d long lines recorded, %d reported as malformed, %d as not to be recorded; resident memory at most %d MiB",
		len(frames)+4, 7, long, bot.Connector.Malformed, bot.Connector.Unrecorded, s.memory()>>20)
	if long == 0 || bot.Connector.Malformed == 0 {
		t.Errorf("%+v", bot.Connector)
	}
}

// Nobody is taken for the bot but the bot, and what is said under its name is no
// command; neither names nor texts become subjects, keys or consumers.
func TestHostileNames(t *testing.T) {
	streamstest.Slow(t, "types hundreds of lines")
	t.Parallel()
	s := besiege(t)
	names := []string{
		"rosey", "ROSEY", "Rosey", "r\u043esey", "ro\u017fey", "rosey ", " rosey", "rosey\u200b", "r.o.s.e.y", "*", ">", "a.b.>", "$JS.API.>", "plugin.trivia.command", "$KV.db_quotes.1",
		"", " ", "..", "a b", "=counter", "../../etc/passwd", "\x00", "\x1b[31m", "\r\nPUB x 1", "\u202e", "\U0001F600", strings.Repeat("n", 500), "[server]", "<script>", "%s%d", "null", "-1",
	}
	commands := []string{
		"!quote add %s said this", "!trivia start 3", "!trivia stop", "!countdown add %s 2h", "!countdown list", "!8ball will %s?", "!help %s", "!%s", "!roll %s", "!quote find %s",
		"!plugin.trivia.command", "!>", "!*", "! ", "!$JS.API.STREAM.DELETE.CYTUBE", "!a.b.c", "!" + strings.Repeat("x", 400),
	}
	own := 0
	for _, name := range names {
		s.event("addUser", map[string]any{"name": name, "rank": 1, "profile": map[string]any{}, "meta": map[string]any{}})
		for _, c := range commands {
			s.line(name, strings.ReplaceAll(c, "%s", name))
		}
		s.clock++
		s.event("pm", map[string]any{"username": name, "to": "rosey", "msg": "!roll " + name, "meta": map[string]any{}, "time": s.clock})
		if strings.EqualFold(name, "rosey") {
			own++
		}
	}
	s.event("changeMedia", map[string]any{"id": "../>", "title": "*.>", "seconds": 1, "type": "a.b.*"})
	s.answered("!roll d6+5")
	for _, name := range []string{"rosey", "ROSEY", "Rosey"} {
		if n := s.routed(name); n > 0 {
			t.Errorf("%d commands of %q are routed", n, name)
		}
	}
	if s.routed("a b") == 0 || s.routed("r\u043esey") == 0 {
		t.Error("commands of others are not routed")
	}
	subjects, keys := s.subjects()
	known := regexp.MustCompile(`^(cytube\.(chat|pm|connection|delivery|state|user\.(join|leave|rank|afk|meta|count)|media\.(change|queue|delete|move|update|temp)|send\.(chat|pm|emote)|moderation(\.[a-z_]+)?)|` +
		`plugin\.[a-z0-9-]+\.(command|event(\.[a-z_]+)*|request(\.[a-z_]+)*|schedule\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|due\.[a-z_]+)|platform\.[a-z]+|database\.[a-z]+|` +
		`\$KV\.[A-Za-z0-9_-]+\.[A-Za-z0-9_=.-]+)$`)
	for subject := range subjects {
		if !known.MatchString(subject) {
			t.Errorf("something was stored on %q", subject)
		}
	}
	t.Logf("%d names, %d of them the bot's own in some case, and %d lines: %d subjects in use, %d of them keys, all of the contract's forms; answered on",
		len(names), own, len(names)*(len(commands)+1), len(subjects), keys)
}

// routed counts the commands of a user that the router has routed.
func (s *siege) routed(user string) (n int) {
	s.t.Helper()
	p, err := s.bus.JetStream().OrderedConsumer(s.ctx, streams.Plugin, jetstream.OrderedConsumerConfig{FilterSubjects: []string{event.AllCommands}})
	if err != nil {
		s.t.Fatal(err)
	}
	for pending := p.CachedInfo().NumPending; pending > 0; {
		m, err := p.Next(jetstream.FetchMaxWait(testPatience))
		if err != nil {
			s.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			s.t.Fatal(err)
		}
		pending = meta.NumPending
		d, err := streams.Read(m)
		if err != nil {
			s.t.Errorf("%s: %v", d.Ref, err)
			continue
		}
		if c, err := event.As[event.Command](d.Envelope); err == nil && c.User == user {
			n++
		}
	}
	return n
}

// subjects are those on which anything is stored, by number of events.
func (s *siege) subjects() (all map[string]uint64, keys int) {
	s.t.Helper()
	all = map[string]uint64{}
	states, err := monitor.Streams(s.ctx, s.bus.JetStream())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, st := range states {
		stream, err := s.bus.JetStream().Stream(s.ctx, st.Name)
		if err != nil {
			s.t.Fatal(err)
		}
		info, err := stream.Info(s.ctx, jetstream.WithSubjectFilter(">"))
		if err != nil {
			s.t.Fatal(err)
		}
		for subject, n := range info.State.Subjects {
			all[subject] = n
			if strings.HasPrefix(subject, "$KV.") {
				keys++
			}
		}
	}
	return all, keys
}

// A site whose clock is hours off, or jumps, neither expires commands nor
// disturbs the order of the past, which is that in which things were recorded.
func TestClockOfTheSite(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	jumps := []time.Duration{3 * time.Hour, -6 * time.Hour, 48 * time.Hour, -365 * 24 * time.Hour, 0}
	for i, jump := range jumps {
		s.clock += jump.Milliseconds()
		s.line("mallory", fmt.Sprintf("!roll d6+%d", 400+i))
		s.hear("lobby", fmt.Sprintf(`Rolled d6\+%d:`, 400+i))
	}
	got := rosey(t, "", "replay", "--since", "1h", "--subject", event.SubjectChat, "--user", "mallory", "--output", "json", "--store", s.store)
	var order []int
	for line := range strings.Lines(got.stdout) {
		var e struct {
			Data struct {
				Message string `json:"message"`
			} `json:"data"`
		}
		n := 0
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if _, err := fmt.Sscanf(e.Data.Message, "!roll d6+%d", &n); err == nil {
			order = append(order, n-400)
		}
	}
	if fmt.Sprint(order) != "[0 1 2 3 4]" {
		t.Errorf("replayed in the order %v\n%s", order, got.stderr)
	}
	for _, args := range [][]string{{"replay", "--since", "1h", "--tree"}, {"replay", "--since", "1h", "--summary"}} {
		r := rosey(t, "", append(args, "--store", s.store)...)
		if negative := regexp.MustCompile(`(^|\s)-\d+(\.\d+)?\s?(ns|µs|us|ms|s|m|h)\b`).FindString(r.stdout); r.code != 0 || negative != "" {
			t.Errorf("%v: exit code %d, a negative duration %q", args, r.code, negative)
		}
	}
	t.Logf("%d jumps of the site's clock, by up to a year: %d commands answered, replayed in order, no duration below 0", len(jumps)-1, len(order))
}
