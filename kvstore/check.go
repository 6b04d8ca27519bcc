package kvstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// A Problem is what is wrong with a record.
type Problem struct {
	Collection string   `json:"collection"`
	ID         event.ID `json:"id"`
	Revision   uint64   `json:"revision"`
	Problem    string   `json:"problem"`
}

// Check calls f with what is wrong with the records of a collection, in the order in
// which they were written: those that are no JSON objects, and those that are not as the
// fields say. It returns the number of records.
func (s *Store) Check(ctx context.Context, collection string, fields []event.Field, f func(Problem)) (records int, err error) {
	err = s.with(ctx, "check", collection, false, func(b *bucket) error {
		revisions, err := b.revisions(ctx)
		if err != nil {
			return err
		}
		records = len(revisions)
		return b.scan(ctx, revisions, func(e entry) error {
			record, err := jsondoc.ParseObject(e.data)
			if err == nil {
				err = checkFields(&record, fields)
			}
			if err != nil {
				f(Problem{collection, e.id, e.revision, err.Error()})
			}
			return nil
		})
	})
	if errors.Is(err, errNoBucket) {
		err = event.Errorf(event.RecordNotFound, "collection %s does not exist", collection).With("collection", collection)
	}
	return records, err
}

var typeOf = map[jsondoc.Kind]string{
	jsondoc.String: "string", jsondoc.Number: "number", jsondoc.True: "boolean", jsondoc.False: "boolean", jsondoc.Object: "object", jsondoc.List: "list",
}

// checkFields returns an error that names a field of which the record has a value of
// another type. Null is of every type. The ID is not looked at: the store sees to it.
func checkFields(record *jsondoc.Value, fields []event.Field) (err error) {
	for _, f := range fields {
		if f.Name == "id" || f.Type == "" {
			continue
		}
		path := strings.Split(f.Name, ".")
		last := len(path) - 1
		record.Each(path[:last], func(in *jsondoc.Value) {
			if v := in.Member(path[last]); v != nil && v.Kind != jsondoc.Null && typeOf[v.Kind] != f.Type {
				err = fmt.Errorf("has %s in %s, where its plugin has a %s", v.Kind, f.Name, f.Type)
			}
		})
	}
	return err
}

// Restore makes a record again what it was at a revision that is kept (see History).
func (s *Store) Restore(ctx context.Context, collection string, id event.ID, revision uint64) (Written, error) {
	revisions, err := s.History(ctx, collection, id)
	if err != nil {
		return Written{}, err
	}
	i := slices.IndexFunc(revisions, func(r Revision) bool { return r.Revision == revision })
	if i < 0 || revisions[i].Deleted {
		problem := "has no revision"
		if i >= 0 {
			problem = "was deleted by revision"
		}
		return Written{}, event.Errorf(event.RecordNotFound, "record %s of collection %s %s %d", id, collection, problem, revision).
			With("collection", collection).With("id", id).With("revision", revision)
	}
	return s.Set(ctx, event.Set{Collection: collection, ID: id, Data: revisions[i].Data})
}
