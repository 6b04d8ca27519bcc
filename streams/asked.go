package streams

import "time"

// Asked is what publish options ask for, for who stands in for a Bus.
type Asked struct {
	At    time.Time     // when the event is to be stored; zero for now
	Timer string        // the name it waits under until then
	MsgID string        // its Nats-Msg-Id
	TTL   time.Duration // how long it is kept; 0 as long as its stream keeps events
}

// Ask reads publish options.
func Ask(opts ...PublishOption) Asked {
	var s publishSettings
	for _, o := range opts {
		o(&s)
	}
	return Asked{At: s.at, Timer: s.timer, MsgID: s.msgID, TTL: s.ttl}
}
