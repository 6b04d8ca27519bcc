package replay

import (
	"io"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

const benchEvents = 200_000

// BenchmarkScan holds a full scan of 200,000 events against bare ordered
// consumers on the same streams.
func BenchmarkScan(b *testing.B) {
	bus := streamstest.Bus(b, streamstest.Server(b))
	js := bus.JetStream()
	for n := range benchEvents {
		put(b, bus.Conn(), [...]int{0, 0, 0, 1, 2, 3, 4, 5, 6, 0}[n%10], n)
	}
	stored(b.Context(), b, js, benchEvents)
	for name, q := range map[string]Query{
		"all":         {},
		"user":        {Filter: Filter{User: "bob"}},
		"correlation": {Filter: Filter{Correlation: someID}},
		"grep":        {Filter: Filter{Grep: regexp.MustCompile("nothing like that")}},
	} {
		b.Run(name, func(b *testing.B) {
			var raw, ours time.Duration
			var ratios []float64
			for b.Loop() {
				// Side by side, so that what else the machine does counts for both.
				began := time.Now()
				streamstest.Scan(b, js)
				rawTook := time.Since(began)
				began = time.Now()
				for _, err := range Read(b.Context(), js, q) {
					if err != nil {
						b.Fatal(err)
					}
				}
				took := time.Since(began)
				raw, ours, ratios = raw+rawTook, ours+took, append(ratios, rawTook.Seconds()/took.Seconds())
			}
			slices.Sort(ratios)
			b.ReportMetric(float64(benchEvents)*float64(b.N)/raw.Seconds(), "raw/s")
			b.ReportMetric(float64(benchEvents)*float64(b.N)/ours.Seconds(), "ours/s")
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
		})
	}
	b.Run("first", func(b *testing.B) {
		var waited time.Duration
		for b.Loop() {
			began := time.Now()
			for range Read(b.Context(), js, Query{}) {
				waited += time.Since(began)
				break
			}
		}
		b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "us/first")
	})
}

// BenchmarkRun is what the command costs on top: decoding and writing.
func BenchmarkRun(b *testing.B) {
	bus := streamstest.Bus(b, streamstest.Server(b))
	js := bus.JetStream()
	for n := range benchEvents {
		put(b, bus.Conn(), n%len(samples), n)
	}
	stored(b.Context(), b, js, benchEvents)
	for name, o := range map[string]Options{"text": {}, "json": {Style: Style{JSON: true}}, "tree": {Tree: true}, "summary": {Summary: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := Write(b.Context(), js, io.Discard, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchEvents)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
