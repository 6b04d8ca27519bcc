package view

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// Definition is an emote or a chat filter with the fields that the server gives it, of
// which name is one.
type Definition map[string]json.RawMessage

// NewDefinition returns a definition with a name, and the other fields of an event about
// it.
func NewDefinition(name string, fields map[string]json.RawMessage) Definition {
	d := Definition{}
	for key, value := range fields {
		if !slices.Contains(eventFields, key) {
			d[key] = value
		}
	}
	d["name"] = marshal(name)
	d.unescapeImage()
	return d
}

// UnmarshalJSON decodes a definition as the server sends it or as it is stored.
func (d *Definition) UnmarshalJSON(raw []byte) error {
	err := json.Unmarshal(raw, (*map[string]json.RawMessage)(d))
	if _, named := (*d)["name"]; named {
		(*d)["name"] = marshal(d.Name())
	}
	d.unescapeImage()
	return err
}

// unescapeImage makes the address of an emote's image what was typed: the server escapes it
// for HTML, and would escape it once more each time that it is sent back.
func (d Definition) unescapeImage() {
	var image string
	if json.Unmarshal(d["image"], &image) != nil {
		return
	}
	if typed := markup.Unescape(image); typed != image {
		d["image"] = marshal(typed)
	}
}

// eventFields are the fields of event.Definition that are not of the definition.
var eventFields = []string{"action", "name", "was", "channel", "time", "old"}

// Name returns the definition's name.
func (d Definition) Name() (name string) {
	_ = json.Unmarshal(d["name"], &name)
	return name
}

// Equal reports whether two definitions are the same.
func (d Definition) Equal(other Definition) bool {
	return (d == nil) == (other == nil) && bytes.Equal(marshal(d), marshal(other))
}

// Named returns the first definition of a name, nil if there is none.
func Named(list []Definition, name string) Definition {
	if i := place(list, name); i >= 0 {
		return list[i]
	}
	return nil
}

func place(list []Definition, name string) int {
	quoted := marshal(name)
	return slices.IndexFunc(list, func(d Definition) bool { return bytes.Equal(d["name"], quoted) })
}

// Define changes definitions as the server does: a new one comes after the others, and one
// that is renamed or changed stays in its place.
func Define(list *[]Definition, p event.Definition) {
	i := place(*list, p.Name)
	if at := place(*list, p.Was); p.Action == event.DefinitionRename && at >= 0 && at != i {
		if i >= 0 { // the server refuses that
			*list = slices.Delete(*list, i, i+1)
			at = place(*list, p.Was)
		}
		i = at
	}
	switch {
	case p.Action != event.DefinitionRemove && i >= 0:
		(*list)[i] = NewDefinition(p.Name, p.Extra)
	case p.Action != event.DefinitionRemove:
		*list = append(*list, NewDefinition(p.Name, p.Extra))
	case i >= 0:
		*list = slices.Delete(*list, i, i+1)
	}
}

// redefine changes definitions if they are known.
func redefine(list *[]Definition, p event.Definition) {
	if *list != nil {
		Define(list, p)
	}
}

// IsOrdered reports whether the elements of a part are in the channel's order. Of emotes and
// filters earlier releases stored only which there are.
func (v *View) IsOrdered(part string) bool {
	return part == PartPlaylist || slices.Contains(v.Ordered, part)
}

// SetOrdered sets whether the emotes or the filters are in the channel's order.
func (v *View) SetOrdered(part string, ordered bool) {
	if part != PartEmotes && part != PartFilters || ordered == v.IsOrdered(part) {
		return
	}
	list := slices.DeleteFunc(slices.Clone(v.Ordered), func(p string) bool { return p == part })
	if ordered {
		list = append(list, part)
		slices.Sort(list)
	}
	v.Ordered = list
}
