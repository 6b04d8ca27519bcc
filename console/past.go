package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// pastBody is what the page of a channel's past shows.
type pastBody struct {
	Channel string
	At      string // as it was typed
	When    time.Time
	Failed  string     // what is wrong with At
	Parts   []pastPart // as they were
	Plan    []pastStep // that makes them so again
	Can     int        // steps that the bot can do
	Restore []string   // the parts that can be restored
	Running *restoringBody
	rights
}

type pastPart struct {
	Name  string
	Known bool
	Lines []string
}

type pastStep struct{ Line, Cannot string }

// restoringBody is how far a restore has come.
type restoringBody struct {
	When        time.Time
	Parts       string
	Done, Total int       // of a round
	Ended       time.Time // zero while it runs
	Undo        time.Time // what the channel was before it
	Failed      string
	Refused     []string
	Left        int // differences
}

// shownLines is how many lines of a part the page shows.
const shownLines = 500

func (c *Console) pastBody(r *http.Request) (any, error) {
	ch := c.channel(r)
	body := pastBody{
		Channel: ch.Name, At: strings.TrimSpace(r.FormValue("at")), Restore: restore.Parts(), Running: c.restores.of(ch.Name), rights: c.auth.rights(r),
	}
	if body.At == "" {
		return body, nil
	}
	at, err := pastTime(body.At)
	if err != nil {
		body.Failed = err.Error()
		return body, nil //nolint:nilerr // the page shows it
	}
	body.When = at
	m, err := past.At(r.Context(), c.js, ch.Name, at)
	if err != nil {
		return nil, err
	}
	if m.Empty() {
		body.Failed = "nothing is known of the channel then: no event says it"
		return body, nil
	}
	for _, part := range view.Parts() {
		value := m.Part(part)
		lines := view.Lines(part, value)
		body.Parts = append(body.Parts, pastPart{Name: part, Known: string(value) != "null" || part == view.PartPoll, Lines: lines[:min(len(lines), shownLines)]})
	}
	restorer, err := c.restorer(r.Context(), ch.Name, at, restore.Parts())
	if err != nil {
		return nil, err
	}
	steps, err := restorer.Plan(r.Context())
	for _, s := range steps {
		body.Plan = append(body.Plan, pastStep{Line: lineOf(s), Cannot: s.Cannot})
		if s.Cannot == "" {
			body.Can++
		}
	}
	return body, err
}

func lineOf(s restore.Step) string {
	return s.Line(func(value string) string { return plugins.Shorten(value, 200) })
}

// pastTime reads a time that is over.
func pastTime(text string) (time.Time, error) {
	at, err := replay.ParseTime(text, time.Now())
	if err == nil && at.After(time.Now()) {
		err = event.Errorf(event.InvalidInput, "%s lies in the future", at.Local().Format(time.DateTime))
	}
	return at, err
}

func (c *Console) restorer(ctx context.Context, channel string, at time.Time, parts []string) (restore.Restorer, error) {
	bot, err := cytube.BotOf(ctx, c.js, channel)
	return restore.Restorer{Bus: c.Bus, Channel: strings.ToLower(channel), Bot: bot, At: at, Parts: parts}, err
}

// restore begins to make parts of a channel what they were. It goes on after the answer, and
// the page shows how far it is.
func (c *Console) restore(w http.ResponseWriter, r *http.Request) error {
	ch := c.channel(r)
	at, err := pastTime(r.PostFormValue("at"))
	if err != nil {
		return event.AsError(err, event.InvalidInput)
	}
	parts := r.PostForm["part"]
	if len(parts) == 0 {
		return event.Errorf(event.InvalidInput, "say what is to be restored: %s", strings.Join(restore.Parts(), ", "))
	}
	for _, part := range parts {
		if err := restore.CheckPart(part); err != nil {
			return err
		}
	}
	if r.PostFormValue("confirm") == "" {
		return c.confirm(w, r, "Make "+strings.Join(parts, ", ")+" what they were at "+at.Local().Format(time.DateTime)+"?")
	}
	restorer, err := c.restorer(r.Context(), ch.Name, at, parts)
	if err != nil {
		return err
	}
	restorer.For = operatorOf(r)
	ctx := propagation.WithCorrelation(c.serving, cmp.Or(propagation.Correlation(r.Context()), event.NewCorrelationID()))
	if !c.restores.begin(ctx, restorer) {
		return event.Errorf(event.PluginError, "something is being restored in the channel already: wait until it is done")
	}
	return redirect(w, r, "The restore runs: see below", "/channel/past?channel="+ch.Name+"&at="+at.UTC().Format(time.RFC3339Nano))
}

// restores are those that run or ran last, by channel.
type restores struct {
	mu      sync.Mutex
	all     map[string]*restoringBody
	running sync.WaitGroup
}

// of returns how far the last restore of a channel has come, nil if there was none.
func (s *restores) of(channel string) *restoringBody {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.all[strings.ToLower(channel)]
	if last == nil {
		return nil
	}
	now := *last
	now.Refused = slices.Clone(last.Refused)
	return &now
}

// begin runs a restore, unless one runs in the channel.
func (s *restores) begin(ctx context.Context, r restore.Restorer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.all[r.Channel]; last != nil && last.Ended.IsZero() {
		return false
	}
	b := &restoringBody{When: r.At, Parts: strings.Join(r.Parts, ", "), Undo: time.Now()}
	if s.all == nil {
		s.all = map[string]*restoringBody{}
	}
	s.all[r.Channel] = b
	r.Done = func(step restore.Step, d event.Delivery, n, total int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		b.Done, b.Total = n, total
		if d.Status != event.DeliveryDone && d.Status != event.DeliveryAlready {
			b.Refused = append(b.Refused, lineOf(step)+": "+d.Status+" "+d.Reason)
		}
	}
	s.running.Go(func() {
		left, err := r.Run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		b.Ended, b.Left = time.Now(), len(left)
		if err != nil {
			b.Failed = err.Error()
		}
	})
	return true
}

func (c *Console) restoringBody(r *http.Request) (any, error) {
	return c.restores.of(c.channel(r).Name), nil
}
