package host_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	p := plugins.Plugin{Name: "x", Version: "1.0.0", Requests: []plugins.Endpoint{
		{Handle: func(c *plugins.Context) (any, error) {
			var r struct{ Mode string }
			if err := c.Decode(&r); err != nil {
				return nil, err
			}
			switch r.Mode {
			case "found":
				return map[string]any{"success": true, "who": c.Event.CorrelationID != ""}, nil
			case "missing":
				return nil, event.Errorf(event.RecordNotFound, "nothing there").With("id", 7)
			case "panic":
				panic("on purpose")
			case "no object":
				return []int{1}, nil
			}
			return nil, errors.New("plain")
		}},
		{Action: "twice", Handle: func(c *plugins.Context) (any, error) {
			reply, err := c.Request("plugin.x.request", map[string]any{"mode": "found"})
			if err != nil {
				return nil, err
			}
			return map[string]any{"success": true, "inner": reply}, c.Publish(c.Emit("asked", nil)...)
		}},
	}}
	channel := plugintest.Run(t, p)
	for payload, want := range map[string]string{
		`{"mode":"found"}`:   `{"success":true,"who":true}`,
		`{"mode":"missing"}`: `{"success":false,"error":"nothing there","error_code":"RECORD_NOT_FOUND","details":{"id":7}}`,
		`{"mode":"panic"}`:   `{"success":false,"error":"the plugin failed: on purpose","error_code":"PLUGIN_ERROR","details":{}}`,
		`{"mode":"plain"}`:   `{"success":false,"error":"plain","error_code":"PLUGIN_ERROR","details":{}}`,
		`{"mode":7}`:         `{"success":false,"error":"plugin.x.request: Mode must not be a number","error_code":"INVALID_INPUT","details":{"field":"Mode"}}`,
		`not JSON`:           `{"success":false,"error":"plugin.x.request: the body must be a JSON object","error_code":"INVALID_INPUT","details":{"field":""}}`,
	} {
		// As the NATS CLI asks: a bare payload, and the reply as it is.
		reply, err := channel.Bus.Conn().Request("plugin.x.request", []byte(payload), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if string(reply.Data) != want {
			t.Errorf("%s\n got %s\nwant %s", payload, reply.Data, want)
		}
	}
	body, err := channel.Request("plugin.x.request.twice", map[string]any{})
	if err != nil || string(body) != `{"inner":{"success":true,"who":true},"success":true}` {
		t.Errorf("%s, %v", body, err)
	}
	channel.Emitted("plugin.x.event.asked")
	if _, err := channel.Request("plugin.x.request", map[string]any{"mode": "no object"}); event.CodeOf(err) == "" {
		t.Errorf("a reply that is no object: %v", err)
	}
}

type paid struct {
	To string `json:"to" mark:"person"`
}

// bank keeps and tells what it is asked to pay.
func bank() plugins.Plugin {
	return plugins.Plugin{
		Name: "bank", Version: "1.0.0", Collections: map[string]any{"payments": paid{}}, Emits: map[string]any{"paid": paid{}},
		Requests: []plugins.Endpoint{{Action: "pay", Handle: func(c *plugins.Context) (any, error) {
			var p paid
			if err := c.Decode(&p); err != nil {
				return nil, err
			}
			id, err := c.DB("payments").Add(p)
			if err != nil {
				return nil, err
			}
			return map[string]any{"success": true, "id": id}, c.Publish(c.Emit("paid", map[string]any{"to": p.To})...)
		}}},
	}
}

// What another plugin did for a request of a handler happens once, however often the handler
// is given its event.
func TestRequestsOfARepeatedHandler(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "waits for retries")
	var attempts atomic.Int32
	shop := plugins.Plugin{Name: "shop", Version: "1.0.0", Commands: []plugins.Command{{Name: "buy", Description: "buys", Handle: func(c *plugins.Context) ([]event.Envelope, error) {
		var ids []string
		for _, to := range []string{"x", "y"} {
			reply, err := c.Request(event.RequestSubject("bank", "pay"), paid{to})
			if err != nil {
				return nil, err
			}
			ids = append(ids, string(reply))
		}
		if attempts.Add(1) == 1 {
			return nil, errors.New("for once")
		}
		return c.Say("%s", strings.Join(ids, "")), nil
	}}}}
	channel := plugintest.Run(t, bank(), shop)
	if said, want := channel.Say("alice", "!buy"), `{"id":1,"success":true}{"id":2,"success":true}`; said != want {
		t.Errorf("said %s, want %s", said, want)
	}
	wantPaid(t, channel, 2)
}

// So it is where the server has forgotten the message IDs, or knows them under another
// secret, if the request says since when there may have been an earlier one.
func TestRequestsRepeatedBeyondTheWindow(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "repeats with plugins")
	channel := plugintest.Run(t, bank())
	since := time.Now().UTC().Format(time.RFC3339Nano)
	for _, signature := range []string{"~AAAA", "~BBBB"} {
		msg := nats.NewMsg(event.RequestSubject("bank", "pay"))
		msg.Data = []byte(`{"to":"x"}`)
		msg.Header.Set(streams.HeaderRequestID, "plugin-shop/PLUGIN:1/request/1"+signature)
		msg.Header.Set(streams.HeaderEarlier, since)
		reply, err := channel.Bus.Conn().RequestMsgWithContext(streamstest.Context(t), msg)
		if err != nil || string(reply.Data) != `{"id":1,"success":true}` {
			t.Fatalf("%s, %v", reply.Data, err)
		}
	}
	wantPaid(t, channel, 1)
}

// wantPaid checks how many payments were kept and told.
func wantPaid(t *testing.T, channel *plugintest.Channel, want int) {
	t.Helper()
	reply, err := channel.Request(event.SubjectQuery, event.Query{Collection: "payments"})
	var found struct{ Count int }
	if err == nil {
		err = json.Unmarshal(reply, &found)
	}
	if told := len(channel.Stored(event.EventSubject("bank", "paid"))); err != nil || found.Count != want || told != want {
		t.Errorf("%d payments are kept and %d told, want %d: %s, %v", found.Count, told, want, reply, err)
	}
}
