package channel

import (
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// delay is how long an event is held back whose other half is another frame: the server
// looks up ranks and addresses before it says the rest.
const delay = time.Second

// arrival is a join of which the rank is not known yet.
type arrival struct {
	user string
	at   time.Time
}

// ban is a ban of a name and its addresses, which the server says one by one.
type ban struct {
	event.Moderation
	addresses int
	at        time.Time
}

// due returns the events that were held back for long enough.
func (s *State) due(at time.Time) []Event {
	f := &fold{at: at}
	for len(s.arriving) > 0 && at.Sub(s.arriving[0].at) >= delay {
		s.arrived(f, s.arriving[0].user)
	}
	if s.ban != nil && at.Sub(s.ban.at) >= delay {
		s.banned(f)
	}
	s.pollDue(f)
	return f.events
}

// Flush returns the events that are held back, as when the session ends.
func (s *State) Flush(at time.Time) []Event {
	f := &fold{at: at}
	for len(s.arriving) > 0 {
		s.arrived(f, s.arriving[0].user)
	}
	s.banned(f)
	if s.poll != nil && s.poll.pending {
		s.poll.stored = time.Time{}
		s.pollDue(f)
	}
	return f.events
}

// arrived records the join of a user, if it is held back, with the rank that the user has
// now.
func (s *State) arrived(f *fold, name string) bool {
	for i, a := range s.arriving {
		if !SameName(a.user, name) {
			continue
		}
		s.arriving = append(s.arriving[:i:i], s.arriving[i+1:]...)
		rank := contractRank(s.users[strings.ToLower(name)].rank)
		f.emitAt(a.at, event.SubjectUserJoin, event.UserJoin{User: a.user, Channel: s.channel, Rank: rank, Time: a.at.UnixMilli()})
		return true
	}
	return false
}

// bans merges the notices of one ban: those of the addresses, and the one of the name,
// which may not follow.
func (s *State) bans(f *fold, p event.Moderation, address bool) {
	if s.ban != nil && (s.ban.By != p.By || !SameName(s.ban.User, p.User)) {
		s.banned(f)
	}
	if s.ban == nil {
		s.ban = &ban{Moderation: p, at: f.at}
	}
	if !address {
		s.banned(f)
		return
	}
	s.ban.addresses++
}

func (s *State) banned(f *fold) {
	if s.ban == nil {
		return
	}
	p := s.ban.Moderation
	if s.ban.addresses > 0 {
		p.Extra = event.Extra{"addresses": marshal(s.ban.addresses)}
	}
	s.ban = nil
	s.moderated(f, event.ActionBan, p)
}
