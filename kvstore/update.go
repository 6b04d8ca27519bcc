package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rosey-bot/rosey/event"
)

// Updated is the outcome of an update.
type Updated struct {
	Matched  int // records that the update was for
	Changed  int // those among them that it made a difference to
	ID       event.ID
	Revision uint64 // of the record ID, when the update was for one
}

// A change is one operator applied to one field.
type change struct {
	field
	parts []string // the path, unquoted
	apply func(slot *node, exists bool) (node, error)
	unset bool
}

// updaters make the new value of a field from its old one, if it has one, and
// the operand.
var updaters = map[string]func(old *node, operand *node) (node, error){
	"$set": func(_, operand *node) (node, error) { return *operand, nil },
	"$inc": func(old, operand *node) (node, error) {
		if old == nil {
			return *operand, nil
		}
		if old.kind != '0' {
			return node{}, fmt.Errorf("is %s, not a number", kindName(old.kind))
		}
		sum, err := addNumbers(old.text, operand.text)
		return node{kind: '0', text: sum}, err
	},
	"$max": func(old, operand *node) (node, error) { return further(old, operand, 1), nil },
	"$min": func(old, operand *node) (node, error) { return further(old, operand, -1), nil },
	"$push": func(old, operand *node) (node, error) {
		list := node{kind: '['}
		if old != nil {
			if list = *old; list.kind != '[' {
				return node{}, fmt.Errorf("is %s, not a list", kindName(list.kind))
			}
		}
		list.kids = append(slices.Clip(list.kids), *operand)
		return list, nil
	},
}

// further is the greater (side 1) or the lesser (-1) of two values, by the order
// of values.
func further(old, operand *node, side int) node {
	if old == nil {
		return *operand
	}
	if strings.Compare(string(appendOrdered(nil, operand.String())), string(appendOrdered(nil, old.String())))*side > 0 {
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
		operands, err := parseJSON(string(ops[name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name == "$unset" && operands.kind == '[' {
			for i := range operands.kids {
				if operands.kids[i].kind != '"' {
					return nil, fmt.Errorf("$unset takes field names, not %s", kindName(operands.kids[i].kind))
				}
				operands.kids[i].name = unquote(operands.kids[i].text)
			}
		} else if operands.kind != '{' {
			return nil, fmt.Errorf("%s takes an object of fields, not %s", name, kindName(operands.kind))
		}
		for i := range operands.kids {
			operand := operands.kids[i]
			c, err := newChange(operand.name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if name == "$inc" && operand.kind != '0' {
				return nil, fmt.Errorf("$inc: %s: takes a number, not %s", c.name, kindName(operand.kind))
			}
			c.unset = name == "$unset"
			c.apply = func(old *node, exists bool) (node, error) {
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
	f, err := newField(name)
	if err != nil {
		return change{}, err
	}
	c := change{field: f, parts: strings.Split(name, ".")}
	if c.parts[0] == idField.name {
		return change{}, errors.New("id: a record's id cannot be changed")
	}
	return c, nil
}

func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// change makes the change in a record.
func (c *change) change(record *node) error {
	at := record
	for i, part := range c.parts {
		if at.kind != '{' {
			return fmt.Errorf("%s: %s is %s, not an object", c.name, strings.Join(c.parts[:i], "."), kindName(at.kind))
		}
		next := at.member(part)
		last := i == len(c.parts)-1
		switch {
		case next == nil && c.unset:
			return nil
		case last && c.unset:
			at.kids = slices.DeleteFunc(at.kids, func(n node) bool { return n.name == part })
			return nil
		case last:
			value, err := c.apply(next, next != nil)
			if err != nil {
				return fmt.Errorf("%s %w", c.name, err)
			}
			value.name = part
			if next != nil {
				*next = value
			} else {
				at.kids = append(at.kids, value)
			}
			return nil
		case next == nil:
			at.kids = append(at.kids, node{kind: '{', name: part})
			next = &at.kids[len(at.kids)-1]
		}
		at = next
	}
	return nil
}

// Update changes fields of one record or of all that match a filter, each by
// compare-and-swap. A missing record is RECORD_NOT_FOUND. When it fails half
// way through a filter's records, the error's details say how many it changed.
func (s *Store) Update(ctx context.Context, req event.Update) (Updated, error) {
	changes, err := parseOps(req.Ops)
	if err != nil {
		return Updated{}, event.Errorf(event.InvalidInput, "%s: ops: %w", event.SubjectUpdate, err).With("field", "ops").With("collection", req.Collection)
	}
	if err := checkID(req.Collection, req.ID); err != nil {
		return Updated{}, err
	}
	if req.ID == "" {
		return s.updateAll(ctx, req, changes)
	}
	out := Updated{Matched: 1, ID: req.ID}
	err = s.with(ctx, "update", req.Collection, false, func(b *bucket) error {
		w, err := b.update(ctx, req.ID, nil, changes)
		out.Revision = w.Revision
		if w.changed {
			out.Changed = 1
		}
		return err
	})
	if errors.Is(err, errNoBucket) {
		err = notFound(req.Collection, req.ID)
	}
	return out, err
}

type updated struct {
	Written
	changed bool
}

// update changes a record, unless it does not match the filter (any more).
func (b *bucket) update(ctx context.Context, id event.ID, f *filter, changes []change) (updated, error) {
	var out updated
	var scratch []byte
	var err error
	out.Written, err = b.modify(ctx, id, nil, false, func(record *node) error {
		before := string(record.record(id))
		if out.changed = f == nil || f.matches(before, &scratch); !out.changed {
			return nil
		}
		for i := range changes {
			if err := changes[i].change(record); err != nil {
				return event.Errorf(event.InvalidInput, "record %s of collection %s: %w", id, b.collection, err).
					With("field", "ops").With("collection", b.collection).With("id", id)
			}
		}
		out.changed = string(record.record(id)) != before
		return nil
	})
	out.changed = err == nil && (out.changed || out.Duplicate)
	return out, err
}

// updateAll changes each record by itself: what was changed must not be changed
// again because of another that nobody answered for.
func (s *Store) updateAll(ctx context.Context, req event.Update, changes []change) (Updated, error) {
	f, err := parseFilter(req.Filter)
	if err != nil {
		return Updated{}, err
	}
	found, err := s.lookFor(ctx, req.Collection, query{filter: f, order: []column{{field: idField}}, all: true})
	if err != nil {
		return Updated{}, err
	}
	var changed atomic.Int64
	err = each(ctx, len(found.ids), func(ctx context.Context, i int) error {
		id := found.ids[i]
		err := s.with(ctx, "update", req.Collection, false, func(b *bucket) error {
			w, err := b.update(withPart(ctx, encodeKey(id)), id, &f, changes)
			if w.changed {
				changed.Add(1)
			}
			return err
		})
		if event.CodeOf(err) == event.RecordNotFound || errors.Is(err, errNoBucket) { // deleted meanwhile
			return nil
		}
		return err
	})
	out := Updated{Matched: len(found.ids), Changed: int(changed.Load())}
	if err != nil {
		return out, event.AsError(s.failure(ctx, "update", req.Collection, err), event.DatabaseError).With("changed", out.Changed)
	}
	return out, nil
}

// withPart gives a part of a request a message id of its own.
func withPart(ctx context.Context, part string) context.Context {
	if id := msgID(ctx); id != "" {
		return WithMsgID(ctx, id+"/"+part)
	}
	return ctx
}
