package cytube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// in makes a bot's Config that of a channel among several.
func in(channel string, all ...string) func(*cytube.Config) {
	if all == nil {
		all = []string{channel}
	}
	return func(c *cytube.Config) { c.Channel, c.Channels = channel, all }
}

// said lists what the bot said in a channel.
func (w *world) said(channel string) (texts []string) {
	for _, l := range w.site.Heard() {
		if l.Channel == channel && l.User == "Rosey" {
			texts = append(texts, l.Text)
		}
	}
	return texts
}

// sendTo says something in a channel.
func (w *world) sendTo(channel, text string) streams.Ack {
	w.t.Helper()
	return w.send(event.SubjectSendChat, event.SendChat{Message: text, Channel: channel})
}

// echoIn waits until a channel's echo of a text is recorded. It looks at all that
// is stored: which of two channels is heard first is not said.
func (w *world) echoIn(channel, text string) (echo streams.Stored) {
	w.t.Helper()
	w.ok(until(w.ctx, func() bool {
		for _, s := range w.stored(event.SubjectChat) {
			if field[string](s, "message") == text && field[string](s, "channel") == channel {
				echo = s
				return true
			}
		}
		return false
	}))
	return echo
}

// Each send is spoken once, in its own channel, in order; the first channel
// takes those that name none.
func TestSeveralChannels(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs several bots")
	w := newWorld(t)
	channels := []string{"one", "two", "three", "four", "five"}
	for _, c := range channels {
		w.join(in(c, channels...))
	}
	want := map[string][]string{}
	for i := range 6 {
		for _, c := range channels {
			text := fmt.Sprintf("line %d for %s", i, c)
			w.sendTo(c, text)
			want[c] = append(want[c], text)
		}
	}
	named := w.sendTo("", "for whoever is first")
	want["one"] = append(want["one"], "for whoever is first")
	w.sendTo("TWO", "in capitals")
	want["two"] = append(want["two"], "in capitals")
	w.sendTo("nowhere", "to nobody")
	w.sendTo("no where", "to a name that is none")
	last := w.send(event.SubjectSendEmote, event.SendEmote{Emote: "waves", Channel: "five"})
	want["five"] = append(want["five"], "waves")
	for _, c := range channels {
		w.ok(until(w.ctx, func() bool { return len(w.said(c)) >= len(want[c]) }))
		if diff := cmp.Diff(want[c], w.said(c)); diff != "" {
			t.Errorf("in %s: %s", c, diff)
		}
	}
	// The echo names the contract's send as its cause, and is of its conversation.
	if cause, _ := w.echoIn("one", "for whoever is first").Causation(); cause != named.Ref {
		t.Errorf("the echo's cause is %s, not %s", cause, named.Ref)
	}
	echo := w.echoIn("five", "waves")
	if echo.CorrelationID != w.correlation(last) {
		t.Errorf("the echo is of another conversation: %s", echo.CorrelationID)
	}
	w.ok(until(w.ctx, func() bool { return len(w.stored(event.SubjectDelivery)) == 2 }))
	var refused []string
	for _, s := range w.stored(event.SubjectDelivery) {
		refused = append(refused, field[string](s, "status")+" "+field[string](s, "channel"))
	}
	slices.Sort(refused)
	if diff := cmp.Diff([]string{"refused no where", "refused nowhere"}, refused); diff != "" {
		t.Error(diff)
	}
}

// A channel that is away, or that only lets one line through now and then, keeps
// no other waiting.
func TestNoChannelWaitsForAnother(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs several bots")
	w := newWorld(t, func(site *cytubetest.Config, _ *cytube.Config) {
		site.Channels = append(site.Channels, cytubetest.Channel{Name: "slow", Flood: cytubetest.Flood{Burst: 1, Sustained: 0.01, Cooldown: 1000}})
	})
	channels := []string{"slow", "away", "quick"}
	w.join(in("slow", channels...))
	w.join(in("quick", channels...))
	away := w.join(in("away", channels...))
	w.ok(away.stop())
	for i := range 20 {
		w.sendTo("slow", fmt.Sprint("slow ", i))
		w.sendTo("away", fmt.Sprint("away ", i))
	}
	for i := range 20 {
		w.sendTo("quick", fmt.Sprint("quick ", i))
	}
	w.ok(until(w.ctx, func() bool { return len(w.said("quick")) == 20 }))
	if slow, away := len(w.said("slow")), len(w.said("away")); slow > 2 || away != 0 {
		t.Errorf("slow heard %d lines and away %d", slow, away)
	}
	w.start(in("away", channels...)) // what waited for it is said when it comes
	w.ok(until(w.ctx, func() bool { return len(w.said("away")) == 20 }))
}

// A bot that dies between a line and the record of its echo says nothing twice
// when it comes back, in any of its channels.
func TestSeveralChannelsSurviveADeath(t *testing.T) {
	streamstest.Slow(t, "kills bots")
	t.Parallel()
	w := newWorld(t, func(_ *cytubetest.Config, b *cytube.Config) { in("one", "one", "two")(b) })
	w.join(in("two", "one", "two"))
	kill := w.mortal()
	w.site.Refuse("Rate limit exceeded") // it must not come back before it is killed
	w.site.Fail("one", "Rosey", 1, cytubetest.FaultDrop)
	w.sendTo("one", "a") // heard by the channel, and the bot dies before its echo
	w.ok(until(w.ctx, func() bool { return len(w.said("one")) == 1 }))
	kill()
	w.site.Refuse("")
	w.sendTo("one", "b")
	w.sendTo("two", "c")
	w.join(in("one", "one", "two"))
	w.ok(until(w.ctx, func() bool { return len(w.said("one")) >= 2 && len(w.said("two")) >= 1 }))
	w.echoIn("one", "b")
	if diff := cmp.Diff([]string{"a", "b"}, w.said("one")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c"}, w.said("two")); diff != "" {
		t.Error(diff)
	}
}

// Who may not speak any more does not, and leaves the send to who may.
func TestOnlyWhoMaySpeaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := make(chan struct{}, 100)
	silent := w.join(in(lounge), func(c *cytube.Config) {
		c.MaySpeak = func() bool { asked <- struct{}{}; return false }
	})
	w.sendTo(lounge, "hello")
	<-asked
	if got := w.said(lounge); len(got) > 0 {
		t.Errorf("said %q", got)
	}
	w.ok(silent.stop())
	if got := w.said(lounge); len(got) > 0 {
		t.Errorf("said %q", got)
	}
	w.join(in(lounge))
	w.echoIn(lounge, "hello")
	if diff := cmp.Diff([]string{"hello"}, w.said(lounge)); diff != "" {
		t.Error(diff)
	}
}

// A Connector that has ended can run again.
func TestRunsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.join()
	w.echo(w.chat("first"), 1)
	for i := range 3 {
		w.ok(b.stop())
		w.ok(w.site.WaitGone(w.ctx, lounge, "Rosey"))
		if b.Stats().Connected {
			t.Error("it says that it is connected")
		}
		ctx, cancel := context.WithCancel(w.ctx)
		b.cancel, b.done = cancel, make(chan error, 1)
		go func() { b.done <- b.Run(ctx) }()
		w.echo(w.chat(fmt.Sprint("again ", i)), 1)
	}
	if diff := cmp.Diff([]string{"first", "again 0", "again 1", "again 2"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}

// A bot may be told to speak more slowly than the channel lets it.
func TestOwnLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(func(c *cytube.Config) { c.Burst, c.PerSecond = 2, 5 })
	began := time.Now()
	var last streams.Ack
	for i := range 5 {
		last = w.chat(fmt.Sprint("line ", i))
	}
	w.echo(last, 1)
	// Two at once, then three that are at least a fifth of a second apart.
	if took := w.site.Heard()[4].Time.Sub(began); took < 600*time.Millisecond {
		t.Errorf("five lines took %s", took)
	}
}

// Other senders refuse a send to a channel without a consumer, so the channel's exists before its connector
// asks the site where to connect.
func TestConsumerExistsBeforeJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exists := make(chan error, 100)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		_, err := w.bus.JetStream().Consumer(r.Context(), streams.Cytube, sender.OutboxDurable("one"))
		exists <- err
		return http.DefaultTransport.RoundTrip(r)
	})}
	cfg := w.cfg
	in("one")(&cfg)
	cfg.HTTPClient = client
	w.run(cytube.New(w.bus, cfg))
	w.connection(event.StateUp)
	w.ok(<-exists)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A channel whose consumer comes back between two attempts is sent to; one that has none at the second is refused, once
// however many bots look.
func TestRefusalIsCertain(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs several bots")
	w := newWorld(t)
	w.join(in(lounge))
	w.join(in("theirs"), func(c *cytube.Config) { c.User = "other"; c.Password = "" })
	retried := w.logged("handler failed, retrying")
	w.sendTo("late", "hello")
	retried()
	w.join(in("late"))
	w.echoIn("late", "hello")
	never := w.sendTo("never", "hello")
	w.delivery(never)
	w.sendTo(lounge, "after")
	w.echoIn(lounge, "after")
	w.sendTo("theirs", "after")
	w.echoIn("theirs", "after")
	if refused := w.stored(event.SubjectDelivery); len(refused) != 1 {
		t.Errorf("%d refusals", len(refused))
	}
}

// A send that names no channel is spoken by one of the bots on a server.
func TestSendWithoutChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(in(lounge))
	w.join(in("theirs"), func(c *cytube.Config) { c.User = "other"; c.Password = "" })
	for n := range 5 {
		w.sendTo("", fmt.Sprintf("whoever %d", n))
	}
	for _, channel := range []string{lounge, "theirs"} {
		w.sendTo(channel, "after")
		w.echoIn(channel, "after")
	}
	heard := map[string]int{}
	for _, s := range w.stored(event.SubjectChat) {
		heard[field[string](s, "message")]++
	}
	for n := range 5 {
		if text := fmt.Sprintf("whoever %d", n); heard[text] != 1 {
			t.Errorf("%q was said %d times", text, heard[text])
		}
	}
}

// What plays in one channel is not forgotten because another's film began since.
func TestWhatPlaysInEachChannel(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "runs several bots")
	w := newWorld(t)
	play := func(channel, id string) {
		_, err := w.site.AddMedia(channel, "mod", cytubetest.Media{ID: id, Type: "yt", Title: id, Seconds: 1000})
		w.ok(err)
	}
	one, two := w.join(in("one")), w.join(in("two"))
	play("one", "first")
	w.await("first", func(s streams.Stored) bool {
		return s.Subject == event.SubjectMediaChange && field[string](s, "title") == "first"
	})
	play("two", "second")
	w.await("second", func(s streams.Stored) bool {
		return s.Subject == event.SubjectMediaChange && field[string](s, "title") == "second"
	})
	w.ok(one.stop())
	w.ok(two.stop())
	w.join(in("one"))
	w.join(in("two"))
	w.sendTo("one", "still here")
	w.echoIn("one", "still here")
	if n := len(w.stored(event.SubjectMediaChange)); n != 2 {
		t.Errorf("%d media changes are recorded", n)
	}
}

// until waits for a condition, which may read all events: it is looked at less often after a while.
func until(ctx context.Context, ok func() bool) error {
	return retry.Do(ctx, retry.Policy{Initial: 5 * time.Millisecond, Max: 100 * time.Millisecond}, func(context.Context) error {
		if !ok() {
			return errors.New("not yet")
		}
		return nil
	})
}

// A send whose correlation ID does not fit into a header, as any NATS client can
// write one, is spoken as one without, and those behind it do not wait.
func TestLongCorrelationBlocksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body, err := json.Marshal(map[string]any{
		"subject": event.SubjectSendChat, "data": map[string]any{"message": "first"}, "correlation_id": strings.Repeat("x", 70_000),
	})
	w.ok(err)
	_, err = w.bus.JetStream().Publish(w.ctx, event.SubjectSendChat, body)
	w.ok(err)
	w.chat("second")
	w.join(in(lounge))
	w.echoIn(lounge, "second")
	if diff := cmp.Diff([]string{"first", "second"}, w.spoken()); diff != "" {
		t.Error(diff)
	}
}
