package cytube_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// spoken gives what the world's channel heard of the bot.
func (w *world) spoken() []string {
	var all []string
	for _, l := range w.site.Heard() {
		if l.User != "Rosey" || !strings.EqualFold(l.Channel, w.cfg.Channel) {
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
	tests := []struct {
		name   string
		change func(*cytubetest.Channel)
		sends  int
	}{
		{"no limit of the channel", func(*cytubetest.Channel) {}, 24},
		{"tight limit", func(c *cytubetest.Channel) {
			c.Flood = cytubetest.Flood{Burst: 3, Sustained: 10, Cooldown: 0.3}
		}, 9},
		{"moderator under a tight limit", func(c *cytubetest.Channel) {
			c.Flood = cytubetest.Flood{Burst: 2, Sustained: 0.1}
			c.Ranks["rosey"] = 2
		}, 18},
	}
	site := newWorld(t, withChannels(len(tests), func(i int, c *cytubetest.Channel) { tests[i].change(c) }))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := site.in(t, channelOf(i))
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
					last, text = w.send(event.SubjectSendEmote, event.SendEmote{Emote: text, Channel: w.cfg.Channel}), "* "+text
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

// What becomes of a send that the channel does not simply hear.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	pm := func(to string) func(*world) streams.Ack {
		return func(w *world) streams.Ack {
			return w.send(event.SubjectSendPM, event.SendPM{To: to, Message: "psst"})
		}
	}
	chat := func(w *world) streams.Ack { return w.chat("hello") }
	tests := []struct {
		name           string
		before         func(*world)
		send           func(*world) streams.Ack
		status, reason string
		spoken         int
		impatient      bool // the echo times out at once
	}{
		{"new user", func(w *world) { w.site.Fail(w.cfg.Channel, "rosey", 1, cytubetest.FaultSpam) }, chat, event.DeliveryRefused, "NEW_USER_CHAT", 0, false},
		{"new user's link", func(w *world) { w.site.Fail(w.cfg.Channel, "rosey", 1, cytubetest.FaultSpamLink) }, chat, event.DeliveryRefused, "NEW_USER_CHAT_LINK", 0, false},
		{"muted", func(w *world) { w.ok(w.site.Mute(w.cfg.Channel, "rosey", false)) }, chat, event.DeliveryRefused, "muted", 0, false},
		{"nobody there", nil, pm("nobody"), event.DeliveryRefused, "isn't connected", 0, false},
		{"itself", nil, pm("rosey"), event.DeliveryRefused, "can't PM yourself", 0, false},
		{"no name", nil, pm("no name"), event.DeliveryRefused, "isn't a valid username", 0, false},
		{"blank", nil, func(w *world) streams.Ack { return w.chat(" \n ") }, event.DeliveryRefused, "blank", 0, false},
		{"lost each time", func(w *world) { w.site.Fail(w.cfg.Channel, "rosey", 3, cytubetest.FaultLost) }, chat, event.DeliveryUnconfirmed, "said 3 times", 0, true},
		{"no echo each time", func(w *world) { w.site.Fail(w.cfg.Channel, "rosey", 3, cytubetest.FaultNoEcho) }, chat, event.DeliveryUnconfirmed, "said 3 times", 3, true},
		{"flooding each time", func(w *world) { w.site.Fail(w.cfg.Channel, "rosey", 5, cytubetest.FaultCooldown) }, chat, event.DeliveryRefused, "flood control", 0, false},
	}
	site := newWorld(t, withChannels(len(tests), nil))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := site.in(t, channelOf(i))
			if test.impatient {
				w.cfg.EchoTimeout = 200 * time.Millisecond
			}
			w.join()
			if test.before != nil {
				test.before(w)
			}
			got := w.delivery(test.send(w))
			if got.Status != test.status || !strings.Contains(got.Reason, test.reason) || got.Channel != w.cfg.Channel {
				t.Errorf("got %+v", got)
			}
			w.site.Unmute(w.cfg.Channel, "rosey")
			w.echo(w.chat("next"), 1)
			said := slices.DeleteFunc(w.spoken(), func(text string) bool { return text == "next" })
			if len(said) != test.spoken {
				t.Errorf("the channel heard %q", said)
			}
		})
	}
}

// What goes wrong once is tried again.
func TestSaysAgain(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	tests := []struct {
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
	}
	site := newWorld(t, withChannels(len(tests), nil))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := site.in(t, channelOf(i))
			w.cfg.EchoTimeout = test.echo
			b := w.join()
			w.site.Fail(w.cfg.Channel, "rosey", test.times, test.fault)
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
	streamstest.Slow(t, "restarts the site")
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
