package event_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// examples are the payloads the contract prints, in its order, followed by one
// for each subject that it names without printing any.
var examples = []struct {
	name, subject, payload string
}{
	{"chat", "cytube.chat", `{"user":"alice","message":"!roll 2d6","channel":"main","rank":2,"time":1732645200000}`},
	{"user join", "cytube.user.join", `{"user":"bob","channel":"main","rank":1,"time":1732645200000}`},
	{"user leave", "cytube.user.leave", `{"user":"bob","channel":"main"}`},
	{"media change", "cytube.media.change", `{"title":"Cool Video","url":"https://youtube.com/watch?v=...","type":"yt","duration":240,"channel":"main","queued_by":"alice"}`},
	{"send chat", "cytube.send.chat", `{"message":"🎲 Rolled 2d6: [3, 5] = 8","channel":"main"}`},
	{"send chat to the current channel", "cytube.send.chat", `{"message":"🎲 Result: 8"}`},
	{"send pm", "cytube.send.pm", `{"to":"alice","message":"Your trivia score: 42 points"}`},
	{"send emote", "cytube.send.emote", `{"emote":"rolls the dice","channel":"main"}`},
	{"command", "plugin.dice-roller.command", `{"command":"roll","args":["2d6+3"],"user":"alice","channel":"main","rank":2,"raw_message":"!roll 2d6+3"}`},
	{"command of the testing section", "plugin.dice-roller.command", `{"command":"roll","args":["2d6"],"user":"alice"}`},
	{"command of the testing section, quote", "plugin.quote-db.command", `{"command":"quote","args":["42"],"user":"alice"}`},
	{"plugin event", "plugin.trivia.event", `{"event_type":"game_start","channel":"main","questions":10,"difficulty":"medium"}`},
	{"specific plugin event", "plugin.trivia.event.game_start", `{"channel":"main","questions":10,"difficulty":"medium"}`},
	{"plugin request", "plugin.quote-db.request", `{"action":"random","channel":"main"}`},
	{"specific plugin request", "plugin.trivia.request.question", `{}`},
	{"startup", "platform.startup", `{"version":"1.0.0","plugins":["dice-roller","8ball","trivia"],"timestamp":1732645200.0}`},
	{"shutdown", "platform.shutdown", `{"reason":"user_requested","timestamp":1732645300.0}`},
	{"heartbeat", "platform.heartbeat", `{"timestamp":1732645260.0,"uptime":3600.0,"plugins_active":6,"nats_connected":true}`},
	{"operation", "platform.operation", `{"operator":"alice","action":"pause","target":"trivia","timestamp":1732645260.0}`},
	{"get", "database.get", `{"collection":"quotes","id":42}`},
	{"set", "database.set", `{"collection":"quotes","id":null,"data":{"text":"New quote!","user":"bob","timestamp":1732645300}}`},
	{"set without an id", "database.set", `{"collection":"quotes","data":{"text":"New quote!"}}`},
	{"query", "database.query", `{"collection":"quotes","filter":{"user":"alice"},"limit":10,"order_by":"timestamp DESC"}`},
	{"delete", "database.delete", `{"collection":"quotes","id":42}`},
	{"update", "database.update", `{"collection":"quotes","id":42,"ops":{"$inc":{"votes":1}}}`},
	{"batch", "database.batch", `{"operations":[{"op":"delete","collection":"quotes","id":42}]}`},
	{"collections", "database.collections", `{}`},

	{"pm", "cytube.pm", `{"user":"alice","to":"rosey","message":"hi","channel":"main","rank":1,"time":1732645200000}`},
	{"user rank", "cytube.user.rank", `{"user":"bob","channel":"main","rank":2,"time":1732645200000}`},
	{"media queue", "cytube.media.queue", `{"uid":7,"title":"Cool Video","url":"https://youtu.be/x","type":"yt","duration":240,"channel":"main","queued_by":"alice"}`},
	{"media delete", "cytube.media.delete", `{"uid":7,"title":"","url":"","type":"","duration":0,"channel":"main","queued_by":""}`},
	{"connection", "cytube.connection", `{"channel":"main","state":"down","reason":"kicked","time":1732645200000}`},
	{"erasure", "cytube.erasure", `{"events":{"CYTUBE":[41,42]},"reason":"on request","time":1732645200000,"key":"a2V5","signature":"c2ln"}`},
	{"delivery", "cytube.delivery", `{"channel":"main","status":"expired","reason":"older than 2m","send":"CYTUBE:42"}`},
	{"delivery of an ability", "cytube.delivery", `{"channel":"main","status":"done","reason":"","send":"CYTUBE:42","confirmed_by":"CYTUBE:43"}`},
	{"queue by URL", "cytube.send.media.queue", `{"url":"https://youtu.be/x","position":"next","for":"alice"}`},
	{"queue by type and id", "cytube.send.media.queue", `{"type":"yt","id":"x","temp":true}`},
	{"item", "cytube.send.media.delete", `{"uid":7}`},
	{"temp", "cytube.send.media.temp", `{"uid":7,"temp":false}`},
	{"move after another", "cytube.send.media.move", `{"uid":7,"after":8}`},
	{"move to the end", "cytube.send.media.move", `{"uid":7,"after":"last"}`},
	{"skip", "cytube.send.media.skip", `{}`},
	{"lock", "cytube.send.media.lock", `{"locked":true}`},
	{"leader", "cytube.send.media.leader", `{"user":""}`},
	{"list", "cytube.send.media.save_list", `{"name":"friday"}`},
	{"queue a list", "cytube.send.media.queue_list", `{"name":"friday","position":"end"}`},
	{"poll", "cytube.send.poll.open", `{"title":"Pizza?","options":["yes","no"],"timeout":60}`},
	{"poll vote", "cytube.send.poll.vote", `{"option":0}`},
	{"kick", "cytube.send.moderation.kick", `{"user":"bob","reason":"spam","for":"alice"}`},
	{"ban by address", "cytube.send.moderation.ban_address", `{"user":"bob","range":"wrange"}`},
	{"rank", "cytube.send.moderation.rank", `{"user":"bob","rank":1.5}`},
	{"motd", "cytube.send.channel.motd", `{"value":"<b>hi</b>"}`},
	{"options", "cytube.send.channel.options", `{"values":{"allow_voteskip":false}}`},
	{"emote", "cytube.send.channel.emote", `{"action":"add","name":":x:","image":"https://example.org/x.png"}`},
	{"emotes", "cytube.send.channel.emotes", `{"values":[{"name":":x:","image":"https://example.org/x.png"}]}`},
	{"afk", "cytube.send.user.afk", `{"afk":true}`},
	{"dead letter", "plugin.trivia.event.dead_letter", `{"event_type":"dead_letter","consumer":"plugin-trivia","stream":"PLUGIN","seq":9,"subject":"plugin.trivia.command","error":"boom","attempts":5}`},
	{"expired", "plugin.trivia.event.expired", `{"event_type":"expired","consumer":"plugin-trivia","stream":"PLUGIN","seq":9,"subject":"plugin.trivia.command","age":900.5,"max_age":600}`},
	{"denied", "plugin.trivia.event.denied", `{"event_type":"denied","success":false,"error":"you may not","error_code":"PERMISSION_DENIED","details":{"rank":1},"channel":"main"}`},
}

// envelope is the contract's example event with the given subject and data.
func envelope(subject, data string) []byte {
	return []byte(`{"subject":"` + subject + `","data":` + data + `,"timestamp":1732645200.0,"priority":1,` +
		`"correlation_id":"550e8400-e29b-41d4-a716-446655440000","metadata":{"source":"cytube_connector"}}`)
}

func TestContractExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, ex := range examples {
		for form, body := range map[string][]byte{"envelope": envelope(ex.subject, ex.payload), "bare": []byte(ex.payload)} {
			e, err := event.Decode(ex.subject, body)
			if err != nil {
				t.Errorf("%s, %s: decode: %v", ex.name, form, err)
				continue
			}
			if err := e.Validate(); err != nil {
				t.Errorf("%s, %s: validate: %v", ex.name, form, err)
			}
			if e.Subject != ex.subject || string(e.Data) != ex.payload {
				t.Errorf("%s, %s: got %s %s", ex.name, form, e.Subject, e.Data)
			}
		}
		if _, err := event.New(ex.subject, json.RawMessage(ex.payload)); err != nil {
			t.Errorf("%s: new: %v", ex.name, err)
		}
	}
}

// required lists every field that a subject's payload must have, and a value of
// a type that the field must refuse.
var required = map[string]map[string]string{
	"cytube.chat":                     {"user": `1`, "message": `{}`, "channel": `[]`, "rank": `"2"`, "time": `"now"`},
	"cytube.pm":                       {"user": `1`, "to": `1`, "message": `1`, "channel": `1`, "rank": `1.5`, "time": `1.5`},
	"cytube.user.join":                {"user": `true`, "channel": `1`, "rank": `"1"`, "time": `-1`},
	"cytube.user.leave":               {"user": `1`, "channel": `1`},
	"cytube.user.rank":                {"user": `1`, "channel": `1`, "rank": `-2`, "time": `[]`},
	"cytube.media.change":             {"title": `1`, "url": `1`, "type": `1`, "duration": `-1`, "channel": `1`, "queued_by": `1`},
	"cytube.media.queue":              {"uid": `"7"`, "title": `1`, "url": `1`, "type": `1`, "duration": `-1`, "channel": `""`, "queued_by": `1`},
	"cytube.media.delete":             {"uid": `"7"`, "title": `1`, "url": `1`, "type": `1`, "duration": `1.5`, "channel": `1`, "queued_by": `1`},
	"cytube.connection":               {"channel": `1`, "state": `"sideways"`, "reason": `1`, "time": `-1`},
	"cytube.erasure":                  {"events": `[1]`, "reason": `1`, "time": `-1`, "key": `""`, "signature": `1`},
	"cytube.delivery":                 {"channel": `1`, "status": `"lost"`, "reason": `1`, "send": `1`},
	"cytube.send.chat":                {"message": `""`},
	"cytube.send.pm":                  {"to": `""`, "message": `1`},
	"cytube.send.emote":               {"emote": `""`, "channel": `1`},
	"cytube.send.media.queue":         {"url": `1`},
	"cytube.send.media.delete":        {"uid": `-1`},
	"cytube.send.media.temp":          {"uid": `"7"`, "temp": `1`},
	"cytube.send.media.move":          {"uid": `"7"`, "after": `"middle"`},
	"cytube.send.media.lock":          {"locked": `"yes"`},
	"cytube.send.media.leader":        {"user": `1`},
	"cytube.send.media.save_list":     {"name": `""`},
	"cytube.send.media.queue_list":    {"name": `1`},
	"cytube.send.poll.open":           {"title": `""`, "options": `"yes"`},
	"cytube.send.poll.vote":           {"option": `-1`},
	"cytube.send.moderation.kick":     {"user": `""`},
	"cytube.send.moderation.rank":     {"user": `""`, "rank": `"2"`},
	"cytube.send.channel.motd":        {"value": `1`},
	"cytube.send.channel.options":     {"values": `{}`},
	"cytube.send.channel.emote":       {"action": `"eat"`, "name": `""`},
	"cytube.send.channel.emotes":      {"values": `{}`},
	"cytube.send.user.afk":            {"afk": `0`},
	"plugin.dice-roller.command":      {"command": `""`, "user": `1`},
	"plugin.trivia.event.dead_letter": {"consumer": `1`, "stream": `""`, "seq": `-1`, "subject": `1`, "error": `1`, "attempts": `-1`},
	"plugin.trivia.event.expired":     {"consumer": `1`, "stream": `""`, "seq": `-1`, "subject": `1`, "age": `-1`, "max_age": `"1"`},
	"plugin.trivia.event.denied":      {"error": `1`, "error_code": `""`, "details": `[]`, "channel": `1`},
	"platform.startup":                {"version": `1`, "plugins": `"dice"`, "timestamp": `"now"`},
	"platform.shutdown":               {"reason": `1`, "timestamp": `-1`},
	"platform.heartbeat":              {"timestamp": `-1`, "uptime": `-1`, "plugins_active": `1.5`, "nats_connected": `1`},
	"platform.operation":              {"operator": `1`, "action": `1`, "timestamp": `-1`},
	"database.get":                    {"collection": `""`, "id": `1.5`},
	"database.set":                    {"collection": `1`, "data": `[]`},
	"database.query":                  {"collection": `1`},
	"database.delete":                 {"collection": `1`, "id": `{}`},
	"database.update":                 {"collection": `1`, "id": `[]`, "ops": `[]`},
	"database.batch":                  {"operations": `{}`},
}

// optional lists fields that may be left out or null, and a value of a type that
// they must refuse.
var optional = map[string]map[string]string{
	"cytube.send.chat":           {"channel": `1`},
	"cytube.send.media.queue":    {"position": `"first"`, "temp": `1`, "title": `1`, "duration": `-1`, "channel": `1`, "for": `1`, "reason": `1`},
	"cytube.send.poll.open":      {"hidden": `1`, "timeout": `-1`, "retain_votes": `1`},
	"plugin.dice-roller.command": {"args": `"2d6"`, "channel": `1`, "rank": `"2"`, "raw_message": `1`},
	"database.set":               {"id": `[]`, "if_revision": `-1`, "merge": `1`},
	"database.delete":            {"if_revision": `"7"`},
	"database.query":             {"filter": `[]`, "limit": `"10"`, "offset": `1.5`, "order_by": `1`, "explain": `1`},
}

func TestBrokenFieldsAreNamed(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, ex := range examples {
		if tested[ex.subject] {
			continue
		}
		tested[ex.subject] = true
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(ex.payload), &fields); err != nil {
			t.Fatal(err)
		}
		check := func(field, value string) error {
			changed := maps.Clone(fields)
			if changed == nil {
				changed = map[string]json.RawMessage{}
			}
			if value == "" {
				delete(changed, field)
			} else {
				changed[field] = json.RawMessage(value)
			}
			raw, err := json.Marshal(changed)
			if err != nil {
				t.Fatal(err)
			}
			return event.Envelope{Subject: ex.subject, Data: raw}.CheckData()
		}
		mustFail := func(field, value string) {
			t.Helper()
			err := check(field, value)
			e, ok := errors.AsType[*event.Error](err)
			if !ok || e.Code != event.InvalidInput || e.Details["field"] != field || !strings.Contains(e.Message, field) {
				t.Errorf("%s with %s = %q: got %v, want INVALID_INPUT that names the field", ex.subject, field, value, err)
			}
		}
		for field, wrong := range required[ex.subject] {
			for _, value := range []string{"", "null", wrong} {
				mustFail(field, value)
			}
		}
		for field, wrong := range optional[ex.subject] {
			for _, value := range []string{"", "null"} {
				if err := check(field, value); err != nil {
					t.Errorf("%s with %s = %q: %v", ex.subject, field, value, err)
				}
			}
			mustFail(field, wrong)
		}
	}
	for _, subject := range slices.Concat(slices.Collect(maps.Keys(required)), slices.Collect(maps.Keys(optional))) {
		if !tested[subject] {
			t.Errorf("no example of %s", subject)
		}
	}
}

func TestDataMustBeAnObject(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`null`, `[]`, `"x"`, `1`, `true`, ``, `{`, `{"a":}`} {
		for _, subject := range []string{event.SubjectChat, event.EventSubject("trivia")} {
			if err := (event.Envelope{Subject: subject, Data: json.RawMessage(data)}).CheckData(); event.CodeOf(err) != event.InvalidInput {
				t.Errorf("%s with data %s: got %v", subject, data, err)
			}
		}
		if _, err := event.Encode(json.RawMessage(data)); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("encode %s: got %v", data, err)
		}
	}
	for _, payload := range []any{nil, 1, "x", []int{1}, (*event.Chat)(nil), func() {}} {
		if _, err := event.New(event.SubjectChat, payload); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("new with %T: got %v", payload, err)
		}
	}
}

func TestNumbersAreReadHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	limit, err := event.As[event.Query](event.Envelope{Subject: event.SubjectQuery, Data: json.RawMessage(`{"collection":"c","limit":1e1,"offset":2.0}`)})
	if err != nil || *limit.Limit != 10 || *limit.Offset != 2 {
		t.Errorf("limit 1e1, offset 2.0: got %+v, %v", limit, err)
	}
	for raw, want := range map[string]event.ID{`42`: "42", `42.0`: "42", `4.2e1`: "42", `"42"`: "42", `"042"`: "042", `"4 2"`: "4 2",
		`-7`: "-7", `9223372036854775807`: "9223372036854775807", `"9223372036854775808"`: "9223372036854775808"} {
		got, err := event.As[event.Get](event.Envelope{Subject: event.SubjectGet, Data: json.RawMessage(`{"collection":"c","id":` + raw + `}`)})
		if err != nil || got.ID != want {
			t.Errorf("id %s: got %q, %v", raw, got.ID, err)
		}
	}
	// A float cannot tell these from their neighbours, so they are refused rather
	// than taken for another record's id.
	for _, raw := range []string{`9007199254740993.0`, `9223372036854775808`, `1e30`, `0.5`, `1e999`, `true`} {
		if got, err := event.As[event.Get](event.Envelope{Subject: event.SubjectGet, Data: json.RawMessage(`{"collection":"c","id":` + raw + `}`)}); err == nil {
			t.Errorf("id %s was taken for %q", raw, got.ID)
		}
	}
}

// A plugin's events hold what it likes (contract: plugin.{name}.event), but for the
// types that Rosey itself emits, whose error says what to do.
func TestReservedTypes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{event.TypeDeadLetter, event.TypeDeadRetried, event.TypeDeadDropped, event.TypeExpired, event.TypeDenied} {
		if err := event.Reserved(kind); event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%s: %v", kind, err)
		}
	}
	own := map[string]any{"code": "X"}
	for _, subject := range []string{"plugin.coupon.event.coupon_expired", "plugin.expired.event.won", "plugin.coupon.event.coupon.expired", "plugin.coupon.event"} {
		if _, err := event.New(subject, own); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, kind := range []string{event.TypeDeadLetter, event.TypeExpired, event.TypeDenied} {
		_, err := event.New(event.EventSubject("coupon", kind), own)
		var e *event.Error
		if !errors.As(err, &e) || e.Code != event.InvalidInput || e.Details["field"] == "" ||
			!strings.Contains(err.Error(), " is required ("+kind+" is a type of event that Rosey itself emits: give the plugin's own event another type)") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := event.Reserved("coupon_expired"); err != nil {
		t.Error(err)
	}
}
