package localserver

import (
	"strings"
	"time"
)

// Titles returns those of a channel's playlist, the current one in brackets.
func (s *Server) Titles(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	l := &s.channel(channel).list
	for _, i := range l.items {
		if i == l.current {
			all = append(all, "["+i.media.Title+"]")
		} else {
			all = append(all, i.media.Title)
		}
	}
	return strings.Join(all, " ")
}

// Advance lets the player of a channel run for some seconds.
func (s *Server) Advance(channel string, seconds int) {
	s.Do(channel, func(ch *Channel) {
		now := ch.list.moved
		for range seconds {
			now = now.Add(time.Second)
			ch.tick(now)
		}
	})
}

var MakeUpMedia = makeUpMedia
