package host_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// BenchmarkPast measures how long a new plugin takes to read the past: b.N chat lines of
// 200 users, because of each of which it changes two records.
func BenchmarkPast(b *testing.B) {
	channel := plugintest.Run(b)
	js := channel.Bus.JetStream()
	for i := range b.N {
		e, err := event.New(event.SubjectChat, event.Chat{User: fmt.Sprint("user", i%200), Message: "a line like any other", Channel: "test", Rank: 1, Time: int64(i)})
		if err != nil {
			b.Fatal(err)
		}
		e.CorrelationID, e.Timestamp = event.NewCorrelationID(), time.Now()
		body, err := event.Encode(e)
		if err == nil {
			_, err = js.PublishMsgAsync(&nats.Msg{Subject: e.Subject, Data: body})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	type count struct {
		Lines int `json:"lines"`
	}
	done := make(chan struct{})
	n := 0
	p := plugin(hello)
	p.Events = []plugins.Subscription{{Subject: event.SubjectChat, FromFirst: true, MaxAge: time.Nanosecond, Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		line, _ := c.Chat()
		for _, id := range []event.ID{event.ID(line.User), "all"} {
			var record count
			_, err := c.DB("lines").Change(id, &record, func() ([]event.Envelope, error) { record.Lines++; return nil, nil })
			if err != nil {
				return nil, err
			}
		}
		if n++; n == b.N {
			close(done)
		}
		return nil, nil
	}}}
	b.ResetTimer()
	startOne(b, channel, p)
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
