package query

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

var operatorNames = []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$like", "$ilike", "$alike", "$contains", "$not"}

// operators reads the operators' operands. $not is missing from the table: it
// reads operators itself.
var operators = map[string]func(field, *jsondoc.Value) (Filter, error){
	"$eq": func(f field, n *jsondoc.Value) (Filter, error) { return equal(f, n), nil },
	"$ne": func(f field, n *jsondoc.Value) (Filter, error) { return negate(equal(f, n)), nil },
	"$in": oneOf,
	"$nin": func(f field, n *jsondoc.Value) (Filter, error) {
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
	"$alike":    alike,
	"$contains": contains,
}

func parseNot(f field, n *jsondoc.Value) (Filter, error) {
	subs, err := parseField(f, n)
	return negate(Filter{op: '&', subs: subs}), err
}

func negate(f Filter) Filter { return Filter{op: '!', subs: []Filter{f}} }

// spans returns a test of a field for any of the spans; without any, nothing matches.
func spans(f field, s ...span) Filter {
	if s == nil {
		s = []span{}
	}
	return Filter{op: '?', test: test{field: f, spans: s}}
}

// encode returns the encoding of an operand. A record's id 42 is 42 and "42".
func encode(f field, n *jsondoc.Value) string {
	if f.name == idField.name && n.Kind == '"' {
		return string(appendOrderedID(nil, event.ID(jsondoc.Unquote(n.Text))))
	}
	return string(appendOrdered(nil, n.String()))
}

func equal(f field, n *jsondoc.Value) Filter { return spans(f, point(encode(f, n))) }

func oneOf(f field, n *jsondoc.Value) (Filter, error) {
	if n.Kind != '[' {
		return Filter{}, fmt.Errorf("takes a list, not %s", n.Kind)
	}
	var points []span
	for i := range n.Children {
		points = append(points, point(encode(f, &n.Children[i])))
	}
	slices.SortFunc(points, func(a, b span) int { return strings.Compare(a.lo, b.lo) })
	return spans(f, slices.Compact(points)...), nil
}

// compare makes a range operator; cut takes its part of the operand's type.
func compare(cut func(kind span, operand string) span) func(field, *jsondoc.Value) (Filter, error) {
	return func(f field, n *jsondoc.Value) (Filter, error) {
		switch n.Kind {
		case '0', '"', 't', 'f':
		default:
			return Filter{}, fmt.Errorf("takes a number, a string, true or false, not %s", n.Kind)
		}
		operand := encode(f, n)
		return spans(f, cut(kindSpan(operand), operand)), nil
	}
}

func exists(f field, n *jsondoc.Value) (Filter, error) {
	if n.Kind != 't' && n.Kind != 'f' {
		return Filter{}, fmt.Errorf("takes true or false, not %s", n.Kind)
	}
	want := n.Kind == 't'
	return Filter{op: '?', test: test{field: f, match: func(_ string, ok bool) bool { return ok == want }}}, nil
}

// like makes $like and $ilike: % stands for any text, _ for one character, and \
// takes the special meaning from the character after it.
func like(fold bool) func(field, *jsondoc.Value) (Filter, error) {
	return func(f field, n *jsondoc.Value) (Filter, error) {
		if n.Kind != '"' {
			return Filter{}, fmt.Errorf("takes a pattern, which is a string, not %s", n.Kind)
		}
		p, prefix, err := newPattern(jsondoc.Unquote(n.Text), fold)
		if err != nil {
			return Filter{}, fmt.Errorf("takes a shorter pattern: %w", err)
		}
		t := test{field: f, match: func(value string, ok bool) bool {
			return ok && value[0] == '"' && p.MatchString(jsondoc.Unquote(value))
		}}
		if prefix != "" && !fold && strings.IndexByte(prefix, 0) < 0 {
			lo := string(append([]byte{tagString}, prefix...))
			t.within = []span{{lo: lo, hi: after(lo)}}
		}
		return Filter{op: '?', test: t}, nil
	}
}

// alike is $like between the keys of the pattern and of the text; see fold.Key.
func alike(f field, n *jsondoc.Value) (Filter, error) {
	if n.Kind != '"' {
		return Filter{}, fmt.Errorf("takes a pattern, which is a string, not %s", n.Kind)
	}
	p, _, err := newPattern(fold.Key(jsondoc.Unquote(n.Text)), false)
	if err != nil {
		return Filter{}, fmt.Errorf("takes a shorter pattern: %w", err)
	}
	return Filter{op: '?', test: test{field: f, match: func(value string, ok bool) bool {
		return ok && value[0] == '"' && p.MatchString(fold.Key(jsondoc.Unquote(value)))
	}}}, nil
}

// contains matches a string with the operand in it, or a list with an element
// that equals the operand.
func contains(f field, n *jsondoc.Value) (Filter, error) {
	operand := []byte(encode(field{}, n))
	text, isText := "", n.Kind == '"'
	if isText {
		text = jsondoc.Unquote(n.Text)
	}
	return Filter{op: '?', test: test{field: f, match: func(value string, ok bool) bool {
		if !ok {
			return false
		}
		if value[0] == '"' {
			return isText && strings.Contains(jsondoc.Unquote(value), text)
		}
		var scratch [64]byte
		for element := range jsondoc.Elements(value) {
			if bytes.Equal(appendOrdered(scratch[:0], element), operand) {
				return true
			}
		}
		return false
	}}}, nil
}
