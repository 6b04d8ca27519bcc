// Package restore brings a channel back to what it was: it plans what is to be asked of the
// channel, from what the stored events say that it is and was, and asks for it.
package restore

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// Step is one change of a plan. It is left out of what is done where it cannot be.
type Step struct {
	view.Change
	Cannot string `json:"cannot,omitempty"` // why the bot cannot do it

	subject string // of the send; "" while an item that it is about is not queued yet
	payload any
}

// Send returns what the step asks of the channel. can is false while it waits for other
// steps, and where it cannot be done.
func (s Step) Send() (subject string, payload any, can bool) {
	return s.subject, s.payload, s.Cannot == "" && s.subject != ""
}

// ID tells the step from those that ask for something else, in any plan.
func (s Step) ID() string { return s.key() }

// Item returns the item of the playlist that the step adds.
func (s Step) Item() (i view.Item, adds bool) {
	adds = s.Part == view.PartPlaylist && s.Op == view.Added && json.Unmarshal(s.New, &i) == nil
	return i, adds
}

// order is the order in which parts are restored: what the bot may do depends on the
// permissions, and what it may queue on the options.
var order = []string{
	view.PartPermissions, view.PartOptions, view.PartMOTD, view.PartCSS, view.PartJS, view.PartEmotes, view.PartFilters,
	view.PartRanks, view.PartBans, view.PartPlaylist, view.PartLock,
}

// Parts returns the names of the parts that can be restored, in order.
func Parts() []string { return slices.Clone(order) }

// CheckPart returns an INVALID_INPUT error for a part that cannot be restored.
func CheckPart(part string) error {
	if slices.Contains(order, part) {
		return nil
	}
	if _, err := view.ChangesOf(part); err == nil {
		return event.Errorf(event.InvalidInput, "%s cannot be restored, only %s, or all", part, strings.Join(order, ", "))
	}
	return event.Errorf(event.InvalidInput, "a channel has no part %q: what can be restored is %s, or all", part, strings.Join(order, ", "))
}

// planner makes a plan.
type planner struct {
	now, then *view.View
	state     *channel.State // with which the abilities are checked, nil if the bot's rank is not known
	steps     []Step
}

// Plan returns what is to be done, in order, so that parts of a channel become what they
// were. bot is the name of the bot in the channel, whose rank and permissions decide what
// it cannot do.
func Plan(now, then *view.View, bot string, parts []string) []Step {
	p := &planner{now: now, then: then}
	list := p.playlist()
	p.observe(bot, list, slices.Contains(parts, view.PartPermissions))
	changes := map[string][]view.Change{}
	for _, c := range view.Diff(now, then) {
		changes[c.Part] = append(changes[c.Part], c)
	}
	var tighter []view.Change // permissions, which the bot may need until the end
	for _, part := range order {
		switch {
		case !slices.Contains(parts, part):
		case string(then.Part(part)) == "null":
			p.cannot(part, "no event says what it was then")
		case string(now.Part(part)) == "null":
			p.cannot(part, "no event says what it is now: the bot may lack the rank to see it")
		case part == view.PartPlaylist:
			p.arrange(list)
		case part == view.PartBans:
			p.bans()
		case part == view.PartEmotes || part == view.PartFilters:
			p.definitions(part, changes[part])
		default:
			for _, c := range changes[part] {
				if part == view.PartPermissions && rankOf(c.New) > rankOf(c.Old) {
					tighter = append(tighter, c)
				} else {
					p.change(c)
				}
			}
		}
	}
	for _, c := range tighter {
		p.change(c)
	}
	return p.steps
}

// rankOf returns the rank that a permission needs.
func rankOf(raw json.RawMessage) (rank float64) {
	_ = json.Unmarshal(raw, &rank)
	return rank
}

// loosest returns the lower rank for each permission: the bot takes back what denies it
// something first, and what it gives nobody then last.
func loosest(now, then map[string]json.RawMessage) map[string]json.RawMessage {
	all := maps.Clone(now)
	for name, raw := range then {
		if old, has := now[name]; has && rankOf(raw) < rankOf(old) {
			all[name] = raw
		}
	}
	return all
}

func (p *planner) cannot(part, why string) {
	p.steps = append(p.steps, Step{Change: view.Change{Part: part, Op: view.Changed}, Cannot: why})
}

// observe makes the state with which the abilities are checked: the channel with the items
// that there will be, and the permissions where the bot can restore those.
func (p *planner) observe(bot string, list arrangement, permissions bool) {
	i := slices.IndexFunc(p.now.Users, func(u view.User) bool { return channel.SameName(u.Name, bot) })
	if i < 0 {
		return
	}
	v := *p.now
	if v.Playlist != nil {
		v.Playlist = append(slices.Clone(v.Playlist), list.queue...)
	}
	if rank := p.now.Users[i].Rank; rank >= 3 && permissions && p.then.Permissions != nil {
		v.Permissions = loosest(p.now.Permissions, p.then.Permissions)
	}
	p.state = channel.New(p.now.Channel)
	p.state.Restore(&v)
	p.state.SetSelf(bot)
	raw, _ := json.Marshal(p.now.Users[i].Rank) //nolint:errchkjson // a number
	if _, err := p.state.Apply(channel.Frame{Name: "rank", Args: []json.RawMessage{raw}}, time.Time{}); err != nil {
		p.state = nil
	}
}

// add adds a step that asks for something, and finds out whether the bot can do it.
func (p *planner) add(c view.Change, subject string, payload any) {
	s := Step{Change: c, subject: subject, payload: payload}
	if send, err := event.New(subject, payload); err != nil {
		s.Cannot = err.Error()
	} else if call, err := ability.New(send); err != nil {
		s.Cannot = err.Error()
	} else if call.State = p.state; p.state != nil {
		if _, o := call.Plan(); o != nil && o.Status == event.DeliveryRefused {
			s.Cannot = o.Reason
		}
	}
	p.steps = append(p.steps, s)
}

// textSubjects are the sends of the parts that are one text.
var textSubjects = map[string]string{
	view.PartMOTD: event.SubjectSendMOTD, view.PartCSS: event.SubjectSendCSS, view.PartJS: event.SubjectSendJS,
}

// change adds the step of a change of a part whose elements have names.
func (p *planner) change(c view.Change) {
	switch c.Part {
	case view.PartMOTD, view.PartCSS, view.PartJS:
		p.add(c, textSubjects[c.Part], event.SendText{Value: textOf(c.New)})
	case view.PartLock:
		p.add(c, event.SubjectSendMediaLock, event.SendMediaLock{Locked: string(c.New) == "true"})
	case view.PartPermissions:
		p.value(c, event.SubjectSendPermissions)
	case view.PartOptions:
		if c.Key == "password" && string(c.New) != "false" {
			p.steps = append(p.steps, Step{Change: c, Cannot: "passwords are not recorded"})
			return
		}
		if c.Key == "password" {
			c.New = json.RawMessage(`""`)
		}
		p.value(c, event.SubjectSendOptions)
	case view.PartRanks:
		rank := struct{ Rank float64 }{1}
		_ = json.Unmarshal(c.New, &rank)
		p.add(c, event.SubjectSendRank, event.SendRank{User: c.Key, Rank: rank.Rank})
	}
}

// value adds the step of an option or a permission. One that there was not then stays.
func (p *planner) value(c view.Change, subject string) {
	if c.New != nil {
		p.add(c, subject, event.SendValues{Values: map[string]json.RawMessage{c.Key: c.New}})
	}
}

// textOf returns a JSON string as text, "" for nothing.
func textOf(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

// bans adds the steps of bans. A ban of an address is known by the name that was seen there.
func (p *planner) bans() {
	was, is := bansOf(p.then.Bans), bansOf(p.now.Bans)
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		p.ban(name, was[name], is[name])
	}
}

// banned is what is banned of a name.
type banned struct {
	ban     event.Ban // the first one
	name    bool
	address bool
}

func bansOf(list []event.Ban) map[string]banned {
	all := map[string]banned{}
	for _, b := range list {
		key := strings.ToLower(b.Name)
		one, seen := all[key]
		if !seen {
			one.ban = b
		}
		one.name, one.address = one.name || !b.Address, one.address || b.Address
		all[key] = one
	}
	return all
}

func (p *planner) ban(key string, was, is banned) {
	c := view.Change{Part: view.PartBans, Op: view.Added, Key: key, New: was.json(), Old: is.json()}
	switch {
	case was.name == is.name && was.address == is.address:
	case !was.name && !was.address:
		c.Op = view.Removed
		p.add(c, event.SubjectSendUnban, event.SendModeration{User: is.ban.Name})
	case is.name && !was.name, is.address && !was.address:
		c.Op = view.Changed
		p.steps = append(p.steps, Step{Change: c, Cannot: "CyTube lifts all bans of a name at once: unban it and ban it anew"})
	case was.address && !was.name:
		p.steps = append(p.steps, Step{Change: c, Cannot: "an address is not recorded, and is banned again only together with its name"})
	case was.address && !is.address:
		p.add(c, event.SubjectSendBanAddress, event.SendBanAddress{User: was.ban.Name, Reason: was.ban.Reason})
	default:
		p.add(c, event.SubjectSendBan, event.SendModeration{User: was.ban.Name, Reason: was.ban.Reason})
	}
}

func (b banned) json() json.RawMessage {
	if !b.name && !b.address {
		return nil
	}
	raw, _ := json.Marshal(b.ban) //nolint:errchkjson // texts and numbers
	return raw
}
