package channel

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// Member is a user who is in the channel.
type Member struct {
	Name string
	Rank int // as in the contract: 0 guest, 1 user, 2 moderator, 3 admin and up
}

// Members lists who is in the channel, the highest rank first. Guests without a
// name are not among them.
func (s *State) Members() []Member {
	list := make([]Member, 0, len(s.users))
	for _, u := range s.users {
		list = append(list, Member{u.name, contractRank(u.rank)})
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
	return list
}

// Mute returns the moderation action that keeps the bot silent; "" if there is none, or if
// the server does not tell the bot of it, as of the shadow mute of one that is no moderator.
func (s *State) Mute() string { return s.users[strings.ToLower(s.self)].mute }

// SameName reports whether two names are one to the server, which lowers their
// case. Folding, as strings.EqualFold does, would also equate "roſey" and "rosey".
func SameName(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b
}

// user is what the state knows of somebody in the channel.
type user struct {
	name        string
	rank        float64
	mute        string // the action that muted the user, or ""
	shadowKnown bool   // a shadow mute would be known
	afk         bool
}

// rankOf returns the rank of a line's author: a guest's for one who has left.
func (s *State) rankOf(name string) int {
	if s.self != "" && SameName(name, s.self) {
		return contractRank(s.rank)
	}
	return contractRank(s.users[strings.ToLower(name)].rank)
}

// contractRank rounds a rank down, as the contract has it.
func contractRank(rank float64) int {
	n, _ := integer("rank", rank, -1) // checkRank let it pass
	return int(n)
}

func checkRank(rank float64) error {
	_, err := integer("rank", rank, -1)
	return err
}

// user checks a user of whom a frame gives name and rank.
func (u wireUser) user() (user, error) {
	if err := missing(field{"name", u.Name == nil}, field{"rank", u.Rank == nil}); err != nil {
		return user{}, err
	}
	return user{name: *u.Name, rank: *u.Rank, afk: u.Meta.AFK}, checkRank(*u.Rank)
}

// here returns a user who is in the channel: with the rank that is known of one of whom
// the frame gives none that can be, and a guest's without. key is that of State.users; it
// is empty for one without a name.
func (u wireUser) here(users map[string]user) (here user, key string) {
	if u.Name != nil {
		here.name, key = *u.Name, strings.ToLower(*u.Name)
	}
	here.rank, here.afk = users[key].rank, u.Meta.AFK
	if u.Rank != nil && checkRank(*u.Rank) == nil {
		here.rank = *u.Rank
	}
	return here, key
}

// userlist replaces the users. After a reconnect the difference to the list before
// is what the bot has missed.
func (s *State) userlist(f *fold) error {
	list, err := read[[]wireUser](f.args)
	if err != nil {
		return err
	}
	before, users := s.users, make(map[string]user, len(list))
	var listed []string // the keys of users, in the list's order
	for _, w := range list {
		if u, key := w.here(before); key != "" {
			if _, twice := users[key]; !twice {
				listed = append(listed, key)
			}
			users[key] = u.withMute(before[key], w).spelled(before[key]) // of several, the last counts
		}
	}
	first := !s.listed
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, here := users[name]; here {
			continue
		}
		if came := s.arrived(f, before[name].name); came || !first {
			s.userLeft(f, before[name])
		}
	}
	s.users, s.listed = users, true
	if first {
		s.emitPart(f, view.PartUsers)
	} else {
		for _, key := range listed {
			was, here := before[key]
			s.userChanged(f, users[key], was, here)
		}
		s.reveal(f)
	}
	if !s.found["newPoll"] && s.joining { // it comes before the list, if there is one
		s.pollEnded(f)
	}
	return nil
}

// addUser comes again, with a newer rank, for a user who is here.
func (s *State) addUser(f *fold) error {
	w, err := read[wireUser](f.args)
	if err != nil {
		return err
	}
	u, key := w.here(s.users)
	if key == "" {
		return missing(field{"name", w.Name == nil})
	}
	before, here := s.users[key]
	u = u.withMute(before, w).spelled(before)
	s.users[key] = u
	defer s.reveal(f)
	if !here && u.rank >= 1 { // an account: its rank in the channel follows
		s.arriving = append(s.arriving, arrival{u.name, f.at})
		return nil
	}
	s.userChanged(f, u, before, here)
	return nil
}

func (s *State) setUserRank(f *fold) error {
	w, err := read[wireUser](f.args)
	if err != nil {
		return err
	}
	u, err := w.user()
	if err != nil {
		return err
	}
	before, here := s.users[strings.ToLower(u.name)]
	if !here {
		return s.absentRank(f, w, u)
	}
	after := before
	after.rank = u.rank
	s.users[strings.ToLower(after.name)] = after
	if s.arrived(f, after.name) {
		return nil
	}
	s.userChanged(f, after, before, true)
	s.lists.want(requestRanks)
	return nil
}

// spelled returns u with the name of a user who was here before.
func (u user) spelled(before user) user {
	u.name = cmp.Or(before.name, u.name)
	return u
}

// userChanged emits that a user joined, or has another rank or mute than before.
func (s *State) userChanged(f *fold, u, before user, here bool) {
	rank, now := contractRank(u.rank), f.at.UnixMilli()
	if !here {
		f.emit(event.SubjectUserJoin, s.join(u, f.at))
		return
	}
	if rank != contractRank(before.rank) && !s.arrived(f, u.name) {
		f.emit(event.SubjectUserRank, event.UserRank{User: u.name, Channel: s.channel, Rank: rank, Time: now})
	}
	s.afkChanged(f, u, before)
	s.muteChanged(f, u, before)
}

func (s *State) userLeave(f *fold) error {
	_, key, err := readUser(f.args)
	if err != nil {
		return err
	}
	if u, here := s.users[key]; here {
		s.arrived(f, u.name)
		s.mutedBySomebody(f, u.name)
		delete(s.users, key)
		s.userLeft(f, u)
	}
	return nil
}

func (s *State) setAFK(f *fold) error {
	w, key, err := readUser(f.args)
	if err == nil {
		err = missing(field{"afk", w.AFK == nil})
	}
	if err != nil {
		return err
	}
	if before, here := s.users[key]; here {
		after := before
		after.afk = *w.AFK
		s.users[key] = after
		s.afkChanged(f, after, before)
	}
	return nil
}

func (s *State) afkChanged(f *fold, u, before user) {
	if u.afk != before.afk && !s.arrived(f, u.name) {
		f.emit(event.SubjectUserAFK, event.UserAFK{User: u.name, AFK: u.afk, Channel: s.channel, Time: f.ms()})
	}
}

func (s *State) userLeft(f *fold, u user) {
	f.emit(event.SubjectUserLeave, event.UserLeave{User: u.name, Channel: s.channel})
}
