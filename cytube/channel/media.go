package channel

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
)

// media is an item of the playlist, or what plays, of which the server does not say the
// rest. by is who queued it, "" where the frame does not say.
type media struct {
	id, kind, title, by string
	seconds             int
	uid                 int
	temp                bool
	page                string // the URL, of what a stored event has
}

// noUID is the uid of what plays where no item of the playlist is known to be that.
const noUID = -1

// url returns the URL of the media's page.
func (m media) url() string { return cmp.Or(m.page, mediaURL(m.kind, m.id)) }

func (s *State) setCurrent(f *fold) error {
	uid, err := read[int](f.args)
	if err == nil {
		s.current = uid
	}
	return err
}

// changeMedia records the media that play, with who queued them. While joining, the
// media that played before are no change, and neither are those that go on when the
// playlist was shuffled.
func (s *State) changeMedia(f *fold) error {
	w, err := read[*wireMedia](f.args)
	if err != nil {
		return err
	}
	m, err := w.media()
	if err != nil {
		return err
	}
	if item := s.playlist.item(s.current); item.same(m) {
		m.by = item.by
	}
	if s.playing.same(m) && (s.joining || s.goesOn) {
		s.goesOn = false
		s.position(f, w.CurrentTime, w.Paused && w.CurrentTime >= 0)
		return nil
	}
	if m.uid = noUID; s.playlist.item(s.current).same(m) {
		m.uid = s.current
	}
	s.playing, s.goesOn, s.votes, s.voted = m, false, wireVote{}, false
	s.clock.set(w.CurrentTime, w.Paused && w.CurrentTime >= 0, f)
	extra := event.Extra{"position": marshal(s.clock.said.Position), "began": marshal(!s.joining && w.CurrentTime <= 0)}
	if m.uid != noUID {
		extra["uid"] = marshal(m.uid)
	}
	if s.clock.said.Paused {
		extra["paused"] = marshal(true)
	}
	f.emit(event.SubjectMediaChange, event.MediaChange{
		Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, Channel: s.channel, QueuedBy: m.by, Extra: extra,
	})
	return nil
}

// same reports whether two are of the same media.
func (m media) same(o media) bool { return m.kind == o.kind && m.url() == o.url() }

// equal reports whether two items are the same to a view.
func (m media) equal(o media) bool { return m.toView() == o.toView() }

func (m media) toView() view.Item {
	return view.Item{UID: m.uid, Title: m.title, URL: m.url(), Type: m.kind, Duration: m.seconds, QueuedBy: m.by, Temp: m.temp}
}

// clock is the position of what plays. Media begin 3 s before their beginning, paused,
// which is no pause.
type clock struct {
	position float64 // at the time, below 0 before the beginning
	at       time.Time
	said     event.MediaPosition // as the events have it
	saidAt   int64
}

func (c *clock) set(position float64, paused bool, f *fold) {
	c.position, c.at = position, f.at
	c.said = event.MediaPosition{Position: max(position, 0), Paused: paused}
	c.saidAt = f.at.Round(time.Millisecond).UnixMilli()
}

// expected returns where time alone brought the position.
func (c *clock) expected(at time.Time) float64 {
	if c.said.Paused {
		return c.position
	}
	return c.position + at.Sub(c.at).Seconds()
}

// positionTolerance is by how many seconds the position may depart from what time alone
// gives.
const positionTolerance = 3

// mediaUpdate comes every 5 s.
func (s *State) mediaUpdate(f *fold) error {
	w, err := read[wireMedia](f.args)
	if err == nil {
		_, err = integer("currentTime", w.CurrentTime, -1<<20)
	}
	if err == nil {
		s.position(f, w.CurrentTime, w.Paused)
	}
	return err
}

// position records that what plays was paused, goes on, or is elsewhere.
func (s *State) position(f *fold, position float64, paused bool) {
	kind := ""
	switch {
	case s.playing == media{}, position < 0:
	case paused && !s.clock.said.Paused:
		kind = event.PositionPause
	case !paused && s.clock.said.Paused:
		kind = event.PositionResume
	case s.playing.seconds == 0 && position == s.clock.said.Position: // the server does not count it
	case math.Abs(position-s.clock.expected(f.at)) > positionTolerance:
		kind = event.PositionSeek
	}
	if kind == "" {
		return
	}
	s.clock.set(position, paused, f)
	p := s.clock.said
	p.Kind, p.Channel, p.Time = kind, s.channel, f.ms()
	f.emit(event.SubjectMediaPosition, p)
}

// stopped records that nothing plays any more, which the server does not say.
func (s *State) stopped(f *fold) {
	m := s.playing
	if m == (media{}) {
		return
	}
	s.playing, s.current = media{}, -1
	s.votes = wireVote{}
	f.emit(event.SubjectMediaStop, event.MediaStop{Title: m.title, URL: m.url(), Type: m.kind, Channel: s.channel, Time: f.ms()})
}

// media checks media that play: without id and type nothing tells which they are.
func (m *wireMedia) media() (media, error) {
	if m == nil {
		return media{}, missing(field{"media", true})
	}
	return m.known(), missing(field{"id", m.ID == nil}, field{"type", m.Type == nil})
}

// known returns what a frame says of media; a length that none can have is no length.
func (m *wireMedia) known() (known media) {
	if m == nil {
		return media{}
	}
	for text, from := range map[*string]*string{&known.id: m.ID, &known.kind: m.Type, &known.title: m.Title} {
		if from != nil {
			*text = *from
		}
	}
	if seconds, err := integer("seconds", m.Seconds, 0); err == nil {
		known.seconds = int(seconds)
	}
	return known
}

// item returns an item of the playlist, which is known by its uid.
func (i *wireItem) item() (media, error) {
	if i == nil || i.UID == nil {
		return media{}, missing(field{"uid", true})
	}
	m := i.Media.known()
	m.by, m.uid, m.temp = i.QueueBy, *i.UID, i.Temp
	return m, nil
}

// pages maps a media type to the URL of its pages, with {} for the id. The ids of
// other types are URLs themselves.
var pages = map[string]string{
	"yt": "https://youtube.com/watch?v={}",
	"vi": "https://vimeo.com/{}",
	"dm": "https://dailymotion.com/video/{}",
	"tw": "https://twitch.tv/{}",
	"tc": "https://clips.twitch.tv/{}",
	"li": "https://livestream.com/{}",
	"us": "https://ustream.tv/channel/{}",
	"hb": "https://smashcast.tv/{}",
	"gd": "https://drive.google.com/file/d/{}",
	"sb": "https://streamable.com/{}",
	"bc": "https://bitchute.com/video/{}",
	"nv": "https://nicovideo.jp/watch/{}",
}

// mediaURL returns the URL of the media's page, or the id where none is known.
func mediaURL(kind, id string) string {
	if page, ok := pages[kind]; ok {
		return strings.Replace(page, "{}", id, 1)
	}
	first, second, ok := strings.Cut(id, ";")
	if !ok {
		return id
	}
	switch kind {
	case "pt": // PeerTube: host;uuid
		return "https://" + first + "/videos/watch/" + second
	case "bn": // Bandcamp: artist;track
		return "https://" + first + ".bandcamp.com/track/" + second
	case "od": // Odysee: user;video
		return "https://odysee.com/@" + first + "/" + second
	}
	return id
}
