package service

import (
	"context"

	"github.com/rosey-bot/rosey/event"
)

// An Access says who may use which collection.
type Access interface {
	// Collection returns an error if a plugin with credentials of its own may not read or
	// write a collection.
	Collection(ctx context.Context, plugin, collection string, write bool) error
	// Wrote is called before somebody without restrictions writes.
	Wrote(ctx context.Context, who, collection string)
}

// A requester is who makes a request.
type requester struct {
	access Access
	plugin string // on whose credentials it was made, as the server proved; or ""
	source string // who says that it is
}

type requesterKey struct{}

func withRequester(ctx context.Context, r requester) context.Context {
	return context.WithValue(ctx, requesterKey{}, r)
}

// permit returns an error if the requester may not do what a request asks. A batch is
// permitted operation by operation.
func permit(ctx context.Context, request any) error {
	r, ok := ctx.Value(requesterKey{}).(requester)
	if !ok {
		return nil
	}
	collection, write := "", true
	switch req := request.(type) {
	case event.Get:
		collection, write = req.Collection, false
	case event.Query:
		collection, write = req.Collection, false
	case event.Set:
		collection = req.Collection
	case event.Update:
		collection = req.Collection
	case event.Delete:
		collection = req.Collection
	}
	switch {
	case !event.ValidName(collection): // of a batch, or a mistake that the store tells
	case r.plugin != "":
		return r.access.Collection(ctx, r.plugin, collection, write)
	case write:
		r.access.Wrote(ctx, r.source, collection)
	}
	return nil
}
