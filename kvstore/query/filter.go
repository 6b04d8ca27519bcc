package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// A Filter decides which records match: database.query's filter, parsed.
//
// Fields are compared by the order of values (see appendOrdered). A missing
// field equals null. $gt, $gte, $lt and $lte match only values of the operand's
// own type, and $ne, $nin and $not match all that their opposite does not.
type Filter struct {
	op   byte // & all of subs, | any of subs, ! not the one of subs, ? the test
	subs []Filter
	test test
}

// A test is one condition on one field.
type test struct {
	field  field
	spans  []span                           // match any of them…
	match  func(value string, ok bool) bool // …or this, where it is set
	within []span                           // holds all that match can be true for; nil for no bound
}

// A field is a path into a record.
type field struct {
	name string   // as written, a.b
	path []string // quoted member names
}

var idField = field{"id", []string{`"id"`}}

func newField(name string) (field, error) {
	parts, err := jsondoc.ParsePath(name)
	if err != nil {
		return field{}, err
	}
	f := field{name: name}
	for _, part := range parts {
		f.path = append(f.path, string(jsondoc.AppendQuoted(nil, part)))
	}
	return f, nil
}

// appendValue appends the encoding of a record's value at the field.
func (f field) appendValue(b []byte, data string) []byte {
	value, ok := jsondoc.Lookup(data, f.path)
	if !ok {
		return append(b, tagNull)
	}
	return appendOrdered(b, value)
}

// ParseFilter reads a filter; a nil one matches everything. Errors are
// INVALID_INPUT and name what is wrong.
func ParseFilter(raw json.RawMessage) (Filter, error) {
	if raw == nil {
		return Filter{op: '&'}, nil
	}
	n, err := jsondoc.ParseObject(raw)
	if err == nil {
		var f Filter
		if f, err = parseConditions(&n); err == nil {
			return f, nil
		}
	}
	return Filter{}, event.Errorf(event.InvalidInput, "filter: %w", err).With("field", "filter")
}

func parseConditions(n *jsondoc.Value) (Filter, error) {
	all := Filter{op: '&'}
	for i := range n.Children {
		child := &n.Children[i]
		switch {
		case child.Name == "$and" || child.Name == "$or":
			if child.Kind != '[' || len(child.Children) == 0 {
				return all, fmt.Errorf("%s must be a list of one or more filters", child.Name)
			}
			list := Filter{op: '&'}
			if child.Name == "$or" {
				list.op = '|'
			}
			for j := range child.Children {
				sub, err := parseSub(child.Name, &child.Children[j])
				if err != nil {
					return all, err
				}
				list.subs = append(list.subs, sub)
			}
			all.subs = append(all.subs, list.united())
		case child.Name == "$not":
			sub, err := parseSub("$not", child)
			if err != nil {
				return all, err
			}
			all.subs = append(all.subs, Filter{op: '!', subs: []Filter{sub}})
		case strings.HasPrefix(child.Name, "$"):
			return all, fmt.Errorf("unknown operator %s: between fields there are $and, $or and $not", child.Name)
		default:
			f, err := newField(child.Name)
			if err != nil {
				return all, err
			}
			conditions, err := parseField(f, child)
			if err != nil {
				return all, err
			}
			all.subs = append(all.subs, conditions...)
		}
	}
	return all, nil
}

// united merges an $or whose branches all test the same field into one test of it, as
// $in would be, and returns any other filter unchanged.
func (f Filter) united() Filter {
	if f.op != '|' {
		return f
	}
	var all []span
	var of field
	for i, sub := range f.subs {
		conditions := sub.conditions(nil)
		if slices.ContainsFunc(conditions, func(c *Filter) bool { return c.op != '?' || c.test.match != nil }) {
			return f
		}
		b := boundsOf(conditions)
		if len(b) != 1 || i > 0 && b[0].field.name != of.name {
			return f
		}
		all, of = append(all, b[0].spans...), b[0].field
	}
	return spans(of, unite(all)...)
}

func parseSub(op string, n *jsondoc.Value) (Filter, error) {
	if n.Kind != '{' {
		return Filter{}, fmt.Errorf("%s takes filters, which are objects, not %s", op, n.Kind)
	}
	return parseConditions(n)
}

// parseField reads what a filter has for a field: a value to equal, or an object
// of operators.
func parseField(f field, n *jsondoc.Value) ([]Filter, error) {
	count := 0
	for i := range n.Children {
		if n.Kind == '{' && strings.HasPrefix(n.Children[i].Name, "$") {
			count++
		}
	}
	if count == 0 {
		return []Filter{equal(f, n)}, nil
	}
	var out []Filter
	for i := range n.Children {
		child := &n.Children[i]
		parse, known := operators[child.Name]
		if child.Name == "$not" {
			parse, known = parseNot, true
		}
		if !known {
			if !strings.HasPrefix(child.Name, "$") {
				return nil, fmt.Errorf("%s: operators and fields cannot be mixed: %q", f.name, child.Name)
			}
			return nil, fmt.Errorf("%s: unknown operator %s: there are %s", f.name, child.Name, strings.Join(operatorNames, ", "))
		}
		sub, err := parse(f, child)
		if err != nil {
			return nil, fmt.Errorf("%s: %s %w", f.name, child.Name, err)
		}
		out = append(out, sub)
	}
	return out, nil
}

// Matches reports whether a record's canonical data matches. The scratch buffer
// is the caller's to reuse.
func (f *Filter) Matches(data string, scratch *[]byte) bool {
	switch f.op {
	case '&':
		for i := range f.subs {
			if !f.subs[i].Matches(data, scratch) {
				return false
			}
		}
		return true
	case '|':
		for i := range f.subs {
			if f.subs[i].Matches(data, scratch) {
				return true
			}
		}
		return false
	case '!':
		return !f.subs[0].Matches(data, scratch)
	}
	t := &f.test
	value, ok := jsondoc.Lookup(data, t.field.path)
	if t.match != nil {
		return t.match(value, ok)
	}
	b := (*scratch)[:0]
	if ok {
		b = appendOrdered(b, value)
	} else {
		b = append(b, tagNull)
	}
	*scratch = b
	if len(t.spans) > 8 {
		i, found := slices.BinarySearchFunc(t.spans, b, func(s span, b []byte) int { return bytes.Compare([]byte(s.lo), b) })
		return found || i > 0 && t.spans[i-1].contains(b)
	}
	for _, s := range t.spans {
		if s.contains(b) {
			return true
		}
	}
	return false
}
