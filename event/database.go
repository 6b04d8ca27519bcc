package event

import (
	"encoding/json"
	"errors"
	"fmt"
)

// FieldHandled is the field of a record in which package plugins keeps which events have
// changed it, and what was published because of them.
const FieldHandled = "_handled"

// Get is the request payload of database.get.
type Get struct {
	Collection string `json:"collection" contract:"nonempty"`
	ID         ID     `json:"id" contract:"nonempty"`
	Extra      `json:"-"`
}

// Set is the request payload of database.set. An empty ID asks for the next
// number. IfRevision and Merge are Rosey's additions: the first makes the write
// depend on the record's revision (0: it must not exist), the second keeps the
// record's fields that data does not have.
type Set struct {
	Collection string          `json:"collection" contract:"nonempty"`
	ID         ID              `json:"id"`
	Data       json.RawMessage `json:"data" contract:"required,object"`
	IfRevision *uint64         `json:"if_revision,omitempty"`
	Merge      bool            `json:"merge,omitempty"`
	Extra      `json:"-"`
}

// Query is the request payload of database.query. A nil Limit means 100.
// Explain, Rosey's addition, asks for the plan beside the records.
type Query struct {
	Collection string          `json:"collection" contract:"nonempty"`
	Filter     json.RawMessage `json:"filter,omitempty" contract:"object"`
	Limit      *int            `json:"limit,omitempty"`
	Offset     *int            `json:"offset,omitempty"`
	OrderBy    string          `json:"order_by,omitempty"`
	Explain    bool            `json:"explain,omitempty"`
	Extra      `json:"-"`
}

// Delete is the request payload of database.delete. IfRevision is Rosey's
// addition: the delete depends on the record's revision.
type Delete struct {
	Collection string  `json:"collection" contract:"nonempty"`
	ID         ID      `json:"id" contract:"nonempty"`
	IfRevision *uint64 `json:"if_revision,omitempty"`
	Extra      `json:"-"`
}

// Update is the request payload of database.update, Rosey's addition: Ops, a
// map of operator to fields, are applied to the record ID or to every record
// that Filter matches.
type Update struct {
	Collection string                     `json:"collection" contract:"nonempty"`
	ID         ID                         `json:"id,omitempty"`
	Filter     json.RawMessage            `json:"filter,omitempty" contract:"object"`
	Ops        map[string]json.RawMessage `json:"ops" contract:"required"`
	Extra      `json:"-"`
}

func (u *Update) check() (string, error) {
	if (u.ID == "") == (u.Filter == nil) {
		return "id", errors.New("or filter is required, and not both")
	}
	return "", nil
}

// MaxBatch is the largest number of operations of one Batch.
const MaxBatch = 1000

// Batch is the request payload of database.batch, Rosey's addition: each of
// Operations is the payload of a database request with an "op" field that names
// it (get, set, update, delete). Collection stands in for those without one.
type Batch struct {
	Collection string            `json:"collection,omitempty"`
	Operations []json.RawMessage `json:"operations" contract:"required"`
	Extra      `json:"-"`
}

func (b *Batch) check() (string, error) {
	if len(b.Operations) > MaxBatch {
		return "operations", fmt.Errorf("must be %d or fewer, not %d", MaxBatch, len(b.Operations))
	}
	return "", nil
}

// Collections is the request payload of database.collections, Rosey's addition.
type Collections struct {
	Extra `json:"-"`
}
