package streams

import "time"

// PublishParams is the effect of publish options, for those who stand in for a Bus.
type PublishParams struct {
	At    time.Time     // when the event is to be stored; zero for now
	Timer string        // the name it waits under until then
	MsgID string        // its Nats-Msg-Id
	TTL   time.Duration // how long it is kept; 0 as long as its stream keeps events
}

// ResolveOptions returns the effect of publish options.
func ResolveOptions(opts ...PublishOption) PublishParams {
	var s publishSettings
	for _, o := range opts {
		o(&s)
	}
	return PublishParams{At: s.at, Timer: s.timer, MsgID: s.msgID, TTL: s.ttl}
}
