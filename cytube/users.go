package cytube

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

type member struct {
	name string
	rank float64
	mute string // the action that muted the user, or ""
	sure bool   // whether a shadow mute would be known
}

// rankOf is a user's rank as the contract has it: whole, and a guest's for a
// user who is not here any more.
func (r *room) rankOf(user string) int {
	if r.isSelf(user) {
		return contractRank(r.rank)
	}
	return contractRank(r.users[strings.ToLower(user)].rank)
}

func contractRank(rank float64) int {
	n, _ := whole("rank", rank, -1) // was checked when it came
	return int(n)
}

// isSelf reports whether a name is the bot's.
func (r *room) isSelf(user string) bool { return r.self != "" && sameName(user, r.self) }

// sameName compares as the server does, to which names in another case are one.
// Folding, as EqualFold does, would make one of more than that: "roſey" and "rosey".
func sameName(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b
}

func (u wireUser) member() (member, error) {
	if err := missing(field{"name", u.Name == nil}, field{"rank", u.Rank == nil}); err != nil {
		return member{}, err
	}
	_, err := whole("rank", *u.Rank, -1)
	return member{name: *u.Name, rank: *u.Rank}, err
}

// userlist replaces what is known. All but the first list are compared with it:
// after a reconnect the difference is what was missed.
func (r *room) userlist(args []json.RawMessage) ([]fact, error) {
	list, err := read[[]wireUser](args)
	if err != nil {
		return nil, err
	}
	known, users := r.users, make(map[string]member, len(list))
	var ms []member
	for _, u := range list {
		m, err := u.member()
		if err != nil {
			return nil, err
		}
		if key := strings.ToLower(m.name); key != "" {
			m.mute, m.sure = known[key].mute, known[key].sure
			m.observe(u)
			users[key] = m
			ms = append(ms, m)
		}
	}
	r.users = users
	if !r.listed {
		r.listed = true
		return nil, nil
	}
	var facts []fact
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if _, here := users[name]; !here {
			f, err := r.left(known[name])
			if err != nil {
				return nil, err
			}
			facts = append(facts, f...)
		}
	}
	for _, m := range ms {
		before, here := known[strings.ToLower(m.name)]
		f, err := r.changed(m, before, here)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f...)
	}
	return facts, nil
}

// addUser may repeat for a user who is here, with a rank that is newer.
func (r *room) addUser(args []json.RawMessage) ([]fact, error) {
	u, err := read[wireUser](args)
	if err != nil {
		return nil, err
	}
	m, err := u.member()
	if err != nil || m.name == "" {
		return nil, err
	}
	key := strings.ToLower(m.name)
	before, here := r.users[key]
	m.mute, m.sure = before.mute, before.sure
	m.observe(u)
	r.users[key] = m
	return r.changed(m, before, here)
}

func (r *room) setUserRank(args []json.RawMessage) ([]fact, error) {
	u, err := read[wireUser](args)
	if err != nil {
		return nil, err
	}
	m, err := u.member()
	if err != nil {
		return nil, err
	}
	before, here := r.users[strings.ToLower(m.name)]
	if !here {
		return r.absentRank(u, m)
	}
	after := before
	after.rank = m.rank
	r.users[strings.ToLower(after.name)] = after
	return r.changed(after, before, true)
}

// changed are the events of a user who came, or whose rank or mute is another
// than before.
func (r *room) changed(m, before member, here bool) (facts []fact, err error) {
	rank, now := contractRank(m.rank), r.now().UnixMilli()
	if !here {
		return one(event.SubjectUserJoin, event.UserJoin{User: m.name, Channel: r.channel, Rank: rank, Time: now}, nil)
	}
	if rank != contractRank(before.rank) {
		facts, err = one(event.SubjectUserRank, event.UserRank{User: m.name, Channel: r.channel, Rank: rank, Time: now}, nil)
		if err != nil {
			return nil, err
		}
	}
	muted, err := r.muted(m, before)
	return append(facts, muted...), err
}

func (r *room) userLeave(args []json.RawMessage) ([]fact, error) {
	_, key, err := readUser(args)
	if err != nil {
		return nil, err
	}
	m, here := r.users[key]
	if !here {
		return nil, nil
	}
	delete(r.users, key)
	return r.left(m)
}

// readUser reads a user, and the key that it has among the room's users.
func readUser(args []json.RawMessage) (u wireUser, key string, err error) {
	u, err = read[wireUser](args)
	if err == nil {
		err = missing(field{"name", u.Name == nil})
	}
	if err != nil {
		return u, "", err
	}
	return u, strings.ToLower(*u.Name), nil
}

func (r *room) left(m member) ([]fact, error) {
	return one(event.SubjectUserLeave, event.UserLeave{User: m.name, Channel: r.channel}, nil)
}
