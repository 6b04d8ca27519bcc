package audit

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

const (
	million = 1_000_000
	talks   = million / 10 // conversations of four events; the rest is chat
)

// fill stores a million events: 600,000 lines of chat, and between them 100,000
// commands, each with its line, its answer and the answer's echo.
func fill(b *testing.B, js jetstream.JetStream) {
	b.Helper()
	seqs := map[string]int{}
	put := func(stream, subject, data, correlation, source, cause string) string {
		body := fmt.Appendf(nil, `{"subject":%q,"data":%s,"timestamp":1732645200.5,"priority":1,"correlation_id":%q,"metadata":{"source":%q%s}}`, subject, data, correlation, source, cause)
		if _, err := js.PublishAsync(subject, body, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
		seqs[stream]++
		return fmt.Sprintf(`,"causation_id":"%s:%d"`, stream, seqs[stream])
	}
	id := func(kind, n int) string { return fmt.Sprintf("%08d-%04d-4000-8000-000000000000", n, kind) }
	chat := func(user, text string, n int) string {
		return fmt.Sprintf(`{"user":%q,"message":"%s","channel":"lounge","rank":1,"time":%d}`, user, text, 1732645200000+n)
	}
	for n := range talks {
		if n%200 == 0 { // no more may be under way at once
			<-js.PublishAsyncComplete()
		}
		for i := range 6 {
			user := fmt.Sprintf("user%d", (n*6+i)%50)
			put("CYTUBE", event.SubjectChat, chat(user, fmt.Sprintf("so I said to them, line %d, that is how it is", n*6+i), n), id(1+i, n), "cytube", "")
		}
		user, text := fmt.Sprintf("user%d", n%50), fmt.Sprintf("!roll 2d6+%d", n)
		line := put("CYTUBE", event.SubjectChat, chat(user, text, n), id(0, n), "cytube", "")
		command := put("PLUGIN", "plugin.dice-roller.command", fmt.Sprintf(`{"command":"roll","args":["2d6"],"user":%q,"channel":"lounge","rank":1,"raw_message":"%s"}`, user, text), id(0, n), "router", line)
		send := put("CYTUBE", event.SubjectSendChat, fmt.Sprintf(`{"message":"Rolled 2d6: [3, 4] + %d","channel":"lounge"}`, n), id(0, n), "plugin-dice-roller", command)
		put("CYTUBE", event.SubjectChat, chat("rosey", fmt.Sprintf("Rolled 2d6: [3, 4] + %d", n), n), id(0, n), "cytube", send)
	}
	<-js.PublishAsyncComplete()
}

// BenchmarkMillion is what looking back costs when a million events are stored:
// beside bare ordered consumers in the same round where all is read, and by what
// is shown where it is not. Peak is what the process, server included, held more
// than before on its heap.
func BenchmarkMillion(b *testing.B) {
	bus := streamstest.Bus(b, streamstest.Server(b))
	js := bus.JetStream()
	fill(b, js)
	run := func(name string, o replay.Options) {
		b.Run(name, func(b *testing.B) {
			measure(b, nil, func() error { return replay.Write(b.Context(), js, io.Discard, o) })
		})
	}
	b.Run("first", func(b *testing.B) {
		measure(b, nil, func() error {
			for _, err := range replay.Read(b.Context(), js, replay.Query{}) {
				return err
			}
			return nil
		})
	})
	raw := func() { streamstest.Scan(b, js) }
	scan := func(name string, q replay.Query) {
		b.Run(name, func(b *testing.B) {
			measure(b, raw, func() error {
				for _, err := range replay.Read(b.Context(), js, q) {
					if err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	scan("scan", replay.Query{})
	scan("scan/user", replay.Query{Filter: replay.Filter{User: "user7"}})
	scan("scan/grep", replay.Query{Filter: replay.Filter{Grep: regexp.MustCompile("nothing like that")}})
	scan("filter/commands", replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCommands}}})
	last := time.Now()
	for e := range replay.Read(b.Context(), js, replay.Query{Filter: replay.Filter{Subjects: []string{event.AllCommands}}}) {
		last = e.At
	}
	scan("filter/latest", replay.Query{Filter: replay.Filter{Since: last.Add(-10 * time.Millisecond)}})
	run("text", replay.Options{})
	run("json", replay.Options{Style: replay.Style{JSON: true}})
	run("summary", replay.Options{Summary: true})
	run("tree", replay.Options{Tree: true})
	for name, o := range map[string]Options{"audit": {}, "audit/user": {Query: Query{User: "user7"}}} {
		b.Run(name, func(b *testing.B) { measure(b, nil, func() error { return Write(b.Context(), js, io.Discard, o) }) })
	}
}

// measure reports the median time of what is run, its peak of memory, and, where
// it is held against something, the median of the ratios.
func measure(b *testing.B, raw func(), run func() error) {
	var times, ratios []float64
	var most uint64
	for b.Loop() {
		var against time.Duration
		if raw != nil {
			began := time.Now()
			raw()
			against = time.Since(began)
		}
		debug.FreeOSMemory()
		held := watch()
		began := time.Now()
		err := run()
		took := time.Since(began)
		most = max(most, held())
		if err != nil {
			b.Fatal(err)
		}
		times, ratios = append(times, took.Seconds()*1000), append(ratios, against.Seconds()/took.Seconds())
	}
	slices.Sort(times)
	slices.Sort(ratios)
	b.ReportMetric(times[len(times)/2], "ms")
	b.ReportMetric(float64(most>>20), "MiB-peak")
	if raw != nil {
		b.ReportMetric(ratios[len(ratios)/2], "ratio")
	}
}

// watch looks at the heap until the function that it returns is called, which
// says by how much it grew at most.
func watch() (stop func() (bytes uint64)) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapInuse, m.HeapInuse
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
	})
	return func() uint64 { close(done); watching.Wait(); return most - before }
}
