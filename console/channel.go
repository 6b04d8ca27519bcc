package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// shownItems is how many items of a playlist the page shows.
const shownItems = 500

type channelBody struct {
	Channel   Channel
	Condition channelCondition
	Playing   *view.Playing
	Until     time.Time // when what plays ends, if nothing happens; zero if it does not
	Leader    string
	Lock      string // locked or open to all, "" where it is not known
	Votes     *view.Votes
	Poll      []pollOption // of the poll that is open
	Title     string       // of the poll
	Hidden    bool         // the poll's counts
	PollBy    string

	Items     []view.Item
	Count     int // of the playlist
	More      int // items that are not shown
	Length    time.Duration
	Known     bool // the playlist
	Users     []channelUser
	Anonymous int
	rights
}

type pollOption struct {
	Text  string
	Votes int
	Share float64 // of all votes, in the units of a bar
}

type channelUser struct {
	view.User
	Bot bool
}

// channelCondition is how the bot fares in the channel.
type channelCondition struct {
	cytube.Condition
	Connected bool
	Problem   string
	Lacks     []string // what plugins ask for and the bot's rank does not allow
}

// Silent reports whether a mute keeps the bot from being heard, though it is there.
func (c channelCondition) Silent() bool { return c.Connected && c.Mute != "" }

// Shadow reports whether the mute is a secret one.
func (c channelCondition) Shadow() bool { return c.Mute == event.ActionShadowMute }

// moments keeps channels as they are, folded from what is stored, for all who look.
type moments struct {
	mu  sync.Mutex
	all map[string]*past.Moment
}

// with calls fn with a channel as it is. The view is good during the call only.
func (c *Console) withMoment(ctx context.Context, channel string, fn func(*view.View)) error {
	m := &c.moments
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]*past.Moment{}
	}
	key := strings.ToLower(channel)
	now := m.all[key]
	if now == nil {
		first, err := past.At(ctx, c.js, channel, time.Time{})
		if err != nil {
			return err
		}
		now = &first
	} else if err := now.Advance(ctx, c.js); err != nil {
		delete(m.all, key) // it may be half done
		return err
	}
	m.all[key] = now
	fn(now.View)
	return nil
}

func (c *Console) channelBody(r *http.Request) (any, error) {
	ch := c.channel(r)
	body := channelBody{Channel: ch, rights: c.auth.rights(r)}
	if err := c.withMoment(r.Context(), ch.Name, body.fill); err != nil {
		return nil, err
	}
	body.Condition = channelCondition{Problem: ch.Problem()}
	if ch.Stats != nil {
		stats := ch.Stats()
		body.Condition.Condition, body.Condition.Connected = stats.Condition, stats.Connected
	}
	if ch.Lacks != nil {
		body.Condition.Lacks = ch.Lacks(r.Context())
	}
	return body, nil
}

// fill takes what the page shows of a view.
func (b *channelBody) fill(v *view.View) {
	b.Playing, b.Leader, b.Votes = v.Playing, v.Leader, v.Votes
	if v.Lock != nil {
		b.Lock = map[bool]string{true: "locked", false: "open to all"}[*v.Lock]
	}
	if p := v.Playing; p != nil && !p.Paused && p.Duration > 0 {
		b.Until = time.UnixMilli(p.At).Add(time.Duration((float64(p.Duration) - p.Position) * float64(time.Second)))
	}
	b.Known, b.Count = v.Playlist != nil, len(v.Playlist)
	b.Items = slices.Clone(v.Playlist[:min(len(v.Playlist), shownItems)])
	b.More = b.Count - len(b.Items)
	for _, i := range v.Playlist {
		b.Length += time.Duration(i.Duration) * time.Second
	}
	for _, u := range v.Users {
		b.Users = append(b.Users, channelUser{u, b.Channel.IsBot(u.Name)})
	}
	slices.SortStableFunc(b.Users, func(a, c channelUser) int { return c.Rank - a.Rank })
	if v.Count != nil {
		b.Anonymous = max(*v.Count-len(v.Users), 0)
	}
	if p := v.Poll; p != nil {
		b.fillPoll(p)
	}
}

func (b *channelBody) fillPoll(p *view.Poll) {
	b.Title, b.PollBy, b.Hidden = p.Title, p.By, p.Hidden
	total := 0
	for _, n := range p.Counts {
		total += n
	}
	for i, text := range p.Options {
		o := pollOption{Text: text}
		if i < len(p.Counts) {
			o.Votes = p.Counts[i]
			o.Share = float64(o.Votes) / float64(max(total, 1)) * barWidth
		}
		b.Poll = append(b.Poll, o)
	}
}
