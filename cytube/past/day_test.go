package past

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// What a day of the channel of BenchmarkDay has, on average.
const (
	people      = 50               // who are there at any time
	stay        = 90 * time.Minute // of each
	afkAfter    = 10 * time.Minute // without a line
	linesMinute = 5.0              // 7,200 lines a day, most of them of a few people
	itemsAhead  = 20               // on the playlist
	commands    = 200              // of which each is answered by a line of the bot
	polls       = 8                // in which half of the people vote
)

// day makes the frames of a channel, with the times of a clock that runs ahead.
type day struct {
	world
	*channel.State
	rand  *rand.Rand
	at    time.Time
	here  map[string]time.Time // when they spoke last
	afk   map[string]bool
	items []item
	ends  time.Time // of what plays
	next  int       // number of a user or item
	since int       // events since the snapshot was looked at

	events int
	by     map[string]int // events by subject
}

type item struct{ uid, seconds int }

func newDay(w world) *day {
	d := &day{
		world: w, State: channel.New("lounge"), rand: rand.New(rand.NewPCG(1, 2)), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), //nolint:gosec // no secrets
		here: map[string]time.Time{}, afk: map[string]bool{}, by: map[string]int{},
	}
	d.BeginJoin()
	d.SetSelf("rosey")
	d.frame("rank", 3)
	d.frame("playlist", []any{})
	d.frame("userlist", []any{map[string]any{"name": "rosey", "rank": 3, "meta": map[string]any{}}})
	d.frame("usercount", 1)
	d.EndJoin()
	for range people {
		d.join()
	}
	return d
}

// frame takes a frame of the server and stores what it means.
func (d *day) frame(name string, args ...any) {
	f := channel.Frame{Name: name}
	for _, a := range args {
		raw, err := json.Marshal(a)
		if err != nil {
			d.t.Fatal(err)
		}
		f.Args = append(f.Args, raw)
	}
	events, err := d.Apply(f, d.at)
	if err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	for _, e := range events {
		ref := d.store(e.Envelope)
		if e.Subject == event.SubjectPollOpen {
			d.PollStored(ref)
		}
	}
}

func (d *day) store(e event.Envelope) event.Ref {
	ack, err := d.bus.Publish(d.ctx, e, streams.WithMsgID(fmt.Sprintf("cytube/lounge/%d/%d", d.at.UnixMilli(), d.events)))
	if err != nil {
		d.t.Fatal(err)
	}
	d.events, d.by[e.Subject] = d.events+1, d.by[e.Subject]+1
	if d.since++; d.since == 1000 { // as often as the bot does in a minute at most
		d.since = 0
		if err := Save(d.ctx, d.bus.JetStream(), "lounge"); err != nil {
			d.t.Fatal(err)
		}
	}
	return ack.Ref
}

// chance reports whether something happens in a second something happens in a second that happens so often a day.
func (d *day) chance(aDay float64) bool { return d.rand.Float64() < aDay/86_400 }

func (d *day) join() {
	d.next++
	name := fmt.Sprintf("viewer_%04d", d.next%2000)
	if _, here := d.here[name]; here {
		return
	}
	d.here[name] = d.at
	d.frame("addUser", map[string]any{"name": name, "rank": 1, "profile": map[string]any{"image": "", "text": ""}, "meta": map[string]any{"afk": false, "muted": false}})
	d.frame("setUserRank", map[string]any{"name": name, "rank": 1})
	d.frame("usercount", len(d.here)+1)
}

func (d *day) leave(name string) {
	delete(d.here, name)
	delete(d.afk, name)
	d.frame("userLeave", map[string]any{"name": name})
	d.frame("usercount", len(d.here)+1)
}

func (d *day) setAFK(name string, afk bool) {
	if d.afk[name] == afk {
		return
	}
	d.afk[name] = afk
	d.frame("setUserMeta", map[string]any{"name": name, "meta": map[string]any{"afk": afk, "muted": false}})
	d.frame("setAFK", map[string]any{"name": name, "afk": afk})
}

// say says a line; who speaks is most often one of a few.
func (d *day) say(text string) {
	names := slices.Sorted(maps.Keys(d.here))
	name := names[int(float64(len(names))*d.rand.Float64()*d.rand.Float64())]
	d.here[name] = d.at
	d.setAFK(name, false)
	d.line(name, text)
}

func (d *day) line(name, text string) {
	d.frame("chatMsg", map[string]any{"username": name, "msg": text, "meta": map[string]any{}, "time": d.at.UnixMilli()})
}

// words are a line of the usual length.
func (d *day) words() string {
	return strings.Repeat("lorem ipsum ", 1+d.rand.IntN(8))
}

func (d *day) media(i item) map[string]any {
	return map[string]any{"id": fmt.Sprintf("film%07d", i.uid), "title": fmt.Sprintf("A film of the usual length %d", i.uid), "seconds": i.seconds, "type": "yt", "meta": map[string]any{}}
}

func (d *day) queue() {
	i := item{uid: d.next, seconds: 180 + d.rand.IntN(1200)}
	d.next++
	after := any("prepend")
	if n := len(d.items); n > 0 {
		after = d.items[n-1].uid
	}
	d.items = append(d.items, i)
	d.frame("queue", map[string]any{"item": map[string]any{"uid": i.uid, "temp": true, "queueby": "viewer_0001", "media": d.media(i)}, "after": after})
	d.frame("setPlaylistMeta", map[string]any{"count": len(d.items)})
}

// play plays the next item once the one before is over.
func (d *day) play() {
	for len(d.items) < itemsAhead {
		d.queue()
	}
	if !d.ends.IsZero() {
		d.frame("delete", map[string]any{"uid": d.items[0].uid})
		d.items = d.items[1:]
	}
	i := d.items[0]
	d.ends = d.at.Add(time.Duration(i.seconds) * time.Second)
	d.frame("setCurrent", i.uid)
	playing := d.media(i)
	playing["currentTime"], playing["paused"] = -3, true
	d.frame("changeMedia", playing)
	d.frame("drinkCount", 0)
	d.frame("voteskip", map[string]any{"count": 0, "need": 0})
}

func (d *day) poll() {
	counts := []int{0, 0, 0}
	poll := func(name string) {
		d.frame(name, map[string]any{"title": "What next?", "options": []string{"Alien", "Solaris", "Brazil"}, "counts": counts, "initiator": "rosey", "timestamp": d.at.UnixMilli()})
	}
	poll("newPoll")
	for range len(d.here) / 2 {
		d.at = d.at.Add(1500 * time.Millisecond)
		counts[d.rand.IntN(len(counts))]++
		poll("updatePoll")
	}
	d.frame("closePoll", nil)
}

// command is typed, routed, answered and said.
func (d *day) command() {
	d.say("!roll 2d6")
	for subject, payload := range map[string]any{
		event.CommandSubject("dice-roller"): map[string]any{"command": "roll", "args": []string{"2d6"}, "user": "viewer_0001", "channel": "lounge", "rank": 1, "raw_message": "!roll 2d6"},
		event.SubjectSendChat:               event.SendChat{Message: "viewer_0001: 3 + 5 = 8", Channel: "lounge"},
	} {
		e, err := event.New(subject, payload)
		if err != nil {
			d.t.Fatal(err)
		}
		d.store(e)
	}
	d.line("rosey", "viewer_0001: 3 + 5 = 8")
}

// second is a second of the day.
func (d *day) second(n int) {
	d.at = d.at.Add(time.Second)
	if d.at.After(d.ends) {
		d.play()
	}
	if n%5 == 0 {
		d.frame("mediaUpdate", map[string]any{"currentTime": d.items[0].seconds - int(d.ends.Sub(d.at).Seconds()), "paused": false})
	}
	for name, spoke := range d.here {
		if d.at.Sub(spoke) > afkAfter {
			d.setAFK(name, true)
		}
	}
	aDay := 86_400 / stay.Seconds() * people
	switch {
	case d.chance(aDay):
		d.join()
	case len(d.here) > people/2 && d.chance(aDay):
		d.leave(slices.Sorted(maps.Keys(d.here))[d.rand.IntN(len(d.here))])
	case d.chance(linesMinute * 24 * 60):
		d.say(d.words())
	case d.chance(commands):
		d.command()
	case d.chance(polls):
		d.poll()
	case d.chance(150): // of votes to skip
		d.frame("voteskip", map[string]any{"count": 1 + d.rand.IntN(5), "need": 9})
	case d.chance(30):
		d.frame("moveVideo", map[string]any{"from": d.items[len(d.items)-1].uid, "after": d.items[0].uid})
		last := d.items[len(d.items)-1]
		d.items = slices.Insert(d.items[:len(d.items)-1], 1, last)
	case d.chance(20):
		d.frame("drinkCount", 1+d.rand.IntN(9))
	case d.chance(5):
		d.frame("updateEmote", map[string]any{"name": ":e:", "image": fmt.Sprintf("https://example.org/%d.png", d.events), "source": ":e:"})
	}
}

// BenchmarkDay stores days of a channel of 50 people, each of all its frames, and says what a
// day takes, and how long it takes to show the channel as it was at the beginning, in the
// middle and at the end. -benchtime=60x makes a large store.
func BenchmarkDay(b *testing.B) {
	w := newWorld(b)
	d := newDay(w)
	marks := []time.Time{w.between()}
	days := 0
	for b.Loop() {
		for n := range 86_400 {
			d.second(n)
		}
		marks = append(marks, w.between())
		days++
	}
	s, err := w.bus.JetStream().Stream(w.ctx, streams.Cytube)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(d.events)/float64(days), "events/day")
	b.ReportMetric(float64(s.CachedInfo().State.Bytes)/float64(days), "bytes/day")
	b.ReportMetric(float64(d.events), "events")
	for subject, n := range d.by {
		b.Logf("%6d a day  %s", n/days, subject)
	}
	for name, at := range map[string]time.Time{"early": marks[0], "middle": marks[len(marks)/2], "late": marks[len(marks)-1], "now": {}} {
		const times = 20
		began := time.Now()
		for range times {
			w.at(at)
		}
		b.ReportMetric(time.Since(began).Seconds()*1000/times, "ms/"+name)
	}
}
