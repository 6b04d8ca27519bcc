package channel

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// lists are what the server says only to who asks for it.
type lists struct {
	bans    []event.Ban    // nil until the server said
	ranks   []event.RankOf // nil until the server said
	wanted  map[string]bool
	open    []event.Moderation // bans of this session of which the list has not said the reason yet
	removed *event.Ban         // of which no line has said yet by whom
}

func newLists() lists { return lists{wanted: map[string]bool{}} }

// The frames that ask for lists.
const (
	requestBans    = "requestBanlist"
	requestRanks   = "requestChannelRanks"
	requestFilters = "requestChatFilters"
)

func (l *lists) want(request string) { l.wanted[request] = true }

func (l *lists) wantAll() {
	for _, r := range []string{requestBans, requestRanks, requestFilters} {
		l.want(r)
	}
}

// openBans bounds how many bans wait for their reasons.
const openBans = 50

func (l *lists) banned(p event.Moderation) {
	l.want(requestBans)
	if l.open = append(l.open, p); len(l.open) > openBans {
		l.open = l.open[1:]
	}
}

// Requests returns the names of the frames that ask for what the state does not know, or
// what has changed, as far as the bot's rank allows. Each is returned once.
func (s *State) Requests() (names []string) {
	if s.joining || s.self == "" {
		return nil
	}
	for _, r := range []struct {
		name, permission string
		rank             float64 // where the server did not name the permission
	}{{requestBans, "ban", 2}, {requestFilters, "filteredit", 3}, {requestRanks, "", 3}} {
		least := r.rank
		if raw := s.settings.values[event.SubjectPermissions][r.permission]; raw != nil {
			_ = json.Unmarshal(raw, &least)
		}
		if s.lists.wanted[r.name] && s.rank >= least {
			delete(s.lists.wanted, r.name)
			names = append(names, r.name)
		}
	}
	return names
}

// banlist takes the channel's bans, and the reasons of those that were told without.
func (s *State) banlist(f *fold) error {
	wire, err := read[[]wireBan](f.args)
	if err != nil {
		return err
	}
	bans := make([]event.Ban, 0, len(wire))
	for _, w := range wire {
		if w.ID == nil {
			return missing(field{"id", true})
		}
		bans = append(bans, event.Ban{ID: *w.ID, Name: w.Name, Address: w.IP != "*", Reason: w.Reason, By: w.BannedBy})
	}
	before := s.lists.bans
	s.lists.bans = bans
	if before == nil {
		s.emitPart(f, view.PartBans)
	} else if !slices.Equal(before, bans) {
		s.emitList(f, view.PartBans, event.SubjectBans, event.ChannelBans{Values: bans, Channel: s.channel, Time: f.ms()})
	}
	s.lists.open = slices.DeleteFunc(s.lists.open, func(told event.Moderation) bool {
		i := slices.IndexFunc(bans, func(b event.Ban) bool {
			return SameName(b.Name, told.User) && (told.By == "" || SameName(b.By, told.By))
		})
		if i >= 0 {
			p := event.Moderation{User: told.User, By: bans[i].By, Reason: bans[i].Reason, Time: f.ms(), Extra: event.Extra{"id": marshal(bans[i].ID)}}
			s.moderated(f, event.ActionBan, p)
		}
		return i >= 0
	})
	return nil
}

// banRemoved takes the end of a ban; a line says by whom.
func (s *State) banRemoved(f *fold) error {
	w, err := read[wireBan](f.args)
	if err == nil {
		err = missing(field{"id", w.ID == nil})
	}
	if err != nil {
		return err
	}
	s.lists.want(requestBans)
	s.lists.removed = &event.Ban{ID: *w.ID, Name: w.Name}
	return nil
}

// unbanned records that a ban was lifted, with the id that the frame before had.
func (s *State) unbanned(f *fold, p event.Moderation) {
	if r := s.lists.removed; r != nil && strings.EqualFold(r.Name, p.User) {
		p.Extra = event.Extra{"id": marshal(r.ID)}
		s.lists.removed = nil
		if s.lists.bans != nil {
			s.lists.bans = slices.DeleteFunc(slices.Clone(s.lists.bans), func(b event.Ban) bool { return b.ID == r.ID })
		}
	}
	s.moderated(f, event.ActionUnban, p)
}

func (s *State) channelRanks(f *fold) error {
	wire, err := read[[]wireUser](f.args)
	if err != nil {
		return err
	}
	ranks := make([]event.RankOf, 0, len(wire))
	for _, w := range wire {
		u, err := w.user()
		if err != nil {
			return err
		}
		ranks = append(ranks, event.RankOf{Name: u.name, Rank: u.rank})
	}
	slices.SortFunc(ranks, func(a, b event.RankOf) int { return strings.Compare(a.Name, b.Name) })
	before := s.lists.ranks
	s.lists.ranks = ranks
	if before == nil {
		s.emitPart(f, view.PartRanks)
	} else if !slices.Equal(before, ranks) {
		s.emitList(f, view.PartRanks, event.SubjectRanks, event.ChannelRanks{Values: ranks, Channel: s.channel, Time: f.ms()})
	}
	return nil
}

// emitList records a list that changed: one that is too long for an event, in pages.
func (s *State) emitList(f *fold, part, subject string, payload any) {
	if states := s.View().States(part, f.ms()); len(states) > 1 {
		s.emitPart(f, part)
		return
	}
	f.emit(subject, payload)
}

// count is how many are in the channel.
type count struct {
	value, stored *int
	at            time.Time // when stored was
}

// countInterval is the least time between two recorded counts.
const countInterval = time.Minute

// usercount is the last frame of a join.
func (s *State) usercount(f *fold) error {
	n, err := read[int](f.args)
	if err != nil {
		return err
	}
	s.count.value = &n
	s.countDue(f, countInterval)
	if !s.found["usercount"] {
		s.found["usercount"] = true
		if s.leader != "" && !s.found["setLeader"] { // a join says who it is, if there is one
			s.leader = ""
			f.emit(event.SubjectMediaLeader, event.MediaLeader{Channel: s.channel, Time: f.ms()})
		}
	}
	return nil
}

func (s *State) countDue(f *fold, interval time.Duration) {
	c := &s.count
	if c.value == nil || c.stored != nil && (*c.stored == *c.value || f.at.Sub(c.at) < interval) {
		return
	}
	c.stored, c.at = c.value, f.at
	f.emit(event.SubjectUserCount, event.Count{Count: *c.value, Channel: s.channel, Time: f.ms()})
}
