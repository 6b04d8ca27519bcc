package main

import (
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

type schema = jsonschema.Schema

type properties = map[string]*schema

func of(kind, description string) *schema { return &schema{Type: kind, Description: description} }

func orNull(kind, description string) *schema {
	return &schema{Types: []string{"null", kind}, Description: description}
}

func list(items *schema, description string) *schema {
	return &schema{Type: "array", Items: items, Description: description}
}

var idSchema = schema{Types: []string{"integer", "string"}, Description: "a record's ID: 42 and \"42\" are one"}

// parts are the schemas that no payload type has: the envelope, headers and replies.
func parts() map[string]*schema {
	id, revision, failure := &idSchema, of("integer", "of the record"), orNull("string", "null: it did not fail")
	reply := func(description string, also properties) *schema {
		also["success"], also["error"] = of("boolean", ""), failure
		return &schema{Type: "object", Description: description, Properties: also, Required: []string{"success"}}
	}
	return map[string]*schema{
		"Object":   of("object", "Whatever the plugin defines."),
		"Envelope": envelope(),
		"Headers": {Type: "object", Description: "The headers of an event or request.", Properties: properties{
			"Nats-Msg-Id":                 of("string", "within 20 minutes a stream stores only the first event with an ID"),
			streams.HeaderRequestID:       of("string", "the idempotency key of a request"),
			propagation.HeaderCorrelation: of("string", "the correlation ID, for bare payloads"),
			streams.HeaderPublisher:       of("string", "set by the bot: the plugin on whose credentials it was published"),
			"traceparent":                 of("string", "W3C trace context; the trace ID is the correlation ID's 16 bytes"),
			"tracestate":                  of("string", "W3C trace context"),
		}},
		"Reply": reply("The reply of a plugin: its own fields beside these.", properties{}),
		"ErrorReply": {Type: "object", Description: "A reply that reports a failure.", Required: []string{"success", "error"}, Properties: properties{
			"success": {Type: "boolean", Enum: []any{false}}, "error": of("string", "for people"),
			"error_code": codeSchema(), "details": of("object", "such as field, of an INVALID_INPUT"),
		}},
		"GetReply": reply("The reply to database.get.", properties{"data": of("object", "the record"), "revision": revision}),
		"SetReply": reply("The reply to database.set.", properties{"id": id, "revision": revision}),
		"QueryReply": reply("The reply to database.query.", properties{
			"data": list(of("object", ""), "the records"), "count": of("integer", "of all that match"), "explain": of("object", "the plan, where it was asked for"),
		}),
		"DeleteReply": reply("The reply to database.delete.", properties{}),
		"UpdateReply": reply("The reply to database.update.", properties{"matched": of("integer", ""), "changed": of("integer", ""), "id": id, "revision": revision}),
		"BatchReply": reply("The reply to database.batch. It reports a failure where an operation failed, with all replies nevertheless.", properties{
			"data": list(of("object", ""), "the replies to the operations"), "count": of("integer", "of operations"), "failed": of("integer", "how many of them failed"),
		}),
		"CollectionsReply": reply("The reply to database.collections.", properties{
			"data": list(&schema{Type: "object", Properties: properties{
				"collection": of("string", ""), "count": of("integer", "of records"), "bytes": of("integer", "on the disk, history included"),
			}}, ""), "count": of("integer", ""),
		}),
	}
}

func envelope() *schema {
	metadata := properties{}
	for _, m := range []struct{ key, kind, description string }{
		{event.MetaSource, "string", "who says it published the event"},
		{event.MetaCausation, "string", "STREAM:SEQ of the event whose handling caused this one"},
		{event.MetaBackfill, "boolean", "read from a chat buffer that begins before the bot came"},
		{event.MetaBuffered, "boolean", "read from the chat buffer after a disconnect"},
		{event.MetaFound, "boolean", "so the bot found the channel; it may have happened before"},
		{event.MetaAttempt, "integer", "which attempt at handling the cause made this, if not the first"},
		{event.MetaWaited, "number", "seconds that the cause had waited in its stream"},
		{event.MetaSettings, "integer", "the newest revision of its settings that the plugin's handler saw, 0 if none were set"},
		{event.MetaRetryFor, "string", "the one consumer that a retried dead letter is for"},
		{event.MetaErrorCode, "string", "the code of the error that this event tells a user of"},
		{event.MetaTimeout, "number", "of a command: how many seconds an attempt at it may take"},
		{event.MetaResult, "string", "retried or dead_letter: tells a user that a command failed"},
	} {
		metadata[m.key] = of(m.kind, m.description)
	}
	correlation := orNull("string", "of the conversation")
	correlation.MaxLength = jsonschema.Ptr(event.MaxCorrelationID)
	return &schema{Type: "object", Description: "The body of an event.", Required: []string{"subject", "data"}, Properties: properties{
		"subject":        of("string", "the subject that the message came on"),
		"data":           of("object", "the payload"),
		"timestamp":      orNull("number", "Unix seconds when the event was made, to the microsecond"),
		"priority":       {Type: "integer", Minimum: jsonschema.Ptr(0.0), Maximum: jsonschema.Ptr(3.0), Description: "0 low, 1 normal, 2 high, 3 critical"},
		"correlation_id": correlation,
		"metadata":       {Type: "object", Properties: metadata},
	}}
}
