package cytube

import "strings"

// pages are the addresses at which the media of a type can be seen, with the
// media's id in place of {}. The id of a type that is not listed is an address
// itself.
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

// mediaURL makes a page's address of a media's type and id; the id where there
// is none to make.
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
