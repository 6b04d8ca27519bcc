package localserver

import (
	"crypto/md5"
	"encoding/base64"
	"strings"

	"golang.org/x/net/html"
)

// longestStyle is to how many UTF-16 units the message of the day, the style and the script are cut.
const longestStyle = 20_000

func (ch *Channel) setMOTD(_ *Session, data struct{ MOTD string }) {
	ch.motd = sanitize(cut(data.MOTD, longestStyle))
	ch.broadcast("setMotd", ch.motd)
}

func (ch *Channel) setCSS(_ *Session, data struct{ CSS string }) {
	ch.setStyle(&ch.css, data.CSS)
}

func (ch *Channel) setJS(_ *Session, data struct{ JS string }) {
	ch.setStyle(&ch.js, data.JS)
}

func (ch *Channel) setStyle(at *string, text string) {
	if text = cut(text, longestStyle); text != *at {
		*at = text
		ch.broadcast("channelCSSJS", ch.style())
	}
}

func (ch *Channel) style() object {
	hash := func(text string) string {
		sum := md5.Sum([]byte(text))
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	return object{"css": ch.css, "cssHash": hash(ch.css), "js": ch.js, "jsHash": hash(ch.js)}
}

// sanitize takes scripts and what would run them out of HTML. It is not as strict as the real server's list of what is
// allowed.
func sanitize(text string) string {
	var out strings.Builder
	skipped := ""
	for tokens := html.NewTokenizer(strings.NewReader(text)); ; {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return out.String()
		}
		token := tokens.Token()
		switch {
		case skipped != "":
			if kind == html.EndTagToken && token.Data == skipped {
				skipped = ""
			}
		case kind == html.TextToken:
			out.WriteString(textEscaper.Replace(token.Data))
		case token.Data == "script" || token.Data == "style" || token.Data == "iframe":
			if kind == html.StartTagToken {
				skipped = token.Data
			}
		case kind == html.StartTagToken || kind == html.SelfClosingTagToken:
			out.WriteString(startTag(token))
		case kind == html.EndTagToken:
			out.WriteString("</" + token.Data + ">")
		}
	}
}

// textEscaper escapes what must be outside of tags.
var textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// startTag writes a start tag without its handlers of events.
func startTag(t html.Token) string {
	out := "<" + t.Data
	for _, a := range t.Attr {
		if !strings.HasPrefix(a.Key, "on") {
			out += " " + a.Key + `="` + escapeAttribute.Replace(a.Val) + `"`
		}
	}
	if t.Data == "img" || t.Data == "br" || t.Data == "hr" {
		return out + " />"
	}
	return out + ">"
}

var escapeAttribute = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;")
