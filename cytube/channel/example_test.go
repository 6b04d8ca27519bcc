package channel_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/cytube/channel"
)

// A chat line gets the rank of its author from the user list before it.
func ExampleState_Apply() {
	state := channel.New("lounge")
	for _, frame := range []channel.Frame{
		{Name: "userlist", Args: []json.RawMessage{[]byte(`[{"name":"alice","rank":2}]`)}},
		{Name: "chatMsg", Args: []json.RawMessage{[]byte(`{"username":"alice","msg":"2 &lt; 3","meta":{},"time":1795489000000}`)}},
		{Name: "userLeave", Args: []json.RawMessage{[]byte(`{"name":"alice"}`)}},
	} {
		events, err := state.Apply(frame, time.UnixMilli(1795489000000))
		if err != nil {
			fmt.Println(err)
		}
		for _, e := range events {
			data, _ := json.Marshal(json.RawMessage(e.Data))
			fmt.Println(e.Subject, string(data))
		}
	}
	// Output:
	// cytube.state {"part":"users","value":[{"name":"alice","rank":2}],"page":1,"pages":1,"hash":"3c15901d6791247571aa8520fc0f66c9","channel":"lounge","time":1795489000000}
	// cytube.chat {"user":"alice","message":"2 \u003c 3","channel":"lounge","rank":2,"time":1795489000000}
	// cytube.user.leave {"user":"alice","channel":"lounge"}
}

func ExampleState_FloodLimit() {
	state := channel.New("lounge")
	options := `{"chat_antiflood":true,"chat_antiflood_params":{"burst":4,"sustained":1,"cooldown":4}}`
	if _, err := state.Apply(channel.Frame{Name: "channelOpts", Args: []json.RawMessage{[]byte(options)}}, time.Now()); err != nil {
		fmt.Println(err)
	}
	limit := state.FloodLimit()
	fmt.Printf("%d lines at once, then %v a second, again after a silence of %s\n", limit.Burst, limit.PerSecond, limit.Cooldown)
	// Output: 4 lines at once, then 1 a second, again after a silence of 4s
}
