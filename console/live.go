package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/recent"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/replay/audit"
	"github.com/rosey-bot/rosey/streams"
)

const (
	// liveLines is how many lines the live page begins with.
	liveLines = 100
	// liveScan is how many events are looked at for them.
	liveScan = 20_000
	// maxMissed is how many events a page that comes back is sent; one that
	// missed more begins anew.
	maxMissed = 2000
)

type liveBody struct {
	Lines []line
	After uint64
	Side  sidebar
	Say   bool // whether one can type
	Hint  string

	Channel string
}

// side is what is beside the chat.
type sidebar struct {
	Playing *audit.Media
	Since   time.Time
	Users   []User
	Problem string
}

func (c *Console) live(w http.ResponseWriter, r *http.Request) error {
	ch := c.channel(r)
	p, err := audit.ReadPage(r.Context(), c.js, audit.Query{Channel: ch.Name}, audit.Position{Limit: liveLines, Scan: liveScan})
	if err != nil {
		return err
	}
	playing, err := c.nowPlaying(r.Context(), ch)
	if err != nil {
		return err
	}
	return c.show(w, r, "live", "Live", liveBody{
		Lines: c.newConversations(r, ch).lines(p.Entries), After: p.Last, Side: newSidebar(ch, playing), Channel: ch.Name,
		Say: c.SendChat != nil && visitorOf(r).role == Operator, Hint: ch.Prefix + "roll 2d6+3",
	})
}

// newSidebar gathers what is beside the chat.
func newSidebar(ch Channel, playing *audit.Entry) sidebar {
	s := sidebar{Users: ch.Users(), Problem: ch.Problem()}
	if playing != nil {
		s.Playing, s.Since = playing.Media, playing.Stored
	}
	return s
}

// playing is what plays in a channel, as far as that was told lately; nil when it
// is not known.
func (c *Console) nowPlaying(ctx context.Context, ch Channel) (*audit.Entry, error) {
	p, err := audit.ReadPage(ctx, c.js, audit.Query{Channel: ch.Name, Media: true}, audit.Position{Limit: 50, Scan: liveScan})
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(p.Entries) {
		if e.Kind == audit.KindMedia {
			return &e, nil
		}
	}
	return nil, nil
}

// liveEvents sends what happens after the event that the page saw last.
func (c *Console) liveEvents(w http.ResponseWriter, r *http.Request) error {
	after, err := lastSeen(r)
	if err != nil {
		return err
	}
	ctx, ch := r.Context(), c.channel(r)
	_, last, err := replay.Bounds(ctx, c.js, streams.Cytube)
	if err != nil {
		return err
	}
	u, end, err := c.openEventStream(w, r)
	if err != nil {
		return err
	}
	defer end()
	if after > last || last-after > maxMissed {
		// Another store, or so much that a new page is less.
		return u.send("reset", "", "")
	}
	t := c.newConversations(r, ch)
	before, err := audit.ReadPage(ctx, c.js, audit.Query{Channel: ch.Name}, audit.Position{Before: after + 1, Limit: liveLines, Scan: liveScan})
	if err != nil {
		return err
	}
	t.lines(before.Entries)
	playing, err := c.nowPlaying(ctx, ch)
	if err != nil {
		return err
	}

	following, stop := context.WithCancel(ctx)
	entries := make(chan audit.Entry)
	ended := make(chan struct{})
	defer func() { stop(); <-ended }()
	go func() {
		defer close(ended)
		for e, err := range audit.Follow(following, c.js, audit.Query{Channel: ch.Name}, after) {
			if err != nil {
				return // the page comes back by itself
			}
			select {
			case entries <- e:
			case <-following.Done():
				return
			}
		}
	}()
	return liveLoop(ctx, u, t, playing, entries, ended)
}

func liveLoop(ctx context.Context, u *eventStream, t *conversations, playing *audit.Entry, entries <-chan audit.Entry, ended <-chan struct{}) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		var html string
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			return nil
		case e := <-entries:
			if !t.shows(e) {
				continue
			}
			if e.Kind == audit.KindMedia {
				playing = &e
			}
			if html, err = renderPart("line", t.line(e)); err == nil {
				err = u.send("line", strconv.FormatUint(e.Ref.Seq, 10), html)
			}
		case <-tick.C:
			if !u.stillSignedIn() {
				return nil // the page comes back, and shows the sign-in form
			}
			err = u.update("side", "side", newSidebar(t.channel, playing))
		}
		if err != nil {
			return nil // the browser is gone, or too slow
		}
	}
}

func (c *Console) sendChat(w http.ResponseWriter, r *http.Request) error {
	if c.SendChat == nil {
		return event.Errorf(event.PermissionDenied, "only in the local channel can one type here")
	}
	text := r.PostFormValue("text")
	if text == "" {
		return event.Errorf(event.InvalidInput, "type a line first")
	}
	if err := c.SendChat(r.Context(), text); err != nil {
		return event.Errorf(event.Timeout, "it was not said: %w", err)
	}
	return redirect(w, r, "", "/")
}

// line is one line of the chat or of the history, made ready to be shown.
type line struct {
	audit.Entry
	Bot    bool
	Rank   int
	Answer *line // what the bot answers
	Traced bool  // others belong to the same conversation
}

// Sentence is the line as rosey audit tells it, for what was done to the channel.
func (l line) Sentence() string {
	return strings.TrimPrefix(strings.TrimPrefix(l.Entry.String(), "!!! "), "*** ")
}

// conversations remembers which line began a conversation.
type conversations struct {
	channel Channel
	private bool                      // private messages are shown
	first   *recent.Map[string, line] // by correlation ID
}

// maxConversations is how many conversations a thread remembers.
const maxConversations = 1000

func (c *Console) newConversations(r *http.Request, ch Channel) *conversations {
	return &conversations{channel: ch, private: visitorOf(r).role == Operator, first: recent.NewMap[string, line](maxConversations)}
}

// shows reports whether the visitor may see an entry: private messages are for operators.
func (t *conversations) shows(e audit.Entry) bool { return t.private || e.Kind != audit.KindPM }

func (t *conversations) lines(entries []audit.Entry) []line {
	list := make([]line, 0, len(entries))
	for _, e := range entries {
		if t.shows(e) {
			list = append(list, t.line(e))
		}
	}
	return list
}

func (t *conversations) line(e audit.Entry) line {
	l := line{
		Entry: e, Bot: t.channel.IsBot(e.User), Traced: e.Kind == audit.KindChat || e.Kind == audit.KindPM,
	}
	if e.Rank != nil {
		l.Rank = *e.Rank
	}
	if !l.Traced || e.CorrelationID == "" {
		return l
	}
	if begin, ok := t.first.Get(e.CorrelationID); ok {
		if l.Bot {
			l.Answer = &begin
		}
		return l
	}
	if !l.Bot {
		t.first.Set(e.CorrelationID, l)
	}
	return l
}
