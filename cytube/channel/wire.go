package channel

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// The arguments of the server's frames, as far as the bot reads them. A field that
// must be there is a pointer, so that its absence shows.
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
			AFK    bool  `json:"afk"`
		} `json:"meta"`
		AFK *bool `json:"afk"` // of setAFK
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

		CurrentTime float64 `json:"currentTime"` // of changeMedia and mediaUpdate
		Paused      bool    `json:"paused"`
	}
	wireItem struct {
		UID     *int       `json:"uid"`
		Media   *wireMedia `json:"media"`
		Temp    bool       `json:"temp"`
		QueueBy string     `json:"queueby"`
	}
	wireQueue struct {
		Item  *wireItem       `json:"item"`
		After json.RawMessage `json:"after"` // a uid, also in digits, "prepend" or "append"
	}
	wireMove struct {
		From  *int            `json:"from"`
		After json.RawMessage `json:"after"`
	}
	wireTemp struct {
		UID  *int  `json:"uid"`
		Temp *bool `json:"temp"`
	}
	wireVote struct {
		Count int `json:"count"`
		Need  int `json:"need"`
	}
	wirePoll struct {
		Title     string            `json:"title"`
		Options   []string          `json:"options"`
		Counts    []json.RawMessage `json:"counts"` // numbers or, hidden, "?" or "1?"
		Initiator string            `json:"initiator"`
		Timestamp int64             `json:"timestamp"`
	}
	wireStyle struct {
		CSS string `json:"css"`
		JS  string `json:"js"`
	}
	wireAnnouncement struct {
		ID    string `json:"id"`
		Title string `json:"title"`
		Text  string `json:"text"`
		From  string `json:"from"`
	}
	wireBan struct {
		ID       *int   `json:"id"`
		IP       string `json:"ip"` // "*" for a banned name
		Name     string `json:"name"`
		Reason   string `json:"reason"`
		BannedBy string `json:"bannedby"`
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
		Guest   bool    `json:"guest"`
		Error   wireAny `json:"error"`
	}
	// wireNotice is the argument of kick, errorMsg, noflood and spamFiltered.
	wireNotice struct {
		Reason *wireAny `json:"reason"`
		Msg    wireAny  `json:"msg"`
		Action string   `json:"action"`
	}
)

// wireAny is a text for people, for which the server sends any JSON value.
type wireAny string

// UnmarshalJSON decodes a string, and keeps another value as its JSON text.
func (w *wireAny) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*w = wireAny(s)
		return nil
	}
	*w = wireAny(raw)
	return nil
}

// Notice is what the server says in a kick, errorMsg, noflood or spamFiltered frame.
type Notice struct {
	Text   string // for people
	Action string // of noflood: what the server refused, "" where it does not say
	Reason bool   // of kick: a reason is given, if an empty one
}

// ReadNotice decodes a kick, errorMsg, noflood or spamFiltered frame. With an error, Text
// is the argument as it came.
func ReadNotice(f Frame) (Notice, error) {
	n, err := read[wireNotice](f.Args)
	switch {
	case err != nil && len(f.Args) > 0 && string(f.Args[0]) != "null":
		return Notice{Text: string(f.Args[0])}, err
	case n.Reason != nil:
		return Notice{Text: string(*n.Reason), Action: n.Action, Reason: true}, err
	}
	return Notice{Text: string(n.Msg), Action: n.Action}, err
}

// ReadLogin decodes the answer to a login: the name as the server spells it, or
// why the server refused the login.
func ReadLogin(f Frame) (name, refusal string, err error) {
	login, err := read[wireLogin](f.Args)
	if err == nil {
		err = missing(field{"success", login.Success == nil})
	}
	switch {
	case err != nil:
		return "", "", err
	case !*login.Success:
		return "", cmp.Or(string(login.Error), "the server does not say why"), nil
	case login.Name == "":
		return "", "", errors.New("name is missing")
	}
	return login.Name, "", nil
}

var errNoArgument = errors.New("it has no argument")

// read decodes a frame's first argument, a number also from a string and the other way
// round. Fields of another type are as if they were not there.
func read[T any](args []json.RawMessage) (T, error) {
	var v T
	if len(args) == 0 || string(args[0]) == "null" {
		return v, errNoArgument
	}
	err := json.Unmarshal(args[0], &v)
	if typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		var loose T
		if raw := loosen(args[0], reflect.TypeFor[T]()); raw != nil && json.Unmarshal(raw, &loose) == nil {
			return loose, nil
		}
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

// marshal encodes a value that always has a JSON form.
func marshal(v any) json.RawMessage {
	raw, _ := json.Marshal(v) //nolint:errchkjson // strings, numbers and bools
	return raw
}

// integer rounds a number down and checks that it is least or more.
func integer(name string, v, least float64) (int64, error) {
	if v = math.Floor(v); !(v >= least && v < 1<<53) {
		return 0, fmt.Errorf("%s is %v, which cannot be", name, v)
	}
	return int64(v), nil
}

// readUser decodes a user, with the key that it has in State.users.
func readUser(args []json.RawMessage) (u wireUser, key string, err error) {
	u, err = read[wireUser](args)
	if err == nil {
		err = missing(field{"name", u.Name == nil})
	}
	if err != nil {
		return u, "", err
	}
	return u, strings.ToLower(*u.Name), nil
}

// ReadCooldown decodes a cooldown frame: how long the server wants silence. It is a
// second if the frame does not say.
func ReadCooldown(f Frame) time.Duration {
	ms, err := read[float64](f.Args)
	if err != nil || !(ms >= 0) {
		ms = 1000
	}
	return time.Duration(math.Min(ms, 1e6) * float64(time.Millisecond))
}

// ReadAFK reads a setAFK frame: the user, and whether the user is AFK now; ok is false
// for any other frame.
func ReadAFK(f Frame) (user string, isAFK, ok bool) {
	if f.Name != "setAFK" {
		return "", false, false
	}
	w, err := read[wireUser](f.Args)
	if err != nil || w.Name == nil || w.AFK == nil {
		return "", false, false
	}
	return *w.Name, *w.AFK, true
}
