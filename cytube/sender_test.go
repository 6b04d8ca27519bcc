package cytube_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
	"github.com/rosey-bot/rosey/streams/tracing"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// spoken gives what the channel heard of the bot.
func (w *world) spoken() []string {
	var all []string
	for _, l := range w.site.Heard() {
		if l.User != "Rosey" {
			continue
		}
		text := l.Text
		if l.Action {
			text = "* " + text
		}
		if l.To != "" {
			text = "@" + l.To + " " + text
		}
		all = append(all, text)
	}
	return all
}

// echo waits for the recorded echo of a part of a send.
func (w *world) echo(of streams.Ack, part int) streams.Stored {
	w.t.Helper()
	return w.await(fmt.Sprintf("echo of %s, part %d", of.Ref, part), func(s streams.Stored) bool {
		cause, _ := s.Causation()
		p, isPart := s.Metadata[event.MetaPart]
		return cause == of.Ref && s.Subject != event.SubjectDelivery && (fmt.Sprint(p) == fmt.Sprint(part) || !isPart && part == 1)
	})
}

func (w *world) delivery(of streams.Ack) event.Delivery {
	w.t.Helper()
	match := func(s streams.Stored) bool {
		return s.Subject == event.SubjectDelivery && field[string](s, "send") == of.Ref.String()
	}
	s := streams.Stored{}
	if i := slices.IndexFunc(w.passed, match); i >= 0 {
		s = w.passed[i]
	} else {
		s = w.await("delivery of "+of.Ref.String(), match)
	}
	d, err := event.As[event.Delivery](s.Envelope)
	w.ok(err)
	if cause, _ := s.Causation(); cause != of.Ref || s.CorrelationID != w.correlation(of) {
		w.t.Errorf("the delivery's cause is %v, its correlation %s", cause, s.CorrelationID)
	}
	return d
}

func (w *world) correlation(of streams.Ack) string {
	w.t.Helper()
	return w.event(of.Ref).CorrelationID
}

func (w *world) event(ref event.Ref) streams.Stored {
	w.t.Helper()
	s, err := w.bus.JetStream().Stream(w.ctx, ref.Stream)
	w.ok(err)
	raw, err := s.GetMsg(w.ctx, ref.Seq)
	w.ok(err)
	stored, err := streams.ReadRaw(ref.Stream, raw)
	w.ok(err)
	return stored
}

// Everything is said, in order, and nothing twice, whatever the flood limit.
func TestSpeaksInOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*cytubetest.Config, *cytube.Config)
		sends  int
	}{
		{"no limit of the channel", nil, 24},
		{"tight limit", func(s *cytubetest.Config, _ *cytube.Config) {
			s.Channels[0].Flood = cytubetest.Flood{Burst: 3, Sustained: 10, Cooldown: 0.3}
		}, 9},
		{"moderator under a tight limit", func(s *cytubetest.Config, _ *cytube.Config) {
			s.Channels[0].Flood = cytubetest.Flood{Burst: 2, Sustained: 0.1}
			s.Channels[0].Ranks["rosey"] = 2
		}, 18},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.change)
			b := w.join()
			w.user("alice")
			var want []string
			var last streams.Ack
			for i := range test.sends {
				text := fmt.Sprintf("line %d", i)
				switch i % 3 {
				case 0:
					last = w.chat(text)
				case 1:
					last, text = w.send(event.SubjectSendEmote, event.SendEmote{Emote: text, Channel: lounge}), "* "+text
				case 2:
					last, text = w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: text}), "@alice "+text
				}
				want = append(want, text)
			}
			echo := w.echo(last, 1)
			if echo.Subject != event.SubjectPM || echo.CorrelationID != w.correlation(last) {
				t.Errorf("the last echo is %+v", echo.Envelope)
			}
			if diff := cmp.Diff(want, w.spoken()); diff != "" {
				t.Error(diff)
			}
			w.counted(b, func(s cytube.Stats) bool { return s.Echoed == int64(test.sends) })
		})
	}
}

func TestSplitsLongMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	words := strings.Repeat("word ", 119) + "end"
	for _, test := range []struct {
		subject string
		payload any
		mark    string
	}{
		{event.SubjectSendChat, event.SendChat{Message: words}, ""},
		{event.SubjectSendEmote, event.SendEmote{Emote: words, Channel: lounge}, "* "},
	} {
		before := len(w.spoken())
		ack := w.send(test.subject, test.payload)
		for part := 1; part <= 3; part++ {
			s := w.echo(ack, part)
			if n := len(field[string](s, "message")) + 2*len(test.mark); n > 240 || s.CorrelationID != w.correlation(ack) {
				t.Errorf("part %d is %d long, correlation %s", part, n, s.CorrelationID)
			}
		}
		var said []string
		for _, l := range w.spoken()[before:] {
			mark := test.mark + fmt.Sprintf("(%d/3) ", len(said)+1)
			text, ok := strings.CutPrefix(l, mark)
			if !ok {
				t.Errorf("%q lacks %q", l, mark)
			}
			said = append(said, text)
		}
		if strings.Join(said, " ") != words || len(said) != 3 {
			t.Errorf("said %q", said)
		}
	}
}

// What becomes of a send that the channel does not simply hear.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	pm := func(to string) func(*world) streams.Ack {
		return func(w *world) streams.Ack {
			return w.send(event.SubjectSendPM, event.SendPM{To: to, Message: "psst"})
		}
	}
	chat := func(w *world) streams.Ack { return w.chat("hello") }
	for _, test := range []struct {
		name           string
		before         func(*world)
		send           func(*world) streams.Ack
		status, reason string
		spoken         int
		impatient      bool // the echo times out at once
	}{
		{"new user", func(w *world) { w.site.Fail(lounge, "rosey", 1, cytubetest.FaultSpam) }, chat, event.DeliveryRefused, "NEW_USER_CHAT", 0, false},
		{"new user's link", func(w *world) { w.site.Fail(lounge, "rosey", 1, cytubetest.FaultSpamLink) }, chat, event.DeliveryRefused, "NEW_USER_CHAT_LINK", 0, false},
		{"muted", func(w *world) { w.ok(w.site.Mute(lounge, "rosey", false)) }, chat, event.DeliveryRefused, "muted", 0, false},
		{"nobody there", nil, pm("nobody"), event.DeliveryRefused, "isn't connected", 0, false},
		{"itself", nil, pm("rosey"), event.DeliveryRefused, "can't PM yourself", 0, false},
		{"no name", nil, pm("no name"), event.DeliveryRefused, "isn't a valid username", 0, false},
		{"blank", nil, func(w *world) streams.Ack { return w.chat(" \n ") }, event.DeliveryRefused, "blank", 0, false},
		{"lost each time", func(w *world) { w.site.Fail(lounge, "rosey", 3, cytubetest.FaultLost) }, chat, event.DeliveryUnconfirmed, "said 3 times", 0, true},
		{"no echo each time", func(w *world) { w.site.Fail(lounge, "rosey", 3, cytubetest.FaultNoEcho) }, chat, event.DeliveryUnconfirmed, "said 3 times", 3, true},
		{"flooding each time", func(w *world) { w.site.Fail(lounge, "rosey", 5, cytubetest.FaultCooldown) }, chat, event.DeliveryRefused, "flood control", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) {
				if test.impatient {
					b.EchoTimeout = 200 * time.Millisecond
				}
			})
			w.join()
			if test.before != nil {
				test.before(w)
			}
			got := w.delivery(test.send(w))
			if got.Status != test.status || !strings.Contains(got.Reason, test.reason) || got.Channel != lounge {
				t.Errorf("got %+v", got)
			}
			w.site.Unmute(lounge, "rosey")
			w.echo(w.chat("next"), 1)
			said := slices.DeleteFunc(w.spoken(), func(text string) bool { return text == "next" })
			if len(said) != test.spoken {
				t.Errorf("the channel heard %q", said)
			}
		})
	}
}

// A plugin that says a megabyte is refused, and keeps nobody else from speaking.
func TestSaysNoMegabyte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join()
	text := strings.Repeat("word ", 200_000)
	sends := []streams.Ack{
		w.chat(text), w.send(event.SubjectSendEmote, event.SendEmote{Emote: text, Channel: lounge}),
		w.send(event.SubjectSendPM, event.SendPM{To: "alice", Message: text}),
	}
	next := w.chat("next")
	for _, ack := range sends {
		if d := w.delivery(ack); d.Status != event.DeliveryRefused || !strings.Contains(d.Reason, "a send may take 100") {
			t.Errorf("got %+v", d)
		}
	}
	w.echo(next, 1)
	if diff := cmp.Diff([]string{"next"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Sent == 1 && s.Refused == int64(len(sends)) })
	t.Logf("%d sends of %d bytes each: refused, and what came next was said", len(sends), len(text))
}

// What goes wrong once is tried again.
func TestSaysAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  cytubetest.Fault
		times  int
		resent int64
		heard  int
		echo   time.Duration // how long to wait for it
	}{
		{"flooding", cytubetest.FaultCooldown, 2, 2, 1, 0},
		{"lost", cytubetest.FaultLost, 2, 2, 1, 2 * time.Second},
		{"no echo", cytubetest.FaultNoEcho, 1, 1, 2, 2 * time.Second}, // the one case of a doubled line
		{"connection breaks off", cytubetest.FaultDrop, 1, 0, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.EchoTimeout = test.echo })
			b := w.join()
			w.site.Fail(lounge, "rosey", test.times, test.fault)
			first := w.chat("[SP]first[/SP]")
			second := w.chat("second")
			w.echo(first, 1)
			w.echo(second, 1)
			if n := len(w.spoken()); n != test.heard+1 {
				t.Errorf("the channel heard %q", w.spoken())
			}
			w.counted(b, func(s cytube.Stats) bool { return s.Resent >= test.resent && s.Echoed == 2 })
		})
	}
}

// A line for which the server kicks the bot is not said again.
func TestKickedForWhatItSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultLost)
	ack := w.chat("a forbidden link")
	_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool { return strings.Contains(f.Data, "forbidden") })
	w.ok(err)
	w.ok(w.site.InjectFrame(lounge, "rosey", `42["kick",{}]`))
	if d := w.delivery(ack); d.Status != event.DeliveryRefused || !strings.Contains(d.Reason, "kicked") {
		t.Errorf("got %+v", d)
	}
	w.echo(w.chat("next"), 1)
	if diff := cmp.Diff([]string{"next"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// A part that was heard is not said again because a later one was not.
func TestResumesASplitMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.MessageLimit = 10 })
	w.join()
	w.echo(w.chat("ahead"), 1)
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("aaaaaaaaa bbbbbbbbb ccccccccc")
	w.echo(ack, 3)
	if diff := cmp.Diff([]string{"ahead", "aaaaaaaaa", "bbbbbbbbb", "ccccccccc"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// A line that the channel heard is not said again by the next process, although the
// one that said it died before it knew.
func TestKilledBetweenSayingAndEcho(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.MessageLimit = 20 })
	kill := w.mortal()
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("said [SP]it[/SP] and a second part")
	_, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return l.User == "Rosey" })
	w.ok(err)
	kill()
	w.site.Refuse("")
	b := w.start()
	first := w.echo(ack, 1) // recorded with the chat buffer, before the bot is in
	if first.CorrelationID != w.correlation(ack) || field[string](first, "message") != "said [sp]it[/sp] and" {
		t.Errorf("got %+v", first.Envelope)
	}
	w.echo(ack, 2)
	if diff := cmp.Diff([]string{"said [SP]it[/SP] and", "a second part"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	w.counted(b, func(s cytube.Stats) bool { return s.Sent == 1 })
}

// A NATS server that crashes with the bot forgets which send the bot had in hand.
// The line that the channel heard is not said again even so, although a filter of the
// channel's has made another one of it, and it belongs to its send.
func TestKilledWithTheNATSServerBetweenSayingAndEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kill := w.mortal()
	before := w.chat("[SP]before[/SP]")
	w.echo(before, 1)
	w.delivery(w.send(event.SubjectSendPM, event.SendPM{To: "nobody", Message: "refused"}))
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail(lounge, "rosey", 1, cytubetest.FaultDrop)
	ack := w.chat("[SP]in time[/SP]")
	_, err := w.site.WaitHeard(w.ctx, func(l cytubetest.Line) bool { return strings.Contains(l.Text, "in time") })
	w.ok(err)
	kill()
	w.forget(sender.SendsDurable)
	w.site.Refuse("")
	after := w.chat("[SP]after[/SP]")
	w.start()
	w.echo(after, 1)
	if diff := cmp.Diff([]string{"[SP]before[/SP]", "[SP]in time[/SP]", "[SP]after[/SP]"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	causes := map[string]string{}
	for _, s := range w.stored(event.SubjectChat) {
		causes[field[string](s, "message")] = s.Meta(event.MetaCausation)
	}
	want := map[string]string{"[sp]before[/sp]": before.Ref.String(), "[sp]in time[/sp]": ack.Ref.String(), "[sp]after[/sp]": after.Ref.String()}
	if diff := cmp.Diff(want, causes); diff != "" {
		t.Errorf("what the lines name as their cause: %s", diff)
	}
}

// The next process does not say what is recorded as said.
func TestKilledBetweenEchoAndAck(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	w := newWorld(t)
	w.ok(w.join().stop()) // leaves the durable consumer
	ack := w.chat("hello there")
	c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, sender.SendsDurable)
	w.ok(err)
	_, err = c.Next(jetstream.FetchMaxWait(3 * time.Minute))
	w.ok(err)
	e, err := event.New(event.SubjectChat, event.Chat{User: "rosey", Message: "hello there", Channel: lounge, Rank: 1, Time: 1})
	w.ok(err)
	_, err = w.bus.Publish(w.ctx, e.WithMeta(event.MetaCausation, ack.Ref.String()))
	w.ok(err)
	w.join()
	w.echo(w.chat("next"), 1)
	if diff := cmp.Diff([]string{"next"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// An echo belongs to the trace of what was asked for, and any other line begins
// a trace: both are their correlation IDs.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provider := sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(propagation.IDGenerator{}))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	w.bus = streams.NewBus(w.bus.Conn(), w.bus.JetStream(), tracing.With(provider.Tracer("")))
	w.join()
	w.ok(w.user("alice").Say(w.ctx, "hello"))
	line := w.heard("hello")
	ack := w.chat("hi")
	echo := w.echo(ack, 1)
	if line.CorrelationID == echo.CorrelationID || echo.CorrelationID != w.correlation(ack) {
		t.Errorf("correlations: %s and %s", line.CorrelationID, echo.CorrelationID)
	}
	for _, s := range []streams.Stored{line, echo} {
		if got := propagation.RemoteSpan(s.Header).TraceID(); got != propagation.TraceID(s.CorrelationID) {
			t.Errorf("trace %s of correlation %s", got, s.CorrelationID)
		}
	}
}

func TestExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok(w.join().stop())
	old := w.chat("stale")
	w.start(func(c *cytube.Config) { c.MaxAge = time.Nanosecond })
	if d := w.delivery(old); d.Status != event.DeliveryExpired || !strings.Contains(d.Reason, "older than") {
		t.Errorf("got %+v", d)
	}
	if s := w.spoken(); len(s) != 0 {
		t.Errorf("said %q", s)
	}
}

// A send waits for the site, but not longer than it is worth saying.
func TestWaitsForTheSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patient := w.join()
	w.site.Stop()
	w.connection(event.StateDown)
	ack := w.chat("are you back")
	w.ok(w.site.Restart())
	w.echo(ack, 1)
	w.ok(patient.stop())
	// Whose site stays away for longer, however slow this machine is.
	hasty := w.join(func(b *cytube.Config) { b.MaxAge = time.Second })
	w.site.Stop()
	w.connection(event.StateDown)
	late := w.chat("too late")
	if d := w.delivery(late); d.Status != event.DeliveryExpired {
		t.Errorf("got %+v", d)
	}
	w.counted(hasty, func(s cytube.Stats) bool { return s.Expired == 1 })
	w.ok(hasty.stop())
	w.ok(w.site.Restart())
	w.join()
	w.echo(w.chat("now"), 1)
	if diff := cmp.Diff([]string{"are you back", "now"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// A channel's filter may change what is said, and the server's own commands are
// not the bot's to give.
func TestKnowsItsEchoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.Channels[0].Ranks["rosey"] = 3 })
	w.join()
	alice := w.user("alice")
	for _, test := range []struct{ text, echo string }{
		{"plain", "plain"},
		{"*bold* `mono` ~~no~~", "*bold* `mono` ~~no~~"},
		{"[SP]hidden[/SP]", "[sp]hidden[/sp]"},
		{"<b> & \"q\" 's' (p)", "<b> & \"q\" 's' (p)"},
		{"see https://x.example/a_b_c?d=e&f.", "see https://x.example/a_b_c?d=e&f."},
		{"/kick alice", " /kick alice"},
		{"/me too", " /me too"},
		{">quote", ">quote"},
		{"a\nb", "a b"},
		{"日本 😀", "日本 😀"},
	} {
		ack := w.chat(test.text)
		s := w.echo(ack, 1)
		if got := field[string](s, "message"); got != test.echo || field[bool](s, "action") {
			t.Errorf("%q echoes as %q", test.text, got)
		}
	}
	w.ok(alice.Say(w.ctx, "still here"))
}

// Echoes that come late belong to what was said, not to what is being said.
func TestLateEchoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { b.EchoTimeout = time.Second })
	b := w.join()
	again := w.logged("echo timeout, resending")
	w.ok(w.site.Stall(lounge, "Rosey"))
	first := w.chat("[SP]first[/SP]")
	again()
	w.counted(b, func(s cytube.Stats) bool { return s.Resent >= 1 })
	w.ok(w.site.Resume(lounge, "Rosey"))
	second := w.chat("[SP]second[/SP]")
	w.echo(second, 1)
	w.echo(w.chat("third"), 1)
	causes := map[string]int{}
	for _, s := range w.stored(event.SubjectChat) {
		causes[field[string](s, "message")+" "+s.Meta(event.MetaCausation)]++
	}
	for said := range causes {
		if said != "[sp]first[/sp] "+first.Ref.String() && said != "[sp]second[/sp] "+second.Ref.String() && !strings.HasPrefix(said, "third ") {
			t.Errorf("a line and its cause: %s", said)
		}
	}
	if causes["[sp]first[/sp] "+first.Ref.String()] < 2 {
		t.Errorf("got %v", causes)
	}
}

// An echo that comes when the bot is about to say the line again keeps it from
// doing so.
func TestEchoRightBeforeSayingAgain(t *testing.T) {
	t.Parallel()
	again, heard := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) {
		b.EchoTimeout = 100 * time.Millisecond
		b.MaySpeak = func() bool { // asked right before a line is written
			if asked.Add(1) == 2 {
				close(again)
				<-heard
			}
			return true
		}
	})
	goOn := sync.OnceFunc(func() { close(heard) })
	defer goOn()
	w.join()
	w.ok(w.site.Stall(lounge, "Rosey"))
	late := w.chat("late")
	select {
	case <-again:
	case <-w.ctx.Done():
		t.Fatal("it is not about to say the line again")
	}
	w.ok(w.site.Resume(lounge, "Rosey"))
	w.echo(late, 1)
	goOn()
	w.echo(w.chat("next"), 1)
	said := slices.DeleteFunc(w.spoken(), func(text string) bool { return text == "next" }) // which may be late too, and said again
	if diff := cmp.Diff([]string{"late"}, said); diff != "" {
		t.Error(diff)
	}
}

// counted waits until the bot's counters are as wanted; they change without an
// event.
func (w *world) counted(b *bot, want func(cytube.Stats) bool) {
	w.t.Helper()
	for ticker := time.NewTicker(time.Millisecond); !want(b.Stats()); {
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			w.t.Fatalf("counters stay at %+v", b.Stats())
		}
	}
}

// Sends of other channels are left to others; sends from anywhere are accepted.
func TestWhoseSends(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join()
	w.send(event.SubjectSendChat, event.SendChat{Message: "elsewhere", Channel: "other"})
	_, err := w.bus.JetStream().Publish(w.ctx, event.SubjectSendChat, []byte(`{"message":"bare"}`))
	w.ok(err)
	_, err = w.bus.JetStream().Publish(w.ctx, event.SubjectSendChat, []byte(`{"text":"malformed"}`))
	w.ok(err)
	w.send(event.SubjectSendChat, event.SendChat{Message: "capitals", Channel: strings.ToUpper(lounge)})
	w.heard("capitals")
	if diff := cmp.Diff([]string{"bare", "capitals"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	s, err := w.bus.JetStream().Stream(w.ctx, streams.Plugin)
	w.ok(err)
	if _, err := s.GetLastMsgForSubject(w.ctx, event.EventSubject(sender.SendsDurable, event.TypeDeadLetter)); err != nil {
		t.Errorf("the malformed send left no dead letter: %v", err)
	}
}

// Stopping lets what is being said be heard, and leaves the rest for the next
// time.
func TestStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) {
		s.Channels[0].Flood = cytubetest.Flood{Burst: 1, Sustained: 2}
	})
	b := w.join()
	first, second := w.chat("first"), w.chat("second")
	w.echo(first, 1)
	w.ok(b.stop())
	w.join()
	w.echo(second, 1)
	if diff := cmp.Diff([]string{"first", "second"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
	c, err := w.bus.JetStream().Consumer(w.ctx, streams.Cytube, sender.SendsDurable)
	w.ok(err)
	w.settled(c)
}

// settled waits until everything that a consumer was given is acknowledged.
func (w *world) settled(c jetstream.Consumer) {
	w.t.Helper()
	for ticker := time.NewTicker(5 * time.Millisecond); ; {
		info, err := c.Info(w.ctx)
		w.ok(err)
		if info.NumAckPending == 0 && info.NumPending == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			w.t.Fatalf("%d sends are not acknowledged", info.NumAckPending)
		}
	}
}

// A server that cuts lines shorter than the bot thought is heard to do so: the bot says
// what was cut off, and no longer lines after that.
func TestLearnsTheServersLimitFromACutLine(t *testing.T) {
	t.Parallel()
	words, letters := strings.Repeat("word ", 10), strings.Repeat("a", 49)
	for _, test := range []struct{ name, long, cut, rest string }{
		{"at a word", words + "word end", words, "word end"},
		{"inside of an emoji", letters + "😀 and more", letters, "😀 and more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *cytubetest.Config, _ *cytube.Config) { s.MaxMessage = 50 })
			w.join()
			w.echo(w.chat(test.long), 1)
			w.echo(w.chat("after"), 1)
			w.echo(w.chat(test.long), 2)
			want := []string{test.cut, test.rest, "after", strings.TrimSpace(test.cut), test.rest}
			if diff := cmp.Diff(want, w.spoken()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
