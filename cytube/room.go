package cytube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// room is what the bot knows of its channel. It turns the server's frames into
// the contract's events and keeps what later frames refer to: ranks, which chat
// lines do not carry, and the playlist, which says who queued what.
type room struct {
	channel string
	now     func() time.Time

	self  string  // the bot's name as the server spells it
	rank  float64 // the bot's own
	flood flood   // the channel's own limit for those who are no moderators

	users  map[string]member // by lower-case name
	listed bool              // whether a user list came before: later ones are compared with what is known

	playlist map[int]media // by uid
	complete bool          // whether a playlist came in this session
	current  int           // uid of the item that plays
	playing  string        // what plays, to tell a change from the news of a join

	latest   line    // of chat
	muteRank float64 // from which on moderators are told of mutes
	joining  bool    // what comes now tells how things stand, not what happens
}

type member struct {
	name string
	rank float64
	mute string // the action that muted the user, or ""
	sure bool   // whether a shadow mute would be known
}

type media struct {
	id, kind, title, by string
	seconds             int
}

func (m media) key() string { return m.kind + " " + m.id }

// fact is an event to be published; line is set when it is somebody's words.
type fact struct {
	event.Envelope
	line *line
}

// line is a chat line or private message. Time is the server's, in ms.
type line struct {
	pm, action, shadow bool
	user, to, text     string
	time               int64
}

func newRoom(channel string) *room {
	return &room{channel: channel, now: time.Now, rank: -1, muteRank: defaultMuteRank, users: map[string]member{}, playlist: map[int]media{}, current: -1}
}

// begin forgets what a new connection will be told anew.
func (r *room) begin() { r.joining, r.complete, r.rank, r.current = true, false, -1, -1 }

// frames says what each frame of the server means. Others mean nothing to the
// bot.
var frames = map[string]func(*room, []json.RawMessage) ([]fact, error){
	"chatMsg":        (*room).chat,
	"pm":             (*room).pm,
	"userlist":       (*room).userlist,
	"addUser":        (*room).addUser,
	"userLeave":      (*room).userLeave,
	"setUserRank":    (*room).setUserRank,
	"setUserMeta":    (*room).setUserMeta,
	"clearchat":      (*room).clearChat,
	"kick":           (*room).kicked,
	"rank":           (*room).ownRank,
	"channelOpts":    (*room).options,
	"setPermissions": (*room).permissions,
	"playlist":       (*room).setPlaylist,
	"setCurrent":     (*room).setCurrent,
	"changeMedia":    (*room).changeMedia,
	"queue":          (*room).queue,
	"delete":         (*room).remove,
}

// apply takes in one frame and gives the events that it means. An error says
// what is wrong with the frame, which is then without effect.
func (r *room) apply(name string, args []json.RawMessage) ([]fact, error) {
	take, ok := frames[name]
	if !ok {
		return nil, nil
	}
	facts, err := take(r, args)
	if err != nil {
		return nil, fmt.Errorf("frame %q: %w", name, err)
	}
	return facts, nil
}

func one(subject string, payload any, l *line) ([]fact, error) {
	e, err := event.New(subject, payload)
	if err != nil {
		return nil, err
	}
	return []fact{{Envelope: e, line: l}}, nil
}

func (r *room) chat(args []json.RawMessage) ([]fact, error) {
	l, class, err := readLine(args)
	switch {
	case err != nil:
		return nil, err
	case l.user == "[server]" && class == "server-whisper":
		return r.serverLine(l)
	case l.user == "[server]" || class == "server-whisper":
		return nil, nil
	}
	before := r.latest
	r.latest = *l
	if l.shadow && !before.shadow && l.key() == before.key() {
		// A bot that is shadow-muted and a moderator gets the line as both.
		return nil, nil
	}
	extra := event.Extra{}
	if l.action {
		extra["action"] = json.RawMessage("true")
	} else if class != "" {
		if extra["class"], err = json.Marshal(class); err != nil {
			return nil, err
		}
	}
	if l.shadow {
		extra["shadow"] = json.RawMessage("true")
	}
	return one(event.SubjectChat, event.Chat{
		User: l.user, Message: l.text, Channel: r.channel, Rank: r.rankOf(l.user), Time: l.time, Extra: extra,
	}, l)
}

func (r *room) pm(args []json.RawMessage) ([]fact, error) {
	l, _, err := readLine(args)
	if err != nil {
		return nil, err
	}
	l.pm = true
	return one(event.SubjectPM, event.PM{
		User: l.user, To: l.to, Message: l.text, Channel: r.channel, Rank: r.rankOf(l.user), Time: l.time,
	}, l)
}

func readLine(args []json.RawMessage) (l *line, class string, err error) {
	m, err := read[wireMessage](args)
	if err == nil {
		err = missing(field{"username", m.Username == nil || *m.Username == ""}, field{"msg", m.Msg == nil}, field{"time", m.Time == nil})
	}
	if err != nil {
		return nil, "", err
	}
	ms, err := whole("time", *m.Time, 0)
	return &line{
		user: *m.Username, to: m.To, text: plainText(*m.Msg), action: m.Meta.Action, shadow: m.Meta.Shadow, time: ms,
	}, m.Meta.AddClass, err
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

func (r *room) ownRank(args []json.RawMessage) ([]fact, error) {
	rank, err := read[float64](args)
	if err == nil {
		_, err = whole("rank", rank, -1)
	}
	if err != nil {
		return nil, err
	}
	r.rank = rank
	return nil, nil
}

func (r *room) options(args []json.RawMessage) ([]fact, error) {
	o, err := read[wireOptions](args)
	if err != nil {
		return nil, err
	}
	r.flood = flood{}
	if o.AntiFlood {
		r.flood = newFlood(o.Params.Burst, o.Params.Sustained, o.Params.Cooldown)
	}
	return nil, nil
}

// limit is how fast the bot may chat.
func (r *room) limit() flood {
	if r.rank >= 2 || r.flood == (flood{}) {
		return moderators
	}
	return r.flood
}

func (m *wireMedia) media() (media, error) {
	if m == nil {
		return media{}, missing(field{"media", true})
	}
	err := missing(field{"id", m.ID == nil}, field{"title", m.Title == nil}, field{"type", m.Type == nil})
	if err != nil {
		return media{}, err
	}
	seconds, err := whole("seconds", m.Seconds, 0)
	return media{id: *m.ID, kind: *m.Type, title: *m.Title, seconds: int(seconds)}, err
}

func (i *wireItem) item() (uid int, m media, err error) {
	if i == nil || i.UID == nil {
		return 0, media{}, missing(field{"uid", true})
	}
	m, err = i.Media.media()
	m.by = i.QueueBy
	return *i.UID, m, err
}

// setPlaylist replaces the playlist. Within a session the difference is what
// happened to it: a cleared playlist comes as an empty one. Over a reconnect uids
// do not compare.
func (r *room) setPlaylist(args []json.RawMessage) ([]fact, error) {
	list, err := read[[]wireItem](args)
	if err != nil {
		return nil, err
	}
	before, after := r.playlist, make(map[int]media, len(list))
	var facts []fact
	for _, i := range list {
		uid, m, err := i.item()
		if err != nil {
			return nil, err
		}
		after[uid] = m
		if _, had := before[uid]; r.complete && !had {
			f, err := r.queued(uid, m)
			if err != nil {
				return nil, err
			}
			facts = append(facts, f...)
		}
	}
	if r.complete {
		for _, uid := range slices.Sorted(maps.Keys(before)) {
			if _, has := after[uid]; !has {
				f, err := r.removed(uid, before[uid])
				if err != nil {
					return nil, err
				}
				facts = append(facts, f...)
			}
		}
	}
	r.playlist, r.complete = after, true
	return facts, nil
}

func (r *room) setCurrent(args []json.RawMessage) ([]fact, error) {
	uid, err := read[int](args)
	if err == nil {
		r.current = uid
	}
	return nil, err
}

// changeMedia finds out who queued the media, and does not take the news that a
// join brings for a change.
func (r *room) changeMedia(args []json.RawMessage) ([]fact, error) {
	w, err := read[*wireMedia](args)
	if err != nil {
		return nil, err
	}
	m, err := w.media()
	if err != nil {
		return nil, err
	}
	if item := r.playlist[r.current]; item.key() == m.key() {
		m.by = item.by
	}
	url := mediaURL(m.kind, m.id)
	same := r.playing == playingKey(m.kind, url)
	r.playing = playingKey(m.kind, url)
	if same && r.joining {
		return nil, nil
	}
	return one(event.SubjectMediaChange, event.MediaChange{
		Title: m.title, URL: url, Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}

func playingKey(kind, url string) string { return kind + " " + url }

func (r *room) queue(args []json.RawMessage) ([]fact, error) {
	q, err := read[wireQueue](args)
	if err != nil {
		return nil, err
	}
	uid, m, err := q.Item.item()
	if err != nil {
		return nil, err
	}
	r.playlist[uid] = m
	return r.queued(uid, m)
}

func (r *room) queued(uid int, m media) ([]fact, error) {
	return one(event.SubjectMediaQueue, event.MediaQueue{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}

func (r *room) remove(args []json.RawMessage) ([]fact, error) {
	d, err := read[wireDelete](args)
	if err == nil {
		err = missing(field{"uid", d.UID == nil})
	}
	if err != nil {
		return nil, err
	}
	m := r.playlist[*d.UID]
	delete(r.playlist, *d.UID)
	return r.removed(*d.UID, m)
}

func (r *room) removed(uid int, m media) ([]fact, error) {
	return one(event.SubjectMediaDelete, event.MediaDelete{
		UID: uid, Title: m.title, URL: mediaURL(m.kind, m.id), Type: m.kind, Duration: m.seconds, Channel: r.channel, QueuedBy: m.by,
	}, nil)
}
