package console

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/cytube/sender"
	"github.com/rosey-bot/rosey/event"
)

// An action is what an operator can ask of a channel on its page.
type action struct {
	subject string
	payload func(r *http.Request) (any, error) // of the form
	confirm string                             // what is asked first, as a format with the user's name; "" nothing
}

// actions are what can be asked, by the last part of their path.
var actions = map[string]action{
	"queue": {subject: event.SubjectSendMediaQueue, payload: func(r *http.Request) (any, error) {
		position := event.PositionEnd
		if r.PostFormValue("next") != "" {
			position = event.PositionNext
		}
		url := strings.TrimSpace(r.PostFormValue("url"))
		if url == "" {
			return nil, event.Errorf(event.InvalidInput, "give the address of what is to be queued, such as https://youtu.be/dQw4w9WgXcQ")
		}
		return event.SendMediaQueue{URL: url, Position: position, Temp: r.PostFormValue("temp") != ""}, nil
	}},
	"skip":    {subject: event.SubjectSendMediaSkip, payload: bare},
	"shuffle": {subject: event.SubjectSendMediaShuffle, payload: bare},
	"clear":   {subject: event.SubjectSendMediaClear, payload: bare, confirm: "Take everything off the playlist?"},
	"lock":    {subject: event.SubjectSendMediaLock, payload: func(*http.Request) (any, error) { return event.SendMediaLock{Locked: true}, nil }},
	"unlock":  {subject: event.SubjectSendMediaLock, payload: func(*http.Request) (any, error) { return event.SendMediaLock{}, nil }},
	"delete":  {subject: event.SubjectSendMediaDelete, payload: item},
	"jump":    {subject: event.SubjectSendMediaJump, payload: item},
	"move": {subject: event.SubjectSendMediaMove, payload: func(r *http.Request) (any, error) {
		uid, err := uidOf(r, "uid")
		return event.SendMediaMove{UID: uid, After: event.ID(strings.TrimSpace(r.PostFormValue("after")))}, err
	}},
	"poll-open": {subject: event.SubjectSendPollOpen, payload: func(r *http.Request) (any, error) {
		var options []string
		for line := range strings.Lines(r.PostFormValue("options")) {
			if line = strings.TrimSpace(line); line != "" {
				options = append(options, line)
			}
		}
		title := strings.TrimSpace(r.PostFormValue("title"))
		if title == "" || len(options) < 2 {
			return nil, event.Errorf(event.InvalidInput, "a poll needs a question and two options or more, each in a line of its own")
		}
		return event.SendPollOpen{Title: title, Options: options, Hidden: r.PostFormValue("hidden") != ""}, nil
	}},
	"poll-close":  {subject: event.SubjectSendPollClose, payload: bare},
	"kick":        {subject: event.SubjectSendKick, payload: user, confirm: "Kick %s?"},
	"mute":        {subject: event.SubjectSendMute, payload: user},
	"shadow-mute": {subject: event.SubjectSendShadowMute, payload: user},
	"unmute":      {subject: event.SubjectSendUnmute, payload: user},
	"ban":         {subject: event.SubjectSendBan, payload: user, confirm: "Ban %s from the channel?"},
	"unban":       {subject: event.SubjectSendUnban, payload: user},
}

func bare(*http.Request) (any, error) { return event.SendBare{}, nil }

func user(r *http.Request) (any, error) {
	name := strings.TrimSpace(r.PostFormValue("user"))
	if name == "" {
		return nil, event.Errorf(event.InvalidInput, "say whom: the name of a user")
	}
	return event.SendModeration{User: name}, nil
}

func item(r *http.Request) (any, error) {
	uid, err := uidOf(r, "uid")
	return event.SendItem{UID: uid}, err
}

func uidOf(r *http.Request, field string) (int, error) {
	uid, err := strconv.Atoi(r.PostFormValue(field))
	if err != nil || uid < 0 {
		return 0, event.Errorf(event.InvalidInput, "%q is no uid, the number of an item on the playlist", r.PostFormValue(field))
	}
	return uid, nil
}

// confirmation is a page that asks before something is gone. Scripts ask by themselves.
type confirmation struct {
	Question string
	Path     string
	Fields   map[string][]string
	Channel  string
	rights
}

// ask asks something of a channel, in the operator's name, and shows the outcome.
func (c *Console) ask(w http.ResponseWriter, r *http.Request) error {
	a, ok := actions[r.PathValue("action")]
	if !ok {
		return errNotFound
	}
	payload, err := a.payload(r)
	if err != nil {
		return err
	}
	if a.confirm != "" && r.PostFormValue("confirm") == "" {
		return c.confirm(w, r, a.confirm)
	}
	ch := c.channel(r)
	ctx := r.Context()
	send, err := sender.NewSend(ctx, a.subject, payload, map[string]string{
		"channel": ch.Name, "for": operatorOf(r), "reason": strings.TrimSpace(r.PostFormValue("reason")),
	})
	if err != nil {
		return event.AsError(err, event.InvalidInput)
	}
	d, ref, err := sender.Do(ctx, c.Bus, send)
	if err != nil {
		return err
	}
	c.Logger.InfoContext(ctx, "console: asked of the channel", "channel", ch.Name, "subject", a.subject, "send", ref.String(), "status", d.Status, "user", operatorOf(r))
	switch d.Status {
	case event.DeliveryDone:
		return redirect(w, r, "Done: "+sentence(r), "/channel?channel="+ch.Name)
	case event.DeliveryAlready:
		return redirect(w, r, "It is so already: "+sentence(r), "/channel?channel="+ch.Name)
	case event.DeliveryRefused:
		return event.Errorf(event.Code(d.Code), "refused: %s", d.Reason)
	}
	return event.Errorf(event.Timeout, "%s: %s", d.Status, d.Reason)
}

// sentence names what was asked for.
func sentence(r *http.Request) string {
	words := []string{strings.ReplaceAll(r.PathValue("action"), "-", " ")}
	for _, field := range []string{"user", "title", "url", "uid"} {
		if v := strings.TrimSpace(r.PostFormValue(field)); v != "" {
			words = append(words, v)
		}
	}
	return strings.Join(words, " ")
}

// confirm asks first. A request of a script without the answer gets an error that says how to give it.
func (c *Console) confirm(w http.ResponseWriter, r *http.Request, question string) error {
	if strings.Contains(question, "%s") {
		question = fmt.Sprintf(question, strings.TrimSpace(r.PostFormValue("user")))
	}
	if fromScript(r) {
		return event.Errorf(event.InvalidInput, "%s Send it again with confirm=yes", question)
	}
	fields := map[string][]string{}
	for name, values := range r.PostForm {
		if !slices.Contains([]string{"csrf", "confirm"}, name) {
			fields[name] = values
		}
	}
	body := confirmation{Question: question, Path: r.URL.Path, Fields: fields, Channel: c.channel(r).Name, rights: c.auth.rights(r)}
	if err := c.show(w, r, "confirm", "Are you sure?", body); err != nil {
		return err
	}
	return errShown
}
