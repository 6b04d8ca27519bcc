package event_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
)

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"envelope", envelope(examples[0].subject, examples[0].payload)},
		{"bare", []byte(examples[0].payload)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, err := event.Decode(examples[0].subject, c.body)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := event.As[event.Chat](e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
