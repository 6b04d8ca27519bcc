package playlist

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// record is what the plugin keeps of a channel. Its ID is the channel's name in lower case.
type record struct {
	Channel string    `json:"channel"`
	Asked   []asked   `json:"asked"`  // by commands, the latest
	Wishes  []wish    `json:"wishes"` // of what the bot queued, in the order asked
	Votes   votes     `json:"votes"`
	Waiting []waiting `json:"waiting"` // until the playlist is open, or a moderator decides
	Number  int       `json:"number"`  // of the last that waited
	Job     *job      `json:"job"`
	// Of what !undo did: the first events of changes, and the correlation IDs of its commands.
	Undone []string `json:"undone"`
	Undos  []string `json:"undos"`
}

// asked is what a command asked of the channel.
type asked struct {
	ID      string `json:"id"` // the correlation ID
	Kind    string `json:"kind"`
	Subject string `json:"subject"` // of the send; earlier releases do not say
	User    string `json:"user" mark:"person"`
	Guest   bool   `json:"guest"`
	Exempt  bool   `json:"exempt"`
	Private bool   `json:"private"`
	Title   string `json:"title" mark:"text"`
	Count   int    `json:"count"` // of a clear
	URL     string `json:"url" mark:"text"`
	Type    string `json:"type"`
	Media   string `json:"media" mark:"text"` // its ID on its site
	Next    bool   `json:"next"`
	Temp    bool   `json:"temp"`
	At      int64  `json:"at"` // ms
	Done    bool   `json:"done"`
}

// wish says who wanted an item that the bot queued.
type wish struct {
	URL   string `json:"url" mark:"text"`
	Type  string `json:"type"`
	User  string `json:"user" mark:"person"`
	Guest bool   `json:"guest"`
	Next  bool   `json:"next"`
	At    int64  `json:"at"` // ms
}

const (
	keptAsked  = 50
	keptWishes = 1000
)

func recordID(channel string) event.ID { return event.ID(strings.ToLower(channel)) }

// change changes the record of the event's channel.
func change(c *plugins.Context, r *record, do func() ([]event.Envelope, error)) ([]event.Envelope, error) {
	return c.DB(Collection).Change(recordID(c.Channel()), r, func() ([]event.Envelope, error) {
		r.Channel = c.Channel()
		return do()
	})
}

// newAsked returns what a command asks for.
func newAsked(c *plugins.Context, kind string) asked {
	return asked{
		ID: c.Event.CorrelationID, Kind: kind, User: c.Command.User, Private: c.Command.Private, At: c.Now().UnixMilli(),
		Guest: c.Command.Rank < 1,
	}
}

// ask keeps what a command asks for and returns the sends, so that outcome knows what it
// was.
func ask(c *plugins.Context, a asked, sends []event.Envelope) ([]event.Envelope, error) {
	var r record
	return change(c, &r, func() ([]event.Envelope, error) { return r.ask(a, sends), nil })
}

func (r *record) ask(a asked, sends []event.Envelope) []event.Envelope {
	if len(sends) > 0 {
		a.Subject = sends[0].Subject
	}
	r.Asked = append(r.Asked, a)
	r.Asked = r.Asked[max(0, len(r.Asked)-keptAsked):]
	return sends
}

// find returns what was asked for by a send of a conversation, nil if its outcome is known.
func (r *record) find(correlation, subject string) *asked {
	for i := range r.Asked {
		a := &r.Asked[i]
		if a.ID == correlation && !a.Done && (a.Subject == subject || a.Subject == "") {
			return a
		}
	}
	return nil
}

// wishedBy returns who wanted an item, as far as that is known.
func (r *record) wishedBy(s *plugins.State, i view.Item) (who wish) {
	who = wish{User: i.QueuedBy}
	if u, here := s.User(i.QueuedBy); here {
		who.Guest = u.Rank < 1
	}
	if !strings.EqualFold(i.QueuedBy, s.BotName) {
		return who
	}
	for _, w := range slices.Backward(r.Wishes) {
		if w.URL == i.URL && w.Type == i.Type {
			return w
		}
	}
	return who
}

// wish keeps who wanted an item, and forgets what is not of use any more.
func (r *record) wish(s *plugins.State, w wish) {
	r.Wishes = append(r.Wishes, w)
	if len(r.Wishes) <= keptWishes {
		return
	}
	listed := map[string]bool{}
	for _, i := range s.Playlist {
		listed[i.URL] = true
	}
	old := w.At - time.Hour.Milliseconds()
	r.Wishes = slices.DeleteFunc(r.Wishes, func(w wish) bool { return w.At < old && !listed[w.URL] })
}

// person returns what counts as one person: a name in any case, or all guests.
func person(s Settings, user string, guest bool) string {
	if guest && s.Guests {
		return ""
	}
	return strings.ToLower(user)
}

// upcoming returns the items after the one that plays, and then those before it, in the
// order in which they play.
func upcoming(s *plugins.State) []view.Item {
	at := s.Current()
	if at < 0 {
		return s.Playlist
	}
	return slices.Concat(s.Playlist[at+1:], s.Playlist[:at])
}
