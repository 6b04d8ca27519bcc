package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/rosey-bot/rosey/event"
)

// pageBytes bounds the value of one cytube.state, so that its event fits into a message.
const pageBytes = 256 << 10

// States returns the payloads of the cytube.state events that say what a part is: one, or
// one for each page of a long list.
func (v *View) States(part string, ms int64) []event.State {
	value := v.Part(part)
	pages := []json.RawMessage{value}
	if len(value) > pageBytes {
		pages = paged(value)
	}
	sum := sha256.Sum256(value)
	var states []event.State
	for i, page := range pages {
		states = append(states, event.State{
			Part: part, Value: page, Page: i + 1, Pages: len(pages), Hash: hex.EncodeToString(sum[:16]), Channel: v.Channel, Time: ms,
			Ordered: part != PartPlaylist && v.IsOrdered(part),
		})
	}
	return states
}

// paged splits a JSON list. Another value stays whole.
func paged(value json.RawMessage) (pages []json.RawMessage) {
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil {
		return []json.RawMessage{value}
	}
	page := []byte{'['}
	for _, e := range elements {
		if len(page) > 1 && len(page)+len(e) >= pageBytes {
			pages = append(pages, append(page, ']'))
			page = []byte{'['}
		}
		if len(page) > 1 {
			page = append(page, ',')
		}
		page = append(page, e...)
	}
	return append(pages, append(page, ']'))
}

// state takes a part, once all its pages came.
func (v *View) state(p event.State, _ stored) {
	if p.Value == nil {
		p.Value = json.RawMessage("null")
	}
	if p.Page == 1 || v.pages == nil {
		if v.pages == nil {
			v.pages = map[string][]json.RawMessage{}
		}
		v.pages[p.Part] = nil
	}
	v.pages[p.Part] = append(v.pages[p.Part], p.Value)
	if p.Page < p.Pages || len(v.pages[p.Part]) != p.Pages {
		return
	}
	value := p.Value
	if p.Pages > 1 {
		value = joined(v.pages[p.Part])
	}
	delete(v.pages, p.Part)
	if v.setPart(p.Part, value) != nil {
		return
	}
	v.SetOrdered(p.Part, p.Ordered)
	if p.Part == PartPlaylist {
		for _, i := range v.Playlist {
			v.NextUID = max(v.NextUID, i.UID+1)
		}
	}
}

// joined makes one list of pages.
func joined(pages []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, page := range pages {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(bytes.TrimSuffix(bytes.TrimPrefix(page, []byte("[")), []byte("]")))
	}
	b.WriteByte(']')
	return b.Bytes()
}

// Whole reports whether no cytube.state is waiting for more of its pages.
func (v *View) Whole() bool { return len(v.pages) == 0 }
