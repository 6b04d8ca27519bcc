package crashtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

var epoch = time.UnixMilli(1_700_000_000_000)

// story is evidence in the making.
type story struct {
	evidence
	t            *testing.T
	at           time.Time
	correlations map[event.Ref]string
}

func (s *story) store(list *[]streams.Stored, stream, subject string, payload any, cause event.Ref) event.Ref {
	s.t.Helper()
	e, err := event.New(subject, payload)
	if err != nil {
		s.t.Fatal(err)
	}
	if cause != (event.Ref{}) {
		e = e.WithMeta(event.MetaCausation, cause.String())
	}
	ref := event.Ref{Stream: stream, Seq: uint64(len(*list) + 1)}
	if e.CorrelationID = s.correlations[cause]; e.CorrelationID == "" {
		e.CorrelationID = ref.String()
	}
	s.correlations[ref] = e.CorrelationID
	*list = append(*list, streams.Stored{Envelope: e, Ref: ref, At: s.at})
	return ref
}

func (s *story) later(d time.Duration) *story { s.at = s.at.Add(d); return s }

func (s *story) hear(user, text string) cytubetest.Line {
	l := cytubetest.Line{Seq: len(s.heard) + 1, Channel: channelNames[0], User: user, Text: text, Time: s.at}
	s.heard = append(s.heard, l)
	return l
}

func (s *story) chat(l cytubetest.Line) event.Ref {
	return s.store(&s.cytube, streams.Cytube, event.SubjectChat,
		event.Chat{User: l.User, Message: l.Text, Channel: channelNames[0], Time: l.Time.UnixMilli()}, event.Ref{})
}

func (s *story) command(plugin string, line event.Ref) event.Ref {
	return s.store(&s.plugin, streams.Plugin, event.CommandSubject(plugin), event.Command{Command: "x", User: "alice"}, line)
}

func (s *story) reply(text string, command event.Ref) event.Ref {
	return s.store(&s.cytube, streams.Cytube, event.SubjectSendChat, event.SendChat{Message: text}, command)
}

func rolledText(n int) string { return fmt.Sprintf("Rolled d6+%d: 1", n) }

// roll and quote are commands that go well.
func (s *story) roll(n int) (line, command event.Ref) {
	line = s.chat(s.hear("alice", fmt.Sprintf("!roll d6+%d", n)))
	command = s.command("dice-roller", line)
	s.reply(rolledText(n), command)
	s.chat(s.hear(botName, rolledText(n)))
	s.later(time.Second)
	return line, command
}

func (s *story) quote(n int) {
	command := s.command("quote-db", s.chat(s.hear("bob", fmt.Sprintf("!quote add crash %d", n))))
	s.quotes = append(s.quotes, fmt.Sprintf("crash %d", n))
	s.reply(fmt.Sprintf("Added quote #%d", n), command)
	s.chat(s.hear(botName, fmt.Sprintf("Added quote #%d", n)))
	s.later(time.Second)
}

// counts are what may become of two commands that went well, and of a third.
var counts = []struct {
	name   string
	happen func(*story)
	want   Report // without lists: those are in says
	says   []string
}{
	{"all is well", func(s *story) { s.hear("carol", "hello"); s.exits = nil }, Report{}, nil},
	{"not recorded", func(s *story) { s.hear("alice", "!roll d6+3") }, Report{Sent: 1}, []string{"lost: !roll d6+3", "not recorded"}},
	{"not routed", func(s *story) { s.chat(s.hear("alice", "!roll d6+3")) }, Report{Sent: 1}, []string{"not routed"}},
	{"not answered", func(s *story) { s.command("dice-roller", s.chat(s.hear("alice", "!roll d6+3"))) },
		Report{Sent: 1, Handled: 1}, []string{"not answered"}},
	{"not heard", func(s *story) {
		send := s.reply(rolledText(3), s.command("dice-roller", s.chat(s.hear("alice", "!roll d6+3"))))
		s.store(&s.cytube, streams.Cytube, event.SubjectDelivery,
			event.Delivery{Channel: channelNames[0], Status: event.DeliveryExpired, Reason: "too old", Send: send.String()}, event.Ref{})
	}, Report{Sent: 1, Handled: 1, Replies: 1}, []string{"the channel heard nothing expired: too old"}},
	{"heard, and recorded as expired", func(s *story) {
		s.roll(3)
		s.store(&s.cytube, streams.Cytube, event.SubjectDelivery,
			event.Delivery{Channel: channelNames[0], Status: event.DeliveryExpired, Reason: "too old", Send: "CYTUBE:2"}, event.Ref{})
	}, Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"FALSE: !roll d6+1", "recorded as expired: too old"}},
	{"recorded twice", func(s *story) { s.roll(3); s.chat(s.heard[len(s.heard)-2]) },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"doubled in stream: !roll d6+3", "recorded 2 times"}},
	{"routed twice", func(s *story) { line, _ := s.roll(3); s.command("dice-roller", line) },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"routed 2 times"}},
	{"answered twice", func(s *story) { _, command := s.roll(3); s.reply(rolledText(3), command) },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"answered 2 times"}},
	{"inserted twice", func(s *story) { s.quote(3); s.quotes = append(s.quotes, "crash 3") },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"in the database 2 times"}},
	{"not inserted", func(s *story) { s.quote(3); s.quotes = s.quotes[:len(s.quotes)-1] },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1}, []string{"the database does not hold it"}},
	{"heard twice", func(s *story) { s.roll(3); s.hear(botName, rolledText(3)) },
		Report{Sent: 1, Handled: 1, Replies: 1, Heard: 1, DoubledOnWire: 1}, []string{"UNEXPLAINED", "without a crash"}},
	{"another's reply", func(s *story) {
		command := s.command("dice-roller", s.chat(s.hear("alice", "!roll d6+3")))
		s.reply(rolledText(1), command)
	}, Report{Sent: 1, Handled: 1, Replies: 1}, []string{"is no reply to", "answers different commands: [1 3]"}},
	{"out of nothing", func(s *story) {
		s.chat(cytubetest.Line{User: "alice", Text: "!roll d6+9", Time: s.at})
		s.command("dice-roller", event.Ref{Stream: streams.Cytube, Seq: 99})
		s.reply("Rolled?", event.Ref{Stream: streams.Plugin, Seq: 99})
		s.hear(botName, "what?")
		s.quotes = append(s.quotes, "crash 9")
	}, Report{}, []string{"nobody typed", "no line caused", "no command caused", "no stream holds", "nobody added"}},
	{"dead letter", func(s *story) {
		s.store(&s.plugin, streams.Plugin, event.EventSubject("dice-roller", event.TypeDeadLetter), event.DeadLetter{
			EventType: event.TypeDeadLetter, Stream: streams.Plugin, Seq: 1, Subject: "x", Error: "boom", Attempts: 1}, event.Ref{})
	}, Report{}, []string{"strange: PLUGIN:3: plugin.dice-roller.event.dead_letter"}},
	{"gave up", func(s *story) { s.exits = []string{"bot ended by itself"} }, Report{}, []string{"ended by itself: bot"}},
}

// What goes wrong is found; what does not is no matter.
func TestCount(t *testing.T) {
	t.Parallel()
	for _, c := range counts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &story{t: t, at: epoch, correlations: map[event.Ref]string{}}
			s.roll(1)
			s.quote(2)
			c.happen(s)
			r := count(s.evidence)
			want := c.want
			want.Sent, want.Handled, want.Replies, want.Heard = want.Sent+2, want.Handled+2, want.Replies+2, want.Heard+2
			got := Report{Sent: r.Sent, Handled: r.Handled, Replies: r.Replies, Heard: r.Heard, DoubledOnWire: r.DoubledOnWire}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			var printed bytes.Buffer
			r.Print(&printed)
			for _, say := range c.says {
				if !strings.Contains(printed.String(), say) {
					t.Errorf("%q is not in:\n%s", say, printed.String())
				}
			}
			if passed := r.Err() == nil; passed != (len(c.says) == 0) || passed != strings.Contains(printed.String(), "PASSED") {
				t.Errorf("the verdict is %v:\n%s", r.Err(), printed.String())
			}
		})
	}
}

// A line is said again only when the crash fell before its echo was recorded.
func TestExplain(t *testing.T) {
	t.Parallel()
	const echo, again = 3 * time.Second, 5 * time.Second // after the line
	for _, c := range []struct {
		kind      Kind
		at        time.Duration // after the line
		recorded  bool
		explained bool
	}{
		{Bot, time.Second, true, true},
		{Socket, time.Second, true, true},
		{Echo, 0, true, true},
		{Site, time.Second, true, true},
		{Bot, -onTheWay / 2, true, true},
		{Bot, -2 * onTheWay, true, false},
		{Bot, 4 * time.Second, true, false},
		{Bot, 4 * time.Second, false, true},
		{Bot, 6 * time.Second, false, false},
		{Plugin, time.Second, true, false},
		{NATS, time.Second, true, false},
	} {
		s := &story{t: t, at: epoch, correlations: map[event.Ref]string{}}
		command := s.command("dice-roller", s.chat(s.hear("alice", "!roll d6+1")))
		s.reply(rolledText(1), command)
		first := s.hear(botName, rolledText(1))
		s.attacks = []Attack{{c.kind, s.at.Add(c.at)}}
		if s.later(echo); c.recorded {
			s.chat(first)
		}
		s.later(again-echo).hear(botName, rolledText(1))
		r := count(s.evidence)
		if r.DoubledOnWire != 1 || len(r.Explained)+len(r.Unexplained) != 1 || (len(r.Explained) == 1) != c.explained {
			t.Errorf("%+v: explained %q, unexplained %q", c, r.Explained, r.Unexplained)
		}
	}
}

// A seed always strikes in the same way, and no kind is spared for long.
func TestPlan(t *testing.T) {
	t.Parallel()
	take := func(seed uint64, servers int, n int) (list []planned) {
		for next := plan(seed, servers, false, false); len(list) < n; {
			list = append(list, next())
		}
		return list
	}
	opts := cmp.AllowUnexported(planned{})
	if diff := cmp.Diff(take(7, 1, 100), take(7, 1, 100), opts); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(take(7, 1, 100), take(8, 1, 100), opts) {
		t.Error("two seeds, one plan")
	}
	for servers, want := range map[int][]Kind{
		0: {Bot, Plugin, Socket, Echo, Site},
		1: {Bot, Plugin, NATS, Socket, Echo, Site},
		3: {Bot, Plugin, NATS, Socket},
	} {
		for seed := range uint64(50) {
			seen := map[Kind]bool{}
			for _, p := range take(seed, servers, 9) {
				seen[p.kind] = true
			}
			for _, k := range kinds {
				if seen[k] != slices.Contains(want, k) {
					t.Errorf("seed %d, %d servers: %s within 9 attacks: %t", seed, servers, k, seen[k])
				}
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"!roll d6+12": 12, "!quote add crash 7": 7} {
		if n, ok := numberOf(text); !ok || n != want {
			t.Errorf("%q: %d %t", text, n, ok)
		}
	}
	for _, text := range []string{"!roll d6", "roll d6+1", "!roll d6+1 ", "🎲 Rolled d6+1: [1] + 1 = 2", ""} {
		if n, ok := numberOf(text); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
	lines := []cytubetest.Line{{User: "alice", Text: "!roll d6+3"}, {User: botName, Text: "!roll d6+4"}, {User: "bob", Text: "hi"}}
	if got := commands(lines); len(got) != 1 || got[3].User != "alice" {
		t.Errorf("%+v", got)
	}
}
