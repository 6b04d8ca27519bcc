package localserver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/internal/scenetest"
)

// firstScenes begin with a server of their own.
var firstScenes = []string{"join.1", "delete.1", "leader.2", "chat.1", "setChannelRank.4"}

// notReproduced are the scenes that this server does not play as the real one did, and why.
var notReproduced = map[string]string{
	"/ipban-NAME-range.1": "the addresses that carol was seen from are not recorded",
	"searchMedia.1":       "YouTube is not searched",
	"seeplaylist.1":       "YouTube is not searched",
	"readChanLog.1":       "there is no log",
	"setChannelCSS.2":     "the frames are not recorded in full",
	"channel-password.1":  "a moderator who logs in at the door is told of the rank later, and then everybody is",
	"leader.2":            "the login came while the channel was being loaded",
}

// newStage starts a server as the scene that begins with it had it.
func newStage(t *testing.T, ctx context.Context, scene string) *stage {
	t.Helper()
	channel := map[bool]string{true: "trial", false: "cinema"}[scene != "join.1" && scene != "chat.1"]
	cfg := Config{
		Channels:   []ChannelConfig{{Name: channel, Ranks: map[string]float64{"boss": 5, "ada": 3, "mona": 2, "rosey": 2}}},
		GuestDelay: time.Minute,
		Lookup:     sceneLookup,
		List: func(string) ([]Media, error) {
			return []Media{sceneVideo("plA0000100"), sceneVideo("plB0000110"), sceneVideo("plC0000120")}, nil
		},
	}
	for _, name := range []string{"boss", "ada", "mona", "alice", "rosey", "bob", "carol", "dave", "site"} {
		a := Account{Name: name, Password: "secret"}
		if name == "site" {
			a.Rank = 255
		}
		cfg.Accounts = append(cfg.Accounts, a)
	}
	server, err := start(cfg, time.Hour) // the scenes' own clock
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{Server: server, t: t, ctx: ctx, channel: channel, conns: map[string]*actor{}, told: map[string][]string{}}
	s.edit(func(ch *Channel) { ch.setFilters(nil) })
	return s
}

func sceneVideo(id string) Media {
	seconds := 200
	if digits := regexp.MustCompile(`\d+$`).FindString(id); digits != "" {
		seconds, _ = strconv.Atoi(digits)
	}
	return Media{ID: id, Type: "yt", Title: "Video " + id, Seconds: seconds}
}

// sceneLookup stands in for the media hosts of the recording.
func sceneLookup(kind, id string) (Media, error) {
	name := path.Base(id)
	digits := regexp.MustCompile(`\d+`).FindString(name)
	switch {
	case kind == "yt":
		return sceneYouTube(id)
	case kind == "fi" && strings.HasSuffix(name, ".mp4"):
		seconds, _ := strconv.Atoi(digits)
		return Media{ID: id, Type: kind, Title: "File " + digits, Seconds: seconds, Meta: object{"codec": "mov/h264", "bitrate": 800}}, nil
	case kind == "fi":
		return Media{}, errors.New("The requested link could not be found (404).")
	case kind == "cm" && strings.Contains(name, "source=ip"):
		return Media{}, errors.New(`URL hostname must be a domain name, not an IP address (invalid: "https://127.0.0.1:9443/a.mp4")`)
	case kind == "cm" && strings.HasSuffix(name, ".json"):
		seconds, _ := strconv.Atoi(digits)
		link := object{"link": "https://media.example.com/a.mp4", "contentType": "video/mp4", "quality": 720}
		return Media{ID: id, Type: kind, Title: "Manifest " + name, Seconds: seconds, Meta: object{"direct": object{"720": []any{link}}}}, nil
	case kind == "cm":
		return Media{}, errors.New("Expected HTTP 200 OK, not 404 Not Found")
	}
	for kinds, message := range map[string]string{
		"vi": "getaddrinfo ENOTFOUND vimeo.com", "dm": "Service unavailable", "gd": "getaddrinfo ENOTFOUND docs.google.com",
		"sb": "getaddrinfo ENOTFOUND api.streamable.com", "tc tv": "Client ID not set for Twitch API",
		"pt":    "Unrecognized peertube host 127.0.0.1; ask an administrator to regenerate the peertube domain list",
		"bc":    "getaddrinfo ENOTFOUND www.bitchute.com",
		"bn":    "getaddrinfo ENOTFOUND a.bandcamp.com",
		"od nv": "An unexpected error occurred.",
	} {
		if strings.Contains(kinds, kind) {
			return Media{}, errors.New(message)
		}
	}
	return Media{}, fmt.Errorf("no stand-in for %s", kind)
}

func sceneYouTube(id string) (Media, error) {
	m := sceneVideo(id)
	for prefix, message := range map[string]string{
		"gone":  "Video does not exist or is private",
		"noemb": "The uploader has made this video non-embeddable",
		"age":   "Cannot add age restricted videos. See: https://github.com/calzoneman/sync/wiki/Frequently-Asked-Questions#why-dont-age-restricted-youtube-videos-work",
		"quota": "YouTube videos are temporarily unavailable due to the website exceeding the YouTube API quota.  Quota resets daily at midnight Pacific Time",
		"abcdefghijk": "The YouTube API now requires an API key.  Please see the documentation for youtube-v3-key in " +
			"config.template.yaml",
	} {
		if strings.HasPrefix(id, prefix) {
			return Media{}, errors.New(message)
		}
	}
	if strings.HasPrefix(id, "blk") {
		m.Meta = object{"restricted": []string{"DE", "FR"}}
	}
	return m, nil
}

// edit changes the channel of the scenes behind the clients' backs.
func (s *stage) edit(f func(*Channel)) { s.Do(s.channel, f) }

// list makes the playlist what a scene began with: items of the owner, of which the first one plays.
func (s *stage) list(prefix string, items int, first int) {
	s.edit(func(ch *Channel) {
		l := &ch.list
		l.items, l.current, l.count, l.seconds, l.nextUID, ch.skip = nil, nil, 0, 0, first, nil
		for i := range items {
			_, _ = ch.AddMedia(sceneVideo(fmt.Sprintf("%s%cxxx00300", prefix, 'a'+i)), "boss")
		}
	})
}

func (s *stage) playing(uid int, position float64) {
	s.edit(func(ch *Channel) {
		ch.list.current = ch.list.items[ch.list.index(uid)]
		ch.list.position, ch.list.paused = position, position < 0
	})
}

func (s *stage) rank(rank float64, names ...string) {
	s.edit(func(ch *Channel) {
		for _, name := range names {
			ch.setRank(name, rank)
		}
	})
}

// advance lets the player run.
func (s *stage) advance(seconds int) {
	s.edit(func(ch *Channel) {
		now := ch.list.moved
		for range seconds {
			now = now.Add(time.Second)
			ch.tickPlayer(now)
		}
	})
	s.settle("")
}

// later does what the clock would have done by then, the player apart.
func (s *stage) later(after time.Duration) {
	s.edit(func(ch *Channel) {
		ch.list.stopped = true
		ch.tick(time.Now().Add(after))
	})
	s.settle("")
}

// prepare makes the channel and the clients what a scene began with. The frames of that are forgotten.
func (s *stage) prepare(frames []scenetest.Frame) {
	s.t.Helper()
	scene := frames[0].Scene
	present := []string{"owner", "admin", "mod", "user", "guest", "bot"}
	for _, f := range frames {
		if _, known := nameOf[f.Conn]; known && f.Conn != "dup" && !slices.Contains(present, f.Conn) {
			present = append(present, f.Conn)
		}
	}
	for _, conn := range present {
		switch {
		case entersByItself(frames, conn) || slices.Contains(absent[scene], conn):
			s.exit(conn)
		case s.conns[conn] == nil || s.conns[conn].off:
			s.edit(func(ch *Channel) { ch.Unban(nameOf[conn]); delete(s.guests, "127.0.3.35") })
			s.enter(conn)
		}
	}
	if given := givens[scene]; given != nil {
		given(s)
	}
	s.mu.Lock()
	for c := range s.sessions {
		c.chatLimit, c.queueLimit = limiter{}, limiter{}
	}
	s.mu.Unlock()
	s.settle("")
	clear(s.told)
}

// entersByItself reports whether a client joins in the scene, in place of being there before.
func entersByItself(frames []scenetest.Frame, conn string) bool {
	i := slices.IndexFunc(frames, func(f scenetest.Frame) bool { return f.Conn == conn })
	return i >= 0 && (frames[i].Event == "joinChannel" || frames[i].Event == "rank" && string(frames[i].Args[0]) == "-1")
}

// cue does what happened unseen before a frame of the recording.
func (s *stage) cue(frames []scenetest.Frame, at int) {
	f := frames[at]
	n := 0
	for _, earlier := range frames[:at+1] {
		if earlier.Conn == f.Conn && earlier.Dir == f.Dir && earlier.Event == f.Event {
			n++
		}
	}
	if act := cues[fmt.Sprintf("%s %s %s %s %d", f.Scene, f.Conn, f.Dir, f.Event, n)]; act != nil {
		act(s)
		s.settle("")
	}
}
