package jsapi_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What PublishMsg makes of an answer is what jetstream's PublishMsg makes of it.
func TestIsPublishMsg(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	ctx, js := streamstest.Context(t), bus.JetStream()
	for _, msg := range []*nats.Msg{
		{Subject: "cytube.chat", Data: []byte("{}")},
		{Subject: "cytube.chat", Header: nats.Header{"Nats-Msg-Id": {"same"}}, Data: []byte("{}")},
		{Subject: "cytube.chat", Header: nats.Header{"Nats-Msg-Id": {"same"}}, Data: []byte("{}")},
		{Subject: "cytube.chat", Header: nats.Header{"Nats-Expected-Last-Sequence": {"9999"}}},
		{Subject: "cytube.chat", Header: nats.Header{"Nats-Expected-Stream": {"OTHER"}}},
		{Subject: "nowhere.at.all"},
		{Subject: ""},
	} {
		put, putErr := jsapi.PublishMsg(ctx, js, streams.Cytube, msg)
		want, wantErr := js.PublishMsg(ctx, msg)
		if wantErr != nil {
			var a, b *jetstream.APIError
			if errors.As(putErr, &a) != errors.As(wantErr, &b) || a != nil && a.ErrorCode != b.ErrorCode || putErr == nil || a == nil && putErr.Error() != wantErr.Error() {
				t.Errorf("%s %v: error %v, want %v", msg.Subject, msg.Header, putErr, wantErr)
			}
			continue
		}
		first := msg.Header == nil || put.Sequence == want.Sequence
		if putErr != nil || put.Stream != want.Stream || !first {
			t.Errorf("%s %v: %+v, %v; PublishMsg says %+v", msg.Subject, msg.Header, put, putErr, want)
		}
	}
	if ack, err := jsapi.PublishMsg(ctx, js, "ANOTHER", &nats.Msg{Subject: "cytube.chat", Data: []byte("{}")}); err != nil || ack.Stream != streams.Cytube {
		t.Errorf("stored in %+v, %v", ack, err)
	}
}

// On a cluster, who sends a message again while the stream is just storing it is
// told what became of it.
func TestPutOfWhatIsInProcess(t *testing.T) {
	streamstest.Slow(t, "waits for duplicates in process")
	t.Parallel()
	ctx := streamstest.Context(t)
	conns, _ := streamstest.Cluster(t)
	var all []jetstream.JetStream
	for _, nc := range conns {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, js)
	}
	if _, err := all[0].CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		var seqs [2]uint64
		var wg sync.WaitGroup
		for k := range seqs {
			wg.Go(func() {
				ack, err := jsapi.PublishMsg(ctx, all[k], "S", &nats.Msg{Subject: "s", Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint(i)}}})
				if err != nil {
					t.Error(err)
				}
				seqs[k] = ack.Sequence
			})
		}
		if wg.Wait(); seqs[0] != seqs[1] {
			t.Errorf("one message was stored as %v", seqs)
		}
	}
}
