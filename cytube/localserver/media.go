package localserver

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Media is something to watch.
type Media struct {
	ID      string // what the site of its type knows it by, or its URL
	Type    string // yt, vi, dm, …
	Title   string
	Seconds int            // 0 for live media
	Meta    map[string]any // what the server tells of it besides; "restricted" are countries where it is blocked
}

func (m Media) pack() object {
	meta := m.Meta
	if meta == nil {
		meta = object{}
	}
	return object{
		"id": m.ID, "title": m.Title, "seconds": m.Seconds, "duration": clock(m.Seconds), "type": m.Type, "meta": meta,
	}
}

// clock formats seconds as CyTube does: 03:20, 01:02:03, and --:-- for live media.
func clock(seconds int) string {
	switch {
	case seconds == 0:
		return "--:--"
	case seconds < 3600:
		return fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// mediaType is what the server knows of a type of media.
type mediaType struct {
	link string // to a piece of media, with its ID for the verb
	live string // the title of live media, which are not looked up
}

var mediaTypes = map[string]mediaType{
	"yt": {link: "https://youtu.be/%s"},
	"yp": {},
	"vi": {link: "https://vimeo.com/%s"},
	"dm": {link: "https://dailymotion.com/video/%s"},
	"gd": {link: "https://docs.google.com/file/d/%s"},
	"tc": {link: "https://clips.twitch.tv/%s"},
	"tv": {},
	"sb": {link: "https://streamable.com/%s"},
	"bc": {link: "https://www.bitchute.com/video/%s/"},
	"nv": {link: "https://www.nicovideo.jp/watch/%s"},
	"pt": {link: "https://%s/videos/watch/%s"},
	"bn": {link: "https://%s.bandcamp.com/track/%s"},
	"od": {link: "https://odysee.com/@%s/%s"},
	"sc": {link: "%s"},
	"fi": {link: "%s"},
	"cm": {link: "%s"},
	"cu": {},
	"tw": {link: "https://twitch.tv/%s", live: "Twitch.tv - %s"},
	"li": {link: "https://livestream.com/%s", live: "Livestream.com"},
	"rt": {link: "%s", live: "Livestream"},
	"hl": {link: "%s", live: "Livestream"},
}

// isLive reports whether media of a type need the permission for live media.
func isLive(kind string) bool { return kind == "cu" || mediaTypes[kind].live != "" }

// mediaLink returns the address of a piece of media; "" where the server makes none.
func mediaLink(kind, id string) string {
	link := mediaTypes[kind].link
	if strings.Count(link, "%s") == 2 {
		first, second, _ := strings.Cut(id, ";")
		return fmt.Sprintf(link, first, second)
	}
	return strings.ReplaceAll(link, "%s", id)
}

// find returns the media that a client asks for: what the server knows by itself, and what must be looked up. A type that
// is no single piece of media brings several. The lock is not held.
func (c Config) find(kind, id string) ([]Media, error) {
	t, known := mediaTypes[kind]
	switch {
	case !known:
		return nil, refusal("Unknown media type '" + kind + "'")
	case kind == "sc":
		return nil, refusal("Soundcloud is not supported anymore due to requiring OAuth but not accepting new API key registrations.")
	case kind == "hl" && !strings.HasPrefix(id, "https://"):
		return nil, refusal("HLS links must start with HTTPS due to browser security policy.  See https://git.io/vpDLK for details.")
	case kind == "fi" && !strings.HasPrefix(id, "https://"):
		return nil, refusal("Raw file playback is only supported for links accessible via HTTPS. Ensure that the link begins with 'https://'.")
	case t.live != "":
		return []Media{{ID: id, Type: kind, Title: strings.ReplaceAll(t.live, "%s", id)}}, nil
	case kind == "cu":
		m, err := embed(id)
		return []Media{m}, err
	case kind == "yp":
		return c.List(id)
	}
	m, err := c.Lookup(kind, id)
	return []Media{m}, err
}

var iframe = regexp.MustCompile(`(?i)<iframe[^>]*\bsrc="([^"]*)"`)

// embed returns the media of an iframe tag.
func embed(tag string) (Media, error) {
	match := iframe.FindStringSubmatch(tag)
	switch {
	case match == nil:
		return Media{}, refusal("Invalid embed.  Input must be an <iframe> tag")
	case !strings.HasPrefix(match[1], "https://"):
		return Media{}, refusal("Invalid embed. Embed source must be HTTPS, plain HTTP is not supported.")
	}
	sum := sha256.Sum256([]byte(tag))
	return Media{
		ID: "cu:" + base64.StdEncoding.EncodeToString(sum[:]), Type: "cu", Title: "Custom Media",
		Meta: object{"embed": object{"tag": "iframe", "src": html.UnescapeString(match[1])}},
	}, nil
}
