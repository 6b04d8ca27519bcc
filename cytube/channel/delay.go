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

// mutePending is a mute, or its end, that a frame showed and a line has not yet told of.
type mutePending struct {
	user, action string
	at           time.Time
}

// Tick returns the events that were held back for long enough.
func (s *State) Tick(at time.Time) []Event {
	f := s.fold(nil, at)
	for len(s.arriving) > 0 && at.Sub(s.arriving[0].at) >= delay {
		s.arrived(f, s.arriving[0].user)
	}
	for len(s.muting) > 0 && at.Sub(s.muting[0].at) >= delay {
		s.mutedBySomebody(f, s.muting[0].user)
	}
	if s.ban != nil && at.Sub(s.ban.at) >= delay {
		s.banned(f)
	}
	s.pollDue(f)
	s.countDue(f, countInterval)
	return f.events
}

// Flush returns the events that are held back, as when the session ends.
func (s *State) Flush(at time.Time) []Event {
	f := s.fold(nil, at)
	for len(s.arriving) > 0 {
		s.arrived(f, s.arriving[0].user)
	}
	for len(s.muting) > 0 {
		s.mutedBySomebody(f, s.muting[0].user)
	}
	s.banned(f)
	s.countDue(f, 0)
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
		u := s.users[strings.ToLower(name)]
		u.name = a.user
		f.emitAt(a.at, event.SubjectUserJoin, s.join(u, a.at))
		return true
	}
	return false
}

// join returns the payload that says that a user joined.
func (s *State) join(u user, at time.Time) event.UserJoin {
	p := event.UserJoin{User: u.name, Channel: s.channel, Rank: contractRank(u.rank), Time: at.UnixMilli()}
	if u.afk {
		p.Extra = event.Extra{"afk": marshal(true)}
	}
	if u.mute != "" {
		if p.Extra == nil {
			p.Extra = event.Extra{}
		}
		p.Extra["mute"] = marshal(u.mute)
	}
	return p
}

// mutedBySomebody records the mute of a user that is held back: by whom is not known.
func (s *State) mutedBySomebody(f *fold, name string) {
	for i, m := range s.muting {
		if SameName(m.user, name) {
			s.muting = append(s.muting[:i:i], s.muting[i+1:]...)
			s.moderated(f, m.action, event.Moderation{User: m.user})
			return
		}
	}
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
	s.lists.banned(p)
}
