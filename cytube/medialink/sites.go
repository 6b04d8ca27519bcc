package medialink

import (
	"net/url"
	"regexp"
	"strings"
)

// page is a page of a site.
type page struct {
	path  []string
	query url.Values
}

// at returns a part of the path, "" if there is none.
func (p page) at(i int) string {
	if i < len(p.path) {
		return p.path[i]
	}
	return ""
}

// last returns the last part of the path.
func (p page) last() string {
	if len(p.path) == 0 {
		return ""
	}
	return p.path[len(p.path)-1]
}

// sites map the names of hosts to what their pages mean.
var sites = map[string]func(page) (Link, bool){
	"youtube.com": youTube, "youtube-nocookie.com": youTube,
	"youtu.be":         func(p page) (Link, bool) { return youTubeID(p.at(0)) },
	"vimeo.com":        vimeo,
	"player.vimeo.com": vimeo,
	"dailymotion.com": func(p page) (Link, bool) {
		if p.at(0) == "embed" {
			p.path = p.path[1:]
		}
		return dailymotion(p.at(1), p.at(0) == "video")
	},
	"geo.dailymotion.com": func(p page) (Link, bool) { return dailymotion(p.query.Get("video"), true) },
	"dai.ly":              func(p page) (Link, bool) { return dailymotion(p.at(0), true) },
	"twitch.tv":           twitch,
	"clips.twitch.tv":     func(p page) (Link, bool) { return word("tc", first(p.query.Get("clip"), p.at(0))) },
	"player.twitch.tv": func(p page) (Link, bool) {
		if video := p.query.Get("video"); video != "" {
			return word("tv", "v"+strings.TrimPrefix(video, "v"))
		}
		return word("tw", strings.ToLower(p.query.Get("channel")))
	},
	"livestream.com": func(p page) (Link, bool) {
		ok := p.at(0) == "accounts" && p.at(2) == "events" && digits.MatchString(p.at(1)) && digits.MatchString(p.at(3))
		return Link{"li", p.at(1) + ";" + p.at(3)}, ok
	},
	"soundcloud.com":   func(page) (Link, bool) { return Link{Type: "sc", ID: "-"}, true }, // Check says why
	"streamable.com":   func(p page) (Link, bool) { return word("sb", p.last()) },
	"drive.google.com": drive, "docs.google.com": drive,
	"bitchute.com": func(p page) (Link, bool) {
		return word("bc", iff(p.at(0) == "video" || p.at(0) == "embed", p.at(1)))
	},
	"nicovideo.jp": func(p page) (Link, bool) { return word("nv", iff(p.at(0) == "watch", p.at(1))) },
	"nico.ms":      func(p page) (Link, bool) { return word("nv", p.at(0)) },
	"odysee.com": func(p page) (Link, bool) {
		user, video := claim(p.at(0)), claim(p.at(1))
		return Link{"od", strings.TrimPrefix(user, "@") + ";" + video}, strings.HasPrefix(user, "@") && len(user) > 1 && video != ""
	},
}

var (
	videoID  = regexp.MustCompile(`^[A-Za-z0-9_-]{11}$`)
	listID   = regexp.MustCompile(`^[A-Za-z0-9_-]{12,}$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
	anyWord  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	longUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	shortID  = regexp.MustCompile(`^[A-Za-z0-9]{22}$`)
)

func word(kind, id string) (Link, bool) { return Link{kind, id}, anyWord.MatchString(id) }

func iff(ok bool, text string) string {
	if ok {
		return text
	}
	return ""
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func youTubeID(id string) (Link, bool) {
	id, _, _ = strings.Cut(id, "&") // as in youtu.be/ID&t=5
	return Link{"yt", id}, videoID.MatchString(id)
}

// youTube prefers the video of a page to the list that it is played from.
func youTube(p page) (Link, bool) {
	switch p.at(0) {
	case "shorts", "live", "embed", "v", "e":
		return youTubeID(p.at(1))
	case "watch", "playlist":
		if id := first(p.query.Get("v"), p.at(1)); id != "" {
			return youTubeID(id)
		}
		list := p.query.Get("list")
		return Link{"yp", list}, listID.MatchString(list)
	case "attribution_link":
		if u, err := url.Parse(p.query.Get("u")); err == nil {
			return youTubeID(u.Query().Get("v"))
		}
	}
	return Link{}, false
}

// vimeo takes the number, of a page in a channel, group or album too.
func vimeo(p page) (Link, bool) {
	for _, part := range p.path {
		if digits.MatchString(part) {
			return Link{"vi", part}, true
		}
	}
	return Link{}, false
}

// dailymotion cuts off the title after the ID.
func dailymotion(id string, ok bool) (Link, bool) {
	id, _, _ = strings.Cut(id, "_")
	l, valid := word("dm", id)
	return l, ok && valid
}

func twitch(p page) (Link, bool) {
	switch {
	case p.at(1) == "clip":
		return word("tc", p.at(2))
	case p.at(0) == "videos":
		return Link{"tv", "v" + p.at(1)}, digits.MatchString(p.at(1))
	case len(p.path) == 1:
		return word("tw", strings.ToLower(p.at(0)))
	}
	return Link{}, false
}

func drive(p page) (Link, bool) {
	switch p.at(0) {
	case "file":
		return word("gd", iff(p.at(1) == "d", p.at(2)))
	case "open", "uc":
		return word("gd", p.query.Get("id"))
	}
	return Link{}, false
}

// claim cuts off the number of an Odysee name, as in @user:3.
func claim(part string) string {
	name, _, _ := strings.Cut(strings.ReplaceAll(part, "#", ":"), ":")
	return name
}

// peerTube returns the ID of a video on any PeerTube site.
func peerTube(path []string) (id string, ok bool) {
	switch {
	case len(path) == 2 && path[0] == "w":
		id = path[1]
	case len(path) == 3 && path[0] == "videos" && (path[1] == "watch" || path[1] == "embed"):
		id = path[2]
	}
	return id, longUUID.MatchString(id) || shortID.MatchString(id)
}
