package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Change is a difference between two views.
type Change struct {
	Part string          `json:"part"`
	Op   string          `json:"op"`            // +, - or ~
	Key  string          `json:"key,omitempty"` // which element of the part: a name, a URL; empty for the part itself
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

// Line returns the change as one line of text, its values shortened by shorten.
func (c Change) Line(shorten func(string) string) string {
	short := func(value []byte) string { return shorten(short(c.Part, value)) }
	what := c.Part
	if c.Key != "" {
		what += " " + c.Key
	}
	switch {
	case c.Old == nil && c.New == nil:
		return c.Op + " " + what
	case c.Op == Added:
		return fmt.Sprintf("+ %s: %s", what, short(c.New))
	case c.Op == Removed:
		return fmt.Sprintf("- %s: %s", what, short(c.Old))
	}
	return fmt.Sprintf("~ %s: %s → %s", what, short(c.Old), short(c.New))
}

// The Ops of a Change.
const (
	Added   = "+"
	Removed = "-"
	Changed = "~"
)

// Diff returns the changes from one view to another, by part. It leaves out parts that
// either of them does not know.
func Diff(from, to *View) (changes []Change) {
	for _, part := range Parts() {
		before, after := from.Part(part), to.Part(part)
		if bytes.Equal(before, after) || isUnknown(part, before) || isUnknown(part, after) {
			continue
		}
		was, order := elements(part, before)
		is, newOrder := elements(part, after)
		all := slices.AppendSeq(slices.Collect(maps.Keys(was)), maps.Keys(is))
		slices.Sort(all)
		for _, key := range slices.Compact(all) {
			c := Change{Part: part, Key: key, Old: was[key], New: is[key]}
			switch {
			case c.Old == nil:
				c.Op = Added
			case c.New == nil:
				c.Op = Removed
			case !bytes.Equal(c.Old, c.New):
				c.Op = Changed
			default:
				continue
			}
			changes = append(changes, c)
		}
		if !from.IsOrdered(part) || !to.IsOrdered(part) {
			continue
		}
		if order, newOrder = among(is, order), among(was, newOrder); !slices.Equal(order, newOrder) {
			changes = append(changes, Change{Part: part, Op: Changed, Key: KeyOrder, Old: marshal(order), New: marshal(newOrder)})
		}
	}
	return changes
}

// KeyOrder is the key of a change of the order of the elements that a part had and has: Old
// and New are the lists of their names.
const KeyOrder = "order"

// IsOrder reports whether the change is one of the order, and not of an element.
func (c Change) IsOrder() bool { return c.Key == KeyOrder && bytes.HasPrefix(c.Old, []byte("[")) }

// among returns the keys that a map has.
func among(all map[string]json.RawMessage, keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return all[key] == nil })
}

// isUnknown reports whether a part is not known. That there is no poll is known.
func isUnknown(part string, value json.RawMessage) bool {
	return part != PartPoll && string(value) == "null"
}

// elements returns the elements of a part by name, and their names in order. Another value
// than a list or an object is one element without a name.
func elements(part string, value json.RawMessage) (all map[string]json.RawMessage, order []string) {
	all = map[string]json.RawMessage{}
	var list []map[string]json.RawMessage
	switch {
	case string(value) == "null" || string(value) == `""`:
	case json.Unmarshal(value, &list) == nil:
		for _, e := range list {
			delete(e, "uid") // another server process gives others
			key := text(e["url"])
			if part != PartPlaylist {
				key = cmp.Or(text(e["name"]), text(e["id"]))
			}
			for n := 2; all[key] != nil; n++ {
				key = key + " #" + strconv.Itoa(n)
			}
			all[key], order = marshal(e), append(order, key)
		}
	case part == PartPoll || json.Unmarshal(value, &all) != nil:
		all = map[string]json.RawMessage{"": value}
	}
	return all, order
}

// text returns a JSON value as text: a string without its quotes.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
