package autoplay

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// most is how many media of the Library are chosen from, for one source.
const most = 500

// short reports whether the playlist runs short.
func short(s Settings, state *plugins.State) bool {
	if !s.Filler || state.Playlist == nil {
		return false
	}
	behind := len(state.Playlist)
	if at := state.Current(); at >= 0 {
		behind -= at + 1
	}
	return behind < s.FillerBelow
}

// chooseFiller chooses what to add, or returns why there is nothing.
func chooseFiller(c *plugins.Context, s Settings, state *plugins.State) (m Media, why string, err error) {
	list, err := candidates(c, s.FillerFrom)
	if err != nil {
		return m, "", err
	}
	r := rules{now: c.Now(), repeat: s.FillerRepeat, longest: s.FillerMax, on: map[string]bool{}, loosen: s.FillerStuck == "loosen"}
	for _, i := range state.Playlist {
		r.on[i.URL] = true
	}
	m, none := choose(list, r, c.Rand())
	return m, none.tell(c, s), nil
}

// candidates returns the media of sources of filler, each once.
func candidates(c *plugins.Context, sources []string) (all []Media, err error) {
	seen := map[string]bool{}
	for _, source := range sources {
		list, err := candidatesOf(c, strings.TrimSpace(source))
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			if !seen[m.URL] {
				seen[m.URL] = true
				all = append(all, m)
			}
		}
	}
	return all, nil
}

func candidatesOf(c *plugins.Context, source string) (list []Media, err error) {
	filter := map[string]any{"channel": c.Channel()}
	tag, isTag := strings.CutPrefix(source, "tag:")
	switch {
	case isTag:
		filter["tags"] = map[string]any{"$contains": plugins.Fold(strings.TrimSpace(tag))}
	case source == "played":
		filter["plays"] = map[string]any{"$gt": 0}
	default:
		return named(c, source)
	}
	_, err = c.DB(Library).Find(plugins.Query{Filter: filter, OrderBy: "score, last", Limit: most}, &list)
	return list, err
}

// named returns the media of a programme or a saved playlist.
func named(c *plugins.Context, name string) ([]Media, error) {
	var urls []string
	p, ok, err := findProgramme(c, name)
	if err != nil {
		return nil, err
	}
	for _, e := range p.Entries {
		urls = append(urls, e.URL)
	}
	if !ok {
		if urls, err = savedList(c, name); err != nil {
			return nil, err
		}
	}
	list := make([]Media, 0, len(urls))
	for urls := range slices.Chunk(urls, most) {
		var known []Media
		filter := map[string]any{"channel": c.Channel(), "url": map[string]any{"$in": urls}}
		if _, err := c.DB(Library).Find(plugins.Query{Filter: filter, Limit: most}, &known); err != nil {
			return nil, err
		}
		for _, url := range urls {
			m := Media{Channel: c.Channel(), URL: url}
			if n := slices.IndexFunc(known, func(m Media) bool { return m.URL == url }); n >= 0 {
				m = known[n]
			}
			list = append(list, m)
		}
	}
	return list, nil
}

// nextFiller returns what is to be asked so that the playlist does not run short.
func (ch *Channel) nextFiller(c *plugins.Context, s Settings, wanted bool, pick Media, why string, silent bool) []event.Envelope {
	if !wanted || !ch.wantsFiller(c.Now()) {
		return nil
	}
	if pick.URL == "" && silent { // nothing plays
		return ch.saysStuck(c, s, why)
	}
	if pick.URL == "" {
		return nil
	}
	ask := c.Queue(pick.URL).Because("filler")
	if s.Temporary {
		ask = ask.Temporarily()
	}
	return ch.asks(c, Asked{What: queueStep, URL: pick.URL}, ask)
}

// noteOutcome notes what came of media in the Library: so that what failed for a while is
// tried later, and what is gone is set aside.
func noteOutcome(c *plugins.Context, s Settled) ([]event.Envelope, error) {
	return changeMedia(c, s.URL, func(m *Media) []event.Envelope {
		switch s.Verdict {
		case isDone, isTwice:
			m.Fails, m.Retry, m.Gone = 0, 0, ""
		case isLost:
			if m.Gone = s.Reason; m.Gone == "" {
				m.Gone = "refused"
			}
			return c.Emit(kindSetAside, map[string]any{"url": m.URL, "channel": m.Channel, "reason": m.Gone})
		case isUnfit:
			m.Retry = c.Now().Add(24 * time.Hour).Unix()
		case isPassing:
			*m = m.failed(c.Now())
		}
		return nil
	})
}
