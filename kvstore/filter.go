package kvstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
)

// A filter decides which records match: database.query's filter, parsed.
//
// Fields are compared by the order of values (see appendOrdered). A missing
// field equals null. $gt, $gte, $lt and $lte match only values of the operand's
// own type, and $ne, $nin and $not match all that their opposite does not.
type filter struct {
	op   byte // & all of subs, | any of subs, ! not the one of subs, ? the test
	subs []filter
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
	if name == "" {
		return field{}, errors.New("a field's name must not be empty")
	}
	f := field{name: name}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return field{}, fmt.Errorf("field %q: a part between dots must not be empty", name)
		}
		f.path = append(f.path, string(appendQuoted(nil, part)))
	}
	return f, nil
}

// appendValue appends the encoding of a record's value at the field.
func (f field) appendValue(b []byte, data string) []byte {
	value, ok := lookup(data, f.path)
	if !ok {
		return append(b, tagNull)
	}
	return appendOrdered(b, value)
}

// parseFilter reads a filter; a nil one matches everything. Errors are
// INVALID_INPUT and name what is wrong.
func parseFilter(raw json.RawMessage) (filter, error) {
	if raw == nil {
		return filter{op: '&'}, nil
	}
	n, err := parseRecord(raw)
	if err == nil {
		var f filter
		if f, err = parseConditions(&n); err == nil {
			return f, nil
		}
	}
	return filter{}, event.Errorf(event.InvalidInput, "filter: %w", err).With("field", "filter")
}

func parseConditions(n *node) (filter, error) {
	all := filter{op: '&'}
	for i := range n.kids {
		kid := &n.kids[i]
		switch {
		case kid.name == "$and" || kid.name == "$or":
			if kid.kind != '[' || len(kid.kids) == 0 {
				return all, fmt.Errorf("%s must be a list of one or more filters", kid.name)
			}
			list := filter{op: '&'}
			if kid.name == "$or" {
				list.op = '|'
			}
			for j := range kid.kids {
				sub, err := parseSub(kid.name, &kid.kids[j])
				if err != nil {
					return all, err
				}
				list.subs = append(list.subs, sub)
			}
			all.subs = append(all.subs, list.united())
		case kid.name == "$not":
			sub, err := parseSub("$not", kid)
			if err != nil {
				return all, err
			}
			all.subs = append(all.subs, filter{op: '!', subs: []filter{sub}})
		case strings.HasPrefix(kid.name, "$"):
			return all, fmt.Errorf("unknown operator %s: between fields there are $and, $or and $not", kid.name)
		default:
			f, err := newField(kid.name)
			if err != nil {
				return all, err
			}
			conditions, err := parseField(f, kid)
			if err != nil {
				return all, err
			}
			all.subs = append(all.subs, conditions...)
		}
	}
	return all, nil
}

// united is an $or whose branches are about one field as one test of that field,
// as $in would have it; any other filter is what it is.
func (f filter) united() filter {
	if f.op != '|' {
		return f
	}
	var all []span
	var of field
	for i, sub := range f.subs {
		conditions := sub.conditions(nil)
		if slices.ContainsFunc(conditions, func(c *filter) bool { return c.op != '?' || c.test.match != nil }) {
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

func parseSub(op string, n *node) (filter, error) {
	if n.kind != '{' {
		return filter{}, fmt.Errorf("%s takes filters, which are objects, not %s", op, kindName(n.kind))
	}
	return parseConditions(n)
}

// parseField reads what a filter has for a field: a value to equal, or an object
// of operators.
func parseField(f field, n *node) ([]filter, error) {
	count := 0
	for i := range n.kids {
		if n.kind == '{' && strings.HasPrefix(n.kids[i].name, "$") {
			count++
		}
	}
	if count == 0 {
		return []filter{equal(f, n)}, nil
	}
	var out []filter
	for i := range n.kids {
		kid := &n.kids[i]
		parse, known := operators[kid.name]
		if kid.name == "$not" {
			parse, known = parseNot, true
		}
		if !known {
			if !strings.HasPrefix(kid.name, "$") {
				return nil, fmt.Errorf("%s: operators and fields cannot be mixed: %q", f.name, kid.name)
			}
			return nil, fmt.Errorf("%s: unknown operator %s: there are %s", f.name, kid.name, strings.Join(operatorNames, ", "))
		}
		sub, err := parse(f, kid)
		if err != nil {
			return nil, fmt.Errorf("%s: %s %w", f.name, kid.name, err)
		}
		out = append(out, sub)
	}
	return out, nil
}

var operatorNames = []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$like", "$ilike", "$contains", "$not"}

// operators reads the operators' operands. $not is missing from the table: it
// reads operators itself.
var operators = map[string]func(field, *node) (filter, error){
	"$eq": func(f field, n *node) (filter, error) { return equal(f, n), nil },
	"$ne": func(f field, n *node) (filter, error) { return negate(equal(f, n)), nil },
	"$in": oneOf,
	"$nin": func(f field, n *node) (filter, error) {
		in, err := oneOf(f, n)
		return negate(in), err
	},
	"$gt":       compare(func(kind span, operand string) span { return span{lo: after(operand), hi: kind.hi} }),
	"$gte":      compare(func(kind span, operand string) span { return span{lo: operand, hi: kind.hi} }),
	"$lt":       compare(func(kind span, operand string) span { return span{lo: kind.lo, hi: operand} }),
	"$lte":      compare(func(kind span, operand string) span { return span{lo: kind.lo, hi: after(operand)} }),
	"$exists":   exists,
	"$like":     like(false),
	"$ilike":    like(true),
	"$contains": contains,
}

func parseNot(f field, n *node) (filter, error) {
	subs, err := parseField(f, n)
	return negate(filter{op: '&', subs: subs}), err
}

func negate(f filter) filter { return filter{op: '!', subs: []filter{f}} }

func spans(f field, s ...span) filter { return filter{op: '?', test: test{field: f, spans: s}} }

// encode is the encoding of an operand. A record's id 42 is 42 and "42".
func encode(f field, n *node) string {
	if f.name == idField.name && n.kind == '"' {
		return string(appendOrderedID(nil, event.ID(unquote(n.text))))
	}
	return string(appendOrdered(nil, n.String()))
}

func equal(f field, n *node) filter { return spans(f, point(encode(f, n))) }

func oneOf(f field, n *node) (filter, error) {
	if n.kind != '[' {
		return filter{}, fmt.Errorf("takes a list, not %s", kindName(n.kind))
	}
	var points []span
	for i := range n.kids {
		points = append(points, point(encode(f, &n.kids[i])))
	}
	slices.SortFunc(points, func(a, b span) int { return strings.Compare(a.lo, b.lo) })
	return spans(f, slices.Compact(points)...), nil
}

// compare makes a range operator; cut takes its part of the operand's type.
func compare(cut func(kind span, operand string) span) func(field, *node) (filter, error) {
	return func(f field, n *node) (filter, error) {
		switch n.kind {
		case '0', '"', 't', 'f':
		default:
			return filter{}, fmt.Errorf("takes a number, a string, true or false, not %s", kindName(n.kind))
		}
		operand := encode(f, n)
		return spans(f, cut(kindSpan(operand), operand)), nil
	}
}

func exists(f field, n *node) (filter, error) {
	if n.kind != 't' && n.kind != 'f' {
		return filter{}, fmt.Errorf("takes true or false, not %s", kindName(n.kind))
	}
	want := n.kind == 't'
	return filter{op: '?', test: test{field: f, match: func(_ string, ok bool) bool { return ok == want }}}, nil
}

// like makes $like and $ilike: % stands for any text, _ for one character, and \
// takes the special meaning from the character behind it.
func like(fold bool) func(field, *node) (filter, error) {
	return func(f field, n *node) (filter, error) {
		if n.kind != '"' {
			return filter{}, fmt.Errorf("takes a pattern, which is a string, not %s", kindName(n.kind))
		}
		p := newPattern(unquote(n.text), fold)
		t := test{field: f, match: func(value string, ok bool) bool {
			return ok && value[0] == '"' && p.match(unquote(value))
		}}
		if p.prefix != "" && !fold && strings.IndexByte(p.prefix, 0) < 0 {
			lo := string(append([]byte{tagString}, p.prefix...))
			t.within = []span{{lo: lo, hi: after(lo)}}
		}
		return filter{op: '?', test: t}, nil
	}
}

// contains matches a string with the operand in it, or a list with an element
// that equals the operand.
func contains(f field, n *node) (filter, error) {
	operand := []byte(encode(field{}, n))
	text, isText := "", n.kind == '"'
	if isText {
		text = unquote(n.text)
	}
	return filter{op: '?', test: test{field: f, match: func(value string, ok bool) bool {
		if !ok {
			return false
		}
		if value[0] == '"' {
			return isText && strings.Contains(unquote(value), text)
		}
		if value[0] != '[' {
			return false
		}
		var scratch [64]byte
		for i := 1; value[i] != ']'; {
			end := skip(value, i)
			if bytes.Equal(appendOrdered(scratch[:0], value[i:end]), operand) {
				return true
			}
			if i = end; value[i] == ',' {
				i++
			}
		}
		return false
	}}}, nil
}

// matches reports whether a record's canonical data matches. The scratch buffer
// is the caller's to reuse.
func (f *filter) matches(data string, scratch *[]byte) bool {
	switch f.op {
	case '&':
		for i := range f.subs {
			if !f.subs[i].matches(data, scratch) {
				return false
			}
		}
		return true
	case '|':
		for i := range f.subs {
			if f.subs[i].matches(data, scratch) {
				return true
			}
		}
		return false
	case '!':
		return !f.subs[0].matches(data, scratch)
	}
	t := &f.test
	value, ok := lookup(data, t.field.path)
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
