package host_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
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
