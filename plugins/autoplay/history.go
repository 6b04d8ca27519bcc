package autoplay

import (
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// What is counted is read from the first event that is stored, so these handlers only modify
// records.

// changed handles cytube.media.change: what played before ended.
func changed(c *plugins.Context) ([]event.Envelope, error) {
	m, err := event.As[event.MediaChange](c.Event.Envelope)
	if err != nil {
		return nil, err
	}
	var position struct{ Position float64 }
	_ = c.Decode(&position)
	now := Play{URL: m.URL, Title: m.Title, Duration: m.Duration, Began: c.Now().Unix() - int64(position.Position)}
	return nil, ended(c, &now)
}

// stopped handles cytube.media.stop.
func stopped(c *plugins.Context) ([]event.Envelope, error) { return nil, ended(c, nil) }

// ended counts what played as played or skipped, and notes what plays now, if anything.
func ended(c *plugins.Context, now *Play) error {
	p, err := changePlaying(c, func(p *Playing) {
		if p.Now != nil {
			p.Ended = *p.Now
			p.Ended.Ref = c.Event.Ref.String()
			p.Ended.Result = p.Now.result(c.Now(), c.Event.Metadata[event.MetaFound] == true)
		}
		p.Now = now
	})
	if err != nil || p.Ended.Ref != c.Event.Ref.String() || p.Ended.Result == "" {
		return err
	}
	return count(c, p.Ended)
}

func changePlaying(c *plugins.Context, change func(*Playing)) (p Playing, err error) {
	_, err = c.DB(Playings).Change(event.ID(c.Channel()), &p, func() ([]event.Envelope, error) {
		p.Channel = c.Channel()
		change(&p)
		return nil, nil
	})
	return p, err
}

// unsure notes that nobody can tell whether what plays will be skipped.
func unsure(c *plugins.Context) ([]event.Envelope, error) {
	_, err := changePlaying(c, func(p *Playing) {
		if p.Now != nil {
			p.Now.Unsure = true
		}
	})
	return nil, err
}

// lookedAway handles cytube.connection: what happens while the bot is away, nobody knows.
func lookedAway(c *plugins.Context) ([]event.Envelope, error) {
	if on, err := event.As[event.Connection](c.Event.Envelope); err != nil || on.State != event.StateDown {
		return nil, err
	}
	return unsure(c)
}

// cutOff handles cytube.send.media.jump: what a programme cuts off is not skipped.
func cutOff(c *plugins.Context) ([]event.Envelope, error) {
	if c.Event.Meta(event.MetaSource) != streams.Durable(Name) {
		return nil, nil
	}
	return unsure(c)
}

// result returns whether media that end were played for the most part, or skipped; "" if
// nobody knows.
func (p Play) result(now time.Time, found bool) string {
	switch {
	case found || p.Duration == 0:
		return ""
	case now.Unix()-p.Began >= int64(p.Duration)/2:
		return "played"
	case p.Unsure:
		return ""
	}
	return "skipped"
}

// count counts media that ended, and the episode of a series.
func count(c *plugins.Context, p Play) error {
	_, err := changeMedia(c, p.URL, func(m *Media) []event.Envelope {
		m.Title, m.Duration, m.Last = p.Title, p.Duration, c.Now().Unix()
		m.Fails, m.Retry, m.Gone = 0, 0, ""
		if p.Result == "played" {
			m.Plays++
		} else {
			m.Skips++
		}
		return nil
	})
	if err != nil || p.Result != "played" {
		return err
	}
	series, err := programmes(c, map[string]any{"channel": c.Channel(), "series": true})
	for _, s := range series {
		if s.episode(p.URL) >= 0 {
			_, err = changeProgramme(c, s.Name, func(s *Programme) ([]event.Envelope, error) {
				if n := s.episode(p.URL); n >= 0 {
					s.Entries[n].Played = true
				}
				return nil, nil
			})
		}
		if err != nil {
			return err
		}
	}
	return err
}

// episode returns the index of the first entry with a URL that was not played, or -1.
func (p Programme) episode(url string) int {
	return slices.IndexFunc(p.Entries, func(e Entry) bool { return e.URL == url && !e.Played })
}
