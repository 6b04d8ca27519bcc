package event_test

import (
	"errors"
	"fmt"

	"github.com/rosey-bot/rosey/event"
)

// An event is made of a subject and a payload, and checked at once.
func ExampleNew() {
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "Rolled 2d6: 8", Channel: "lounge"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Subject, string(e.Data))

	_, err = event.New(event.SubjectSendChat, event.SendChat{Channel: "lounge"})
	fmt.Println(event.CodeOf(err), err)
	// Output:
	// cytube.send.chat {"message":"Rolled 2d6: 8","channel":"lounge"}
	// INVALID_INPUT cytube.send.chat: message must not be empty
}

// A body is an envelope or a bare payload. Fields that the contract does not have are
// kept, numbers as they were written.
func ExampleDecode() {
	body := []byte(`{"user":"alice","message":"hello","channel":"lounge","rank":1,"time":1732645200000,"karma":1.50}`)
	e, err := event.Decode(event.SubjectChat, body)
	if err != nil {
		fmt.Println(err)
		return
	}
	line, err := event.As[event.Chat](e)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(line.User, line.Message, string(line.Extra["karma"]))
	// Output: alice hello 1.50
}

func ExampleEnvelope_WithMeta() {
	e := event.Envelope{Subject: event.SubjectChat}
	e = e.WithMeta(event.MetaCausation, event.Ref{Stream: "CYTUBE", Seq: 42}.String())
	cause, ok := e.Causation()
	fmt.Println(cause.Stream, cause.Seq, ok)
	// Output: CYTUBE 42 true
}

func ExampleMatch() {
	fmt.Println(event.Match("plugin.*.command", event.CommandSubject("dice-roller")))
	fmt.Println(event.Match("cytube.*", event.SubjectUserJoin), event.Match(event.AllCytube, event.SubjectUserJoin))
	// Output:
	// true
	// false true
}

func ExampleTemplate() {
	fmt.Println(event.Template(event.EventSubject("trivia", "game_start")))
	// Output: plugin.{name}.event.game_start
}

// Subjects finds the handler, limit or schema of a subject.
func ExampleSubjects() {
	var limits event.Subjects[int]
	limits.Add("plugin.*.command", 10)
	limits.Add("cytube.>", 100)
	limit, ok := limits.Find("plugin.dice-roller.command")
	fmt.Println(limit, ok)
	// Output: 10 true
}

// A service answers with a contract error, which the requester reads back.
func ExampleReplyError() {
	reply := event.Errorf(event.RecordNotFound, "quote %d not found", 999).With("id", 999)
	body, err := reply.MarshalJSON()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))

	if failure, ok := errors.AsType[*event.Error](event.ReplyError(body)); ok {
		fmt.Println(failure.Code, failure)
	}
	// Output:
	// {"success":false,"error":"quote 999 not found","error_code":"RECORD_NOT_FOUND","details":{"id":999}}
	// RECORD_NOT_FOUND quote 999 not found
}
