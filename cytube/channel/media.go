package channel

import "strings"

// media is what can be on the playlist. by is who queued it, "" where the frame
// does not say.
type media struct {
	id, kind, title, by string
	seconds             int
}

func (m *wireMedia) media() (media, error) {
	if m == nil {
		return media{}, missing(field{"media", true})
	}
	err := missing(field{"id", m.ID == nil}, field{"title", m.Title == nil}, field{"type", m.Type == nil})
	if err != nil {
		return media{}, err
	}
	seconds, err := integer("seconds", m.Seconds, 0)
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

// mediaKey is equal for the same media of two events.
func mediaKey(kind, url string) string { return kind + " " + url }

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
