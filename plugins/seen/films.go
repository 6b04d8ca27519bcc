package seen

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Reel is a record of Reels: how much a channel has played, so that what somebody watched is the
// difference between when they came and when they left. Its ID is the channel.
type Reel struct {
	Channel string `json:"channel"`
	Films   int    `json:"films"`   // of which the middle was played, before what plays
	Seconds int64  `json:"seconds"` // played before what plays
	Since   int64  `json:"since"`   // ms, since when something plays, 0 if nothing does
	Middle  int64  `json:"middle"`  // ms, of what plays, 0 if that has none
	End     int64  `json:"end"`     // ms, of what plays, 0 if that has none
}

// at returns how many films and seconds the channel has played until a time. A film is one whose
// middle was played: who was there then watched it.
func (r Reel) at(ms int64) (films int, seconds int64) {
	films, seconds = r.Films, r.Seconds
	if r.Middle > 0 && ms >= r.Middle {
		films++
	}
	if r.Since > 0 {
		if r.End > 0 {
			ms = min(ms, r.End)
		}
		seconds += max(ms-r.Since, 0) / 1000
	}
	return films, seconds
}

// reelOf returns what a channel has played.
func reelOf(c *plugins.Context, channel string) (r Reel, err error) {
	err = c.DB(Reels).Get(event.ID(strings.ToLower(channel)), &r)
	if event.CodeOf(err) == event.RecordNotFound {
		err = nil
	}
	return r, err
}

// then returns what the channel has played when something else begins to play, or nothing.
func (r Reel) then(now int64) Reel {
	films, seconds := r.at(now)
	return Reel{Channel: r.Channel, Films: films, Seconds: seconds}
}

// play returns what the channel has played when an item begins to play from a position on. One
// without a length, such as a live stream, is no film.
func (r Reel) play(now int64, length, position time.Duration) Reel {
	r = r.then(now)
	r.Since = now
	if length > 0 {
		r.End = now + max(length-position, 0).Milliseconds()
	}
	if length/2 > position {
		r.Middle = now + (length/2 - position).Milliseconds()
	}
	return r
}

// wind changes what a channel has played.
func wind(c *plugins.Context, channel string, to func(Reel) Reel) error {
	var r Reel
	_, err := c.DB(Reels).Change(event.ID(strings.ToLower(channel)), &r, func() ([]event.Envelope, error) {
		r.Channel = strings.ToLower(channel)
		r = to(r)
		return nil, nil
	})
	return err
}

func filmStopped(c *plugins.Context) ([]event.Envelope, error) {
	stop, err := event.As[event.MediaStop](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	return nil, wind(c, stop.Channel, func(r Reel) Reel { return r.then(c.Now().UnixMilli()) })
}

func countFilm(c *plugins.Context) ([]event.Envelope, error) {
	m, err := event.As[event.MediaChange](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	var position float64
	_ = json.Unmarshal(m.Extra["position"], &position) // earlier releases did not say it
	err = wind(c, m.Channel, func(r Reel) Reel {
		return r.play(c.Now().UnixMilli(), time.Duration(m.Duration)*time.Second, time.Duration(position*float64(time.Second)))
	})
	if err != nil || !counted(m.QueuedBy) {
		return nil, err
	}
	var p Person
	// That an item of theirs plays does not show that they are here.
	return c.DB(People).Change(key(m.Channel, m.QueuedBy), &p, func() ([]event.Envelope, error) {
		if p.First == 0 {
			return nil, nil
		}
		before := p
		p.Films++
		return achieved(c, before, p), nil
	})
}
