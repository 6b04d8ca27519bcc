package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/event"
)

// deadBody is what the page of dead letters shows.
type deadBody struct {
	Letters  []deadletters.Letter // latest first
	All      bool                 // also those that were retried or dropped
	Open     int
	Operator bool
	CSRF     string
}

func (c *Console) deadBody(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	letters, err := deadletters.List(ctx, c.js)
	if err != nil {
		return nil, err
	}
	body := deadBody{All: r.URL.Query().Get("all") != "", Operator: visitorOf(r).role == Operator, CSRF: c.auth.token(r)}
	for _, l := range slices.Backward(letters) {
		if l.State == deadletters.Open {
			body.Open++
		} else if !body.All {
			continue
		}
		body.Letters = append(body.Letters, l)
	}
	return body, nil
}

// letterBody is what the page of one dead letter shows.
type letterBody struct {
	deadletters.Letter
	Original event.Ref
	Payload  string // "" when its stream no longer has it
	Operator bool
	CSRF     string
}

func (c *Console) deadLetter(w http.ResponseWriter, r *http.Request) error {
	ref, err := event.ParseRef(r.PathValue("ref"))
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	letter, original, err := deadletters.Find(ctx, c.js, ref)
	if err != nil {
		return err
	}
	body := letterBody{
		Letter: letter, Original: event.Ref{Stream: letter.Stream, Seq: uint64(letter.Seq)},
		Operator: visitorOf(r).role == Operator, CSRF: c.auth.token(r),
	}
	if original != nil {
		body.Payload = pretty(original)
	}
	return c.show(w, r, "letter", "Dead letter "+ref.String(), body)
}

func (c *Console) resolveDeadLetter(w http.ResponseWriter, r *http.Request) error {
	ref, err := event.ParseRef(r.PathValue("ref"))
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	said := ""
	switch r.PathValue("action") {
	case "retry":
		var again event.Ref
		again, err = deadletters.Retry(ctx, c.Bus, ref)
		said = fmt.Sprintf("%s is retried as %s", ref, again)
	case "drop":
		err = deadletters.Drop(ctx, c.Bus, ref)
		said = fmt.Sprintf("%s is dropped", ref)
	default:
		return errNotFound
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	return redirect(w, r, said, "/dead")
}
