package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/rosey-bot/rosey/consumers/deadletters"
	"github.com/rosey-bot/rosey/event"
)

type deadBody struct {
	Letters []deadletters.Letter // latest first
	All     bool                 // also those that were retried or dropped
	Open    int
	rights
}

func (c *Console) deadBody(r *http.Request) (any, error) {
	letters, err := deadletters.List(r.Context(), c.js)
	if err != nil {
		return nil, err
	}
	body := deadBody{All: r.URL.Query().Get("all") != "", rights: c.auth.rights(r)}
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

type letterBody struct {
	deadletters.Letter
	Original event.Ref
	Payload  string // "" when its stream no longer has it
	rights
}

func (c *Console) deadLetter(w http.ResponseWriter, r *http.Request) error {
	ref, err := event.ParseRef(r.PathValue("ref"))
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	letter, original, err := deadletters.Find(r.Context(), c.js, ref)
	if err != nil {
		return err
	}
	if visitorOf(r).role != Operator {
		var e event.Envelope
		_ = json.Unmarshal(original, &e) // one that is none is no command
		if isPrivate(letter.Subject, e.Data) {
			return errPrivate
		}
	}
	body := letterBody{Letter: letter, Original: event.Ref{Stream: letter.Stream, Seq: uint64(letter.Seq)}, rights: c.auth.rights(r)}
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
	said := ""
	switch r.PathValue("action") {
	case "retry":
		var again event.Ref
		again, err = deadletters.Retry(r.Context(), c.Bus, ref)
		said = fmt.Sprintf("%s is retried as %s", ref, again)
	case "drop":
		err = deadletters.Drop(r.Context(), c.Bus, ref)
		said = fmt.Sprintf("%s is dropped", ref)
	default:
		return errNotFound
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	return redirect(w, r, said, "/dead")
}
