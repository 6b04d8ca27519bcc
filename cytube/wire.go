package cytube

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// What the server's frames hold, as far as the bot reads them. A pointer is a
// field without which the frame says nothing.
type (
	wireMessage struct {
		Username *string  `json:"username"`
		To       string   `json:"to"`
		Msg      *string  `json:"msg"`
		Time     *float64 `json:"time"`
		Meta     struct {
			AddClass string `json:"addClass"`
			Action   bool   `json:"action"`
			Shadow   bool   `json:"shadow"`
		} `json:"meta"`
	}
	wireUser struct {
		Name   *string  `json:"name"`
		Rank   *float64 `json:"rank"`
		ByRank *float64 `json:"userrank"` // of who changed the rank of somebody absent
		Meta   struct {
			Muted  *bool `json:"muted"`
			Shadow *bool `json:"smuted"` // moderators only
		} `json:"meta"`
	}
	wirePermissions struct {
		Mute *float64 `json:"mute"`
	}
	wireClear struct {
		ClearedBy string `json:"clearedBy"`
	}
	wireMedia struct {
		ID      *string `json:"id"`
		Title   *string `json:"title"`
		Seconds float64 `json:"seconds"` // none for what never ends
		Type    *string `json:"type"`
	}
	wireItem struct {
		UID     *int       `json:"uid"`
		Media   *wireMedia `json:"media"`
		QueueBy string     `json:"queueby"`
	}
	wireQueue struct {
		Item *wireItem `json:"item"`
	}
	wireDelete struct {
		UID *int `json:"uid"`
	}
	wireOptions struct {
		AntiFlood bool `json:"chat_antiflood"`
		Params    struct {
			Burst     float64  `json:"burst"`
			Sustained float64  `json:"sustained"`
			Cooldown  *float64 `json:"cooldown"`
		} `json:"chat_antiflood_params"`
	}
	wireLogin struct {
		Success *bool   `json:"success"`
		Name    string  `json:"name"`
		Error   wireAny `json:"error"`
	}
	// wireNotice is what kick, errorMsg, noflood and spamFiltered look like.
	wireNotice struct {
		Reason *wireAny `json:"reason"`
		Msg    wireAny  `json:"msg"`
		Action string   `json:"action"`
	}
)

// wireAny is text for people, which the server fills with whatever it has.
type wireAny string

// UnmarshalJSON takes a string as it is and anything else as its JSON.
func (w *wireAny) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*w = wireAny(s)
		return nil
	}
	*w = wireAny(raw)
	return nil
}

// read decodes a frame's first argument.
func read[T any](args []json.RawMessage) (T, error) {
	var v T
	if len(args) == 0 || string(args[0]) == "null" {
		return v, errors.New("it has no argument")
	}
	err := json.Unmarshal(args[0], &v)
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) {
		field := typeErr.Field
		if field == "" {
			field = "the argument"
		}
		return v, fmt.Errorf("%s must be %s, not %s", field, typeErr.Type, typeErr.Value)
	}
	return v, err
}

// missing returns an error that names the first field that is nil.
func missing(fields ...field) error {
	for _, f := range fields {
		if f.missing {
			return fmt.Errorf("%s is missing", f.name)
		}
	}
	return nil
}

type field struct {
	name    string
	missing bool
}

// whole is a number of the server's as an integer, rounded down.
func whole(name string, v, least float64) (int64, error) {
	if v = math.Floor(v); !(v >= least && v < 1<<53) {
		return 0, fmt.Errorf("%s is %v, which cannot be", name, v)
	}
	return int64(v), nil
}
