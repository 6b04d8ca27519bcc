package localserver

import (
	"regexp"
	"slices"

	"github.com/rosey-bot/rosey/internal/markup"
)

// emote is a picture that clients show in place of a word.
type emote struct {
	Name   string `json:"name"`
	Image  string `json:"image"`
	Source string `json:"source"`
}

// emoteChange is what updateEmote, renameEmote and removeEmote have; a value that is no string counts as missing.
type emoteChange struct{ Old, Name, Image any }

// emote returns the emote that a client describes, false when it is none.
func (e emoteChange) emote() (emote, bool) {
	name, _ := e.Name.(string)
	image, _ := e.Image.(string)
	image = markup.Escape(cut(image, 1000))
	return emote{name, image, `(^|\s)` + regexp.QuoteMeta(name) + `(?!\S)`}, name != "" && image != ""
}

func (ch *Channel) emoteIndex(name any) int {
	return slices.IndexFunc(ch.emotes, func(e emote) bool { return e.Name == name })
}

// updateEmote changes the picture of an emote, or adds it.
func (ch *Channel) updateEmote(c *Session, data emoteChange) {
	e, ok := data.emote()
	if !ok {
		c.alert("Emote names and images must not be blank.")
		return
	}
	if at := ch.emoteIndex(e.Name); at >= 0 {
		ch.emotes[at] = e
	} else {
		ch.emotes = append(ch.emotes, e)
	}
	ch.broadcast("updateEmote", e)
}

func (ch *Channel) renameEmote(c *Session, data emoteChange) {
	old, isText := data.Old.(string)
	e, ok := data.emote()
	switch {
	case !isText:
		return
	case ch.emoteIndex(e.Name) >= 0:
		c.alert("Emote already exists.")
		return
	case !ok:
		c.alert("Emote names and images must not be blank.")
		return
	}
	if at := ch.emoteIndex(old); at >= 0 {
		ch.emotes[at] = e
		ch.broadcast("renameEmote", object{"old": old, "name": e.Name, "image": e.Image, "source": e.Source})
	}
}

// removeEmote removes an emote, and tells so also of one that is not there.
func (ch *Channel) removeEmote(_ *Session, data emoteChange) {
	if name, isText := data.Name.(string); isText {
		ch.emotes = slices.DeleteFunc(ch.emotes, func(e emote) bool { return e.Name == name })
		ch.broadcast("removeEmote", object{"name": name})
	}
}

type indexMove struct{ From, To int }

// moveEmote moves an emote to another place of the list, and tells nobody.
func (ch *Channel) moveEmote(_ *Session, data indexMove) { moveIndex(ch.emotes, data) }

// moveIndex moves an element; false when there is no such place.
func moveIndex[E any](list []E, m indexMove) bool {
	if min(m.From, m.To) < 0 || max(m.From, m.To) >= len(list) {
		return false
	}
	moved := list[m.From]
	rest := slices.Delete(slices.Clone(list), m.From, m.From+1)
	copy(list, slices.Insert(rest, m.To, moved))
	return true
}

// importEmotes replaces the list by the emotes that are complete.
func (ch *Channel) importEmotes(_ *Session, list []emoteChange) {
	ch.emotes = nil
	for _, data := range list {
		if e, ok := data.emote(); ok {
			ch.emotes = append(ch.emotes, e)
		}
	}
	ch.broadcast("emoteList", listOf(ch.emotes))
}

// listOf returns a list that is sent as [] when there is nothing on it.
func listOf[E any](list []E) []E { return append([]E{}, list...) }
