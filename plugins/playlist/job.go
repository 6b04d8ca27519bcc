package playlist

import (
	"time"

	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// job is something that takes many sends: they are asked for a few at a time, at the pace of
// the server, and a restart goes on where it was.
type job struct {
	ID      string  `json:"id"` // the correlation ID of its command, and of all its sends
	User    string  `json:"user" mark:"person"`
	Private bool    `json:"private"`
	Title   string  `json:"title" mark:"text"` // what it does
	At      int64   `json:"at"`                // ms, of the last outcome
	Out     int     `json:"out"`               // sends whose outcome is not known
	Total   int     `json:"total"`             // items to be queued
	Done    int     `json:"done"`              // of them
	Failed  int     `json:"failed"`
	Why     string  `json:"why" mark:"text"` // the last of them failed
	Denied  bool    `json:"denied"`          // the bot may not do a step
	Queue   []saved `json:"queue"`           // what is to be queued at the end
	Undo    *revert `json:"undo"`            // or what is to be undone
}

const (
	batch     = 10               // sends that are asked for at once
	abandoned = 10 * time.Minute // after which a job without an outcome is over
)

// busy returns an error while the channel has a job.
func (r *record) busy(c *plugins.Context) error {
	if j := r.Job; j != nil && c.Now().UnixMilli()-j.At < abandoned.Milliseconds() {
		return c.Refuse(event.PluginError, settings(c).Busy, plugins.Values{"work": j.Title, "done": j.Done, "count": j.Total, "prefix": c.Prefix()})
	}
	return nil
}

// start begins a job. It returns nothing where there is nothing to do.
func (r *record) start(c *plugins.Context, j job) ([]event.Envelope, error) {
	j.ID, j.User, j.Private, j.At = c.Event.CorrelationID, c.Command.User, c.Command.Private, c.Now().UnixMilli()
	r.Job = &j
	sends, err := r.more(c)
	if err != nil {
		return nil, err
	}
	if len(sends) == 0 {
		why := ""
		if r.Job.Denied {
			why = r.Job.Why
		}
		if r.Job = nil; why != "" {
			return nil, c.Refuse(event.PermissionDenied, settings(c).NotBegun, plugins.Values{"work": j.Title, "reason": why})
		}
		return nil, nil
	}
	if j.Total > batch {
		sends = append(c.SayText(settings(c).Begun, plugins.Values{"work": j.Title, "count": j.Total}), sends...)
	}
	return sends, nil
}

// more returns the next sends of the job.
func (r *record) more(c *plugins.Context) (sends []event.Envelope, err error) {
	j := r.Job
	if j.Undo != nil {
		sends, err = r.undoMore(c)
	} else {
		for _, i := range j.Queue[:min(batch, len(j.Queue))] {
			sends = append(sends, i.send(c, j.User)...)
		}
		j.Queue = j.Queue[min(batch, len(j.Queue)):]
	}
	j.Out = len(sends)
	return sends, err
}

// advance takes the outcome of one of the job's sends.
func (r *record) advance(c *plugins.Context, set Settings, o event.Delivery) (out []event.Envelope, err error) {
	j := r.Job
	j.Out--
	j.At = c.Now().UnixMilli()
	switch queued := o.Subject == event.SubjectSendMediaQueue; {
	case o.Status == event.DeliveryDone && queued:
		if j.Done++; j.Done%set.SayProgress == 0 && j.Done < j.Total {
			out = j.tell(c, set, set.Progress)
		}
	case o.Status != event.DeliveryDone && o.Status != event.DeliveryAlready:
		j.Failed, j.Why = j.Failed+1, why(c, set, o)
	}
	if j.Out > 0 {
		return out, nil
	}
	sends, err := r.more(c)
	if err != nil || len(sends) > 0 {
		return append(out, sends...), err
	}
	r.Job = nil
	if j.Why != "" {
		j.Failed = max(j.Failed, j.Total-j.Done)
		j.Total = max(j.Total, j.Done+j.Failed)
	}
	return append(out, j.tell(c, set, set.Finished)...), nil
}

// tell says how far the job is.
func (j *job) tell(c *plugins.Context, set Settings, text plugins.Text) []event.Envelope {
	values := plugins.Values{"work": j.Title, "done": j.Done, "count": j.Total, "failed": j.Failed, "reason": j.Why}
	return c.Tell(plugins.Recipient{User: j.User, Private: j.Private || set.Quiet}, c.Render(text, values))
}

// saved is an item of a saved playlist.
type saved struct {
	URL      string `json:"url" mark:"text"`
	Type     string `json:"type"`
	ID       string `json:"id" mark:"text"` // to the server
	Title    string `json:"title" mark:"text"`
	Duration int    `json:"duration"`
}

func (i saved) link() medialink.Link { return medialink.Link{Type: i.Type, ID: i.ID} }

func (i saved) send(c *plugins.Context, user string) []event.Envelope {
	return c.Ask(event.SubjectSendMediaQueue, event.SendMediaQueue{
		Type: i.Type, ID: i.ID, Position: event.PositionEnd, Title: i.Title, Duration: float64(i.Duration),
	}).For(user).Events()
}

// stop handles !undo stop.
func stop(c *plugins.Context) ([]event.Envelope, error) {
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		j := r.Job
		if j == nil {
			return nil, c.Refuse(event.RecordNotFound, settings(c).Idle, nil)
		}
		r.Job = nil
		return c.SayText(settings(c).Stopped, plugins.Values{"work": j.Title, "done": j.Done, "count": j.Total}), nil
	})
}
