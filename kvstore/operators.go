package kvstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/kvstore/jsondoc"
	"github.com/rosey-bot/rosey/kvstore/query"
)

// A change is one operator applied to one field.
type change struct {
	name  string
	parts []string // of the name
	apply func(slot *jsondoc.Value, exists bool) (jsondoc.Value, error)
	unset bool
}

// updaters make the new value of a field from its old one, if it has one, and
// the operand.
var updaters = map[string]func(old *jsondoc.Value, operand *jsondoc.Value) (jsondoc.Value, error){
	"$set": func(_, operand *jsondoc.Value) (jsondoc.Value, error) { return *operand, nil },
	"$inc": func(old, operand *jsondoc.Value) (jsondoc.Value, error) {
		if old == nil {
			return *operand, nil
		}
		if old.Kind != jsondoc.Number {
			return jsondoc.Value{}, fmt.Errorf("is %s, not a number", old.Kind)
		}
		sum, err := jsondoc.Add(old.Text, operand.Text)
		return jsondoc.Value{Kind: jsondoc.Number, Text: sum}, err
	},
	"$max": func(old, operand *jsondoc.Value) (jsondoc.Value, error) { return further(old, operand, 1), nil },
	"$min": func(old, operand *jsondoc.Value) (jsondoc.Value, error) { return further(old, operand, -1), nil },
	"$push": func(old, operand *jsondoc.Value) (jsondoc.Value, error) {
		list := jsondoc.Value{Kind: jsondoc.List}
		if old != nil {
			if list = *old; list.Kind != jsondoc.List {
				return jsondoc.Value{}, fmt.Errorf("is %s, not a list", list.Kind)
			}
		}
		list.Children = append(slices.Clip(list.Children), *operand)
		return list, nil
	},
}

// further is the greater (side 1) or the lesser (-1) of two values, by the order
// of values.
func further(old, operand *jsondoc.Value, side int) jsondoc.Value {
	if old == nil {
		return *operand
	}
	if query.Compare(operand.String(), old.String())*side > 0 {
		return *operand
	}
	return *old
}

// parseOps reads an update's operators. Errors say which is wrong.
func parseOps(ops map[string]json.RawMessage) ([]change, error) {
	names := make([]string, 0, len(ops))
	for name := range ops {
		names = append(names, name)
	}
	slices.Sort(names)
	var changes []change
	for _, name := range names {
		update, known := updaters[name]
		if !known && name != "$unset" {
			return nil, fmt.Errorf("unknown operator %s: there are $set, $unset, $inc, $max, $min and $push", name)
		}
		operands, err := jsondoc.Parse(string(ops[name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name == "$unset" && operands.Kind == jsondoc.List {
			for i := range operands.Children {
				if operands.Children[i].Kind != jsondoc.String {
					return nil, fmt.Errorf("$unset takes field names, not %s", operands.Children[i].Kind)
				}
				operands.Children[i].Name = jsondoc.Unquote(operands.Children[i].Text)
			}
		} else if operands.Kind != jsondoc.Object {
			return nil, fmt.Errorf("%s takes an object of fields, not %s", name, operands.Kind)
		}
		for i := range operands.Children {
			operand := operands.Children[i]
			c, err := newChange(operand.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if name == "$inc" && operand.Kind != jsondoc.Number {
				return nil, fmt.Errorf("$inc: %s: takes a number, not %s", c.name, operand.Kind)
			}
			c.unset = name == "$unset"
			c.apply = func(old *jsondoc.Value, exists bool) (jsondoc.Value, error) {
				if !exists {
					old = nil
				}
				return update(old, &operand)
			}
			for _, other := range changes {
				if overlap(c.parts, other.parts) {
					return nil, fmt.Errorf("%s: %s is changed by another operator too, as %s", name, c.name, other.name)
				}
			}
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return nil, errors.New("there is nothing to do: give one or more operators with fields")
	}
	return changes, nil
}

func newChange(name string) (change, error) {
	parts, err := jsondoc.ParsePath(name)
	if err != nil {
		return change{}, err
	}
	c := change{name: name, parts: parts}
	if c.parts[0] == "id" {
		return change{}, errors.New("id: a record's id cannot be changed")
	}
	return c, nil
}

func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// change makes the change in a record.
func (c *change) change(record *jsondoc.Value) error {
	at := record
	for i, part := range c.parts {
		if at.Kind != jsondoc.Object {
			return fmt.Errorf("%s: %s is %s, not an object", c.name, strings.Join(c.parts[:i], "."), at.Kind)
		}
		next := at.Member(part)
		last := i == len(c.parts)-1
		switch {
		case next == nil && c.unset:
			return nil
		case last && c.unset:
			at.Children = slices.DeleteFunc(at.Children, func(n jsondoc.Value) bool { return n.Name == part })
			return nil
		case last:
			value, err := c.apply(next, next != nil)
			if err != nil {
				return fmt.Errorf("%s %w", c.name, err)
			}
			value.Name = part
			if next != nil {
				*next = value
			} else {
				at.Children = append(at.Children, value)
			}
			return nil
		case next == nil:
			at.Children = append(at.Children, jsondoc.Value{Kind: jsondoc.Object, Name: part})
			next = &at.Children[len(at.Children)-1]
		}
		at = next
	}
	return nil
}
