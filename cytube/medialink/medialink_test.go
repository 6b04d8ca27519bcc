package medialink_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/medialink"
	"github.com/rosey-bot/rosey/event"
)

func ExampleParse() {
	fmt.Println(medialink.Parse("https://youtu.be/dQw4w9WgXcQ?si=abc&t=42"))
	// Output: {yt dQw4w9WgXcQ} <nil>
}

func TestParse(t *testing.T) {
	t.Parallel()
	const uuid = "9c9de5e8-0a1e-484a-b099-e80766180a6d"
	for link, want := range map[string]string{
		"https://www.youtube.com/watch?v=dQw4w9WgXcQ":                        "yt dQw4w9WgXcQ",
		"https://youtu.be/dQw4w9WgXcQ?si=Zm9v&t=42":                          "yt dQw4w9WgXcQ",
		"youtu.be/dQw4w9WgXcQ":                                               "yt dQw4w9WgXcQ",
		"http://m.youtube.com/watch?feature=share&v=dQw4w9WgXcQ#t=1m":        "yt dQw4w9WgXcQ",
		"https://music.youtube.com/watch?v=dQw4w9WgXcQ&list=RDAMVMabcdefghi": "yt dQw4w9WgXcQ",
		"https://www.youtube.com/watch?list=PLabcdefghijkl&v=dQw4w9WgXcQ":    "yt dQw4w9WgXcQ",
		"https://youtube.com/shorts/dQw4w9WgXcQ?feature=share":               "yt dQw4w9WgXcQ",
		"https://www.youtube.com/live/dQw4w9WgXcQ?si=x":                      "yt dQw4w9WgXcQ",
		"https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ":                 "yt dQw4w9WgXcQ",
		"  <https://youtu.be/dQw4w9WgXcQ>  ":                                 "yt dQw4w9WgXcQ",
		"https://www.youtube.com/playlist?list=PLabcdefghijkl":               "yp PLabcdefghijkl",
		"yt:dQw4w9WgXcQ":                                            "yt dQw4w9WgXcQ",
		"https://vimeo.com/76979871":                                "vi 76979871",
		"https://vimeo.com/channels/staffpicks/76979871":            "vi 76979871",
		"https://player.vimeo.com/video/76979871?h=8272103f6e":      "vi 76979871",
		"https://www.dailymotion.com/video/x8abcde_a-slug_of_words": "dm x8abcde",
		"https://dai.ly/x8abcde":                                    "dm x8abcde",
		"https://www.twitch.tv/Monstercat":                          "tw monstercat",
		"https://m.twitch.tv/videos/1234567?t=1h":                   "tv v1234567",
		"https://www.twitch.tv/alice/clip/BraveClip-abc":            "tc BraveClip-abc",
		"https://clips.twitch.tv/BraveClip":                         "tc BraveClip",
		"https://livestream.com/accounts/12/events/34":              "li 12;34",
		"https://streamable.com/moo":                                "sb moo",
		"https://drive.google.com/file/d/0B_abc-d/view?usp=sharing": "gd 0B_abc-d",
		"https://drive.google.com/open?id=0B_abc-d":                 "gd 0B_abc-d",
		"https://www.bitchute.com/video/abcDEF123/":                 "bc abcDEF123",
		"https://www.nicovideo.jp/watch/sm9?ref=x":                  "nv sm9",
		"https://odysee.com/@alice:3/a-video:b":                     "od alice;a-video",
		"https://artist.bandcamp.com/track/a-song":                  "bn artist;a-song",
		"https://tube.example.org/w/kkGMgK9ZtnKfYAgnEtQxbv":         "pt tube.example.org;kkGMgK9ZtnKfYAgnEtQxbv",
		"https://tube.example.org/videos/watch/" + uuid:             "pt tube.example.org;" + uuid,
		"https://example.org/a.mp4?token=1":                         "fi https://example.org/a.mp4?token=1",
		"https://example.org/live.m3u8":                             "hl https://example.org/live.m3u8",
		"https://example.org/list.json":                             "cm https://example.org/list.json",
		"rtmp://example.org/live":                                   "rt rtmp://example.org/live",
		`<iframe src="https://example.org/x"></iframe>`:             `cu <iframe src="https://example.org/x"></iframe>`,
	} {
		l, err := medialink.Parse(link)
		if got := l.Type + " " + l.ID; err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", link, got, err, want)
		}
	}
}

// What the server would refuse is refused with what is wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"":                                   "not a link",
		"a cat video":                        "not a link",
		"https://soundcloud.com/a/b":         "SoundCloud",
		"https://example.org/page":           "no site",
		"https://youtube.com/@someone":       "no video",
		"https://youtu.be/short":             "no video",
		"https://www.youtube.com/watch?v=":   "no video",
		"http://example.org/a.mp4":           "https://",
		"http://example.org/a.m3u8":          "https://",
		"ftp://example.org/a.mp4":            "no site",
		"sc:x":                               "SoundCloud",
		"zz:x":                               "no media type",
		"https://livestream.com/someone/abc": "no video",
		"https://vimeo.com/features":         "no video",
	} {
		if l, err := medialink.Parse(link); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want an error with %q", link, l, err, want)
		}
	}
}

// FuzzParse gives Parse anything: it never panics, and what it accepts passes Check.
func FuzzParse(f *testing.F) {
	f.Add("https://youtu.be/dQw4w9WgXcQ")
	f.Add("https://odysee.com/@a:3/b:c")
	f.Fuzz(func(t *testing.T, link string) {
		if l, err := medialink.Parse(link); err == nil && l.Check() != nil {
			t.Errorf("%q: %+v: %v", link, l, l.Check())
		}
	})
}
