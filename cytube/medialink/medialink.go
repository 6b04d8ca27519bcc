// Package medialink finds out which media a link means to CyTube: the server knows media by
// a type, that of their site, and an ID.
package medialink

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// Link is media as the server knows them.
type Link struct {
	Type string // of the site, such as yt
	ID   string // there; the URL of what has no site
}

// types are those that the server takes.
var types = []string{"yt", "yp", "vi", "dm", "tw", "tv", "tc", "li", "gd", "sb", "bc", "bn", "od", "nv", "pt", "rt", "hl", "fi", "cm", "cu"}

// gone are types that the server always refuses, and why.
var gone = map[string]string{
	"sc": "CyTube takes nothing from SoundCloud any more", "us": "Ustream is gone", "hb": "Smashcast is gone", "vm": "vidme is gone",
}

// secure are the types whose ID is a URL that the server takes over https only.
var secure = []string{"fi", "cm", "hl"}

// bad returns an INVALID_INPUT error, a phrase of the text link.
func bad(why, text, message string) *event.Error {
	return event.NewPhrase(event.InvalidInput, message, "link", map[string]any{"why": why, "text": text})
}

// Check returns an INVALID_INPUT error for media that the server would never take.
func (l Link) Check() error {
	switch {
	case gone[l.Type] != "":
		return bad("gone", gone[l.Type], gone[l.Type]).With("field", "type")
	case !slices.Contains(types, l.Type):
		there := fmt.Sprintf("%q: there are %s", l.Type, strings.Join(types, ", "))
		return bad("type", there, "CyTube knows no media type "+there).With("field", "type")
	case l.ID == "":
		return bad("id", "", "the media have no ID").With("field", "id")
	}
	if slices.Contains(secure, l.Type) && !strings.HasPrefix(strings.ToLower(l.ID), "https://") {
		return bad("http", l.ID, "CyTube takes files and streams only from an https:// address, not "+l.ID).With("field", "url")
	}
	return nil
}

var (
	short   = regexp.MustCompile(`^([a-z]{2}):(.+)$`)
	scheme  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	host    = regexp.MustCompile(`^[\w-]+(\.[\w-]+)+([/?#:]|$)`)
	embed   = regexp.MustCompile(`(?i)^<(iframe|embed|object)\b`)
	prefix  = regexp.MustCompile(`^(www|m|music|mobile|web|beta)\.`)
	raw     = regexp.MustCompile(`(?i)\.(mp4|m4v|webm|ogv|ogg|mp3|m4a|flac|mov|mkv|aac|opus|wav)$`)
	stream  = regexp.MustCompile(`(?i)\.m3u8$`)
	listing = regexp.MustCompile(`(?i)\.json$`)
)

// plainWord is a word that is more likely one of a title than the ID of a video.
var plainWord = regexp.MustCompile(`^[A-Za-z][a-z]*$`)

// IsID reports whether a text may be the ID of a YouTube video, of which ten thousandths look like words.
func IsID(text string) bool { return videoID.MatchString(text) && !plainWord.MatchString(text) }

// ParseTyped reads what Parse does, and the ID of a YouTube video.
func ParseTyped(text string) (Link, error) {
	l, err := Parse(text)
	if err != nil && IsID(text) {
		return Link{"yt", text}, nil
	}
	return l, err
}

// Parse reads a link in any form that sites give out or people type, or type:ID. The error,
// INVALID_INPUT, says what is wrong with it.
func Parse(text string) (Link, error) {
	text = strings.TrimSpace(text)
	if embed.MatchString(text) {
		return Link{"cu", text}, nil
	}
	text = strings.Trim(text, "<>")
	if m := short.FindStringSubmatch(text); m != nil {
		l := Link{m[1], strings.TrimSpace(m[2])}
		return l, l.Check()
	}
	if !scheme.MatchString(text) && host.MatchString(text) {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return Link{}, bad("link", text, fmt.Sprintf("%q is not a link", text)).With("field", "url")
	}
	l, err := parse(u, text)
	if err != nil {
		return Link{}, err
	}
	return l, l.Check()
}

func parse(u *url.URL, text string) (Link, error) {
	name := strings.ToLower(u.Hostname())
	for prefix.MatchString(name) {
		name = prefix.ReplaceAllString(name, "")
	}
	var path []string
	for p := range strings.SplitSeq(u.Path, "/") {
		if p != "" {
			path = append(path, p)
		}
	}
	if of, ok := sites[name]; ok {
		l, found := of(page{path, u.Query()})
		if !found {
			return Link{}, bad("page", text, text+" is on a site that CyTube knows, and is no video there").With("field", "url")
		}
		return l, nil
	}
	switch {
	case u.Scheme == "rtmp" || u.Scheme == "rtmps":
		return Link{"rt", text}, nil
	case strings.HasSuffix(name, ".bandcamp.com") && len(path) == 2 && path[0] == "track":
		return Link{"bn", strings.TrimSuffix(name, ".bandcamp.com") + ";" + path[1]}, nil
	case u.Scheme != "https" && u.Scheme != "http":
	case stream.MatchString(u.Path):
		return Link{"hl", text}, nil
	case listing.MatchString(u.Path):
		return Link{"cm", text}, nil
	case raw.MatchString(u.Path):
		return Link{"fi", text}, nil
	default:
		if id, ok := peerTube(path); ok {
			return Link{"pt", name + ";" + id}, nil
		}
	}
	return Link{}, bad("site", text, text+" is on no site that CyTube knows, and no file that it plays; if it is a file after all, queue it by type fi and the link as id").With("field", "url")
}
