package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
)

func TestEveryPayloadRoundTrips(t *testing.T) {
	t.Parallel()
	for _, ex := range examples {
		with := strings.TrimSuffix(ex.payload, "}") + `,"x_unknown":[1.50,null]}`
		if ex.payload == "{}" {
			with = `{"x_unknown":[1.50,null]}`
		}
		e, err := event.Decode(ex.subject, []byte(with))
		if err != nil {
			t.Fatal(err)
		}
		got, err := reencode(e)
		if err != nil {
			t.Errorf("%s: %v", ex.name, err)
			continue
		}
		var before, after map[string]any
		if json.Unmarshal([]byte(with), &before) != nil || json.Unmarshal(got, &after) != nil {
			t.Fatalf("%s: %s is not JSON", ex.name, got)
		}
		for name, value := range before {
			if diff := cmp.Diff(value, after[name]); diff != "" {
				t.Errorf("%s: %s changed (-before +after):\n%s", ex.name, name, diff)
			}
		}
		if err := (event.Envelope{Subject: ex.subject, Data: got}).CheckData(); err != nil {
			t.Errorf("%s: what was written is refused: %v", ex.name, err)
		}
	}
}

// payloadTypes read the data as its payload type and write it again, by subject.
var payloadTypes = map[string]func(event.Envelope) (json.RawMessage, error){
	"cytube.chat":                        again[event.Chat],
	"cytube.pm":                          again[event.PM],
	"cytube.user.join":                   again[event.UserJoin],
	"cytube.user.leave":                  again[event.UserLeave],
	"cytube.user.rank":                   again[event.UserRank],
	"cytube.media.change":                again[event.MediaChange],
	"cytube.media.queue":                 again[event.MediaQueue],
	"cytube.media.delete":                again[event.MediaDelete],
	"cytube.connection":                  again[event.Connection],
	"cytube.delivery":                    again[event.Delivery],
	"cytube.erasure":                     again[event.Erasure],
	"cytube.send.chat":                   again[event.SendChat],
	"cytube.send.pm":                     again[event.SendPM],
	"cytube.send.emote":                  again[event.SendEmote],
	"platform.startup":                   again[event.Startup],
	"platform.shutdown":                  again[event.Shutdown],
	"platform.heartbeat":                 again[event.Heartbeat],
	"platform.operation":                 again[event.Operation],
	"database.get":                       again[event.Get],
	"database.set":                       again[event.Set],
	"database.query":                     again[event.Query],
	"database.delete":                    again[event.Delete],
	"database.update":                    again[event.Update],
	"database.batch":                     again[event.Batch],
	"database.collections":               again[event.Collections],
	"plugin.*.command":                   again[event.Command],
	"plugin.*.event.dead_letter":         again[event.DeadLetter],
	"plugin.*.event.expired":             again[event.Expired],
	"plugin.*.event.denied":              again[event.Denied],
	"plugin.*.request":                   again[event.PluginRequest],
	"plugin.*.request.question":          again[event.PluginRequest],
	"plugin.*.event":                     again[event.PluginEvent],
	"plugin.*.event.game_start":          again[event.PluginEvent],
	"cytube.send.media.queue":            again[event.SendMediaQueue],
	"cytube.send.media.delete":           again[event.SendItem],
	"cytube.send.media.temp":             again[event.SendMediaTemp],
	"cytube.send.media.move":             again[event.SendMediaMove],
	"cytube.send.media.skip":             again[event.SendBare],
	"cytube.send.media.lock":             again[event.SendMediaLock],
	"cytube.send.media.leader":           again[event.SendMediaLeader],
	"cytube.send.media.save_list":        again[event.SendList],
	"cytube.send.media.queue_list":       again[event.SendQueueList],
	"cytube.send.poll.open":              again[event.SendPollOpen],
	"cytube.send.poll.vote":              again[event.SendPollVote],
	"cytube.send.moderation.kick":        again[event.SendModeration],
	"cytube.send.moderation.ban_address": again[event.SendBanAddress],
	"cytube.send.moderation.rank":        again[event.SendRank],
	"cytube.send.channel.motd":           again[event.SendText],
	"cytube.send.channel.options":        again[event.SendValues],
	"cytube.send.channel.emote":          again[event.SendDefinition],
	"cytube.send.channel.emotes":         again[event.SendDefinitions],
	"cytube.send.user.afk":               again[event.SendAFK],
}

// reencode reads the data as the subject's payload type and writes it again.
func reencode(e event.Envelope) (json.RawMessage, error) {
	subject := e.Subject
	if rest, ok := strings.CutPrefix(subject, "plugin."); ok {
		_, kind, _ := strings.Cut(rest, ".")
		subject = "plugin.*." + kind
	}
	again, ok := payloadTypes[subject]
	if !ok {
		return nil, fmt.Errorf("no payload type for %s", e.Subject)
	}
	return again(e)
}

func again[T any](e event.Envelope) (json.RawMessage, error) {
	payload, err := event.As[T](e)
	if err != nil {
		return nil, err
	}
	return event.Encode(payload)
}

// Extra must never write a field that the object already has: two fields of one
// name mean different things to different readers.
func TestExtraDoesNotShadowNamedFields(t *testing.T) {
	t.Parallel()
	data, err := event.Encode(event.UserLeave{User: "bob", Channel: "main", Extra: event.Extra{"user": []byte(`"mallory"`), "note": []byte(`1`)}})
	if err != nil || string(data) != `{"user":"bob","channel":"main","note":1}` {
		t.Errorf("payload: %s, %v", data, err)
	}
	e := event.Envelope{Subject: "cytube.user.leave", Data: data, Extra: event.Extra{"subject": []byte(`"x"`), "zone": []byte(`2`)}}
	body, err := e.MarshalJSON()
	if err != nil || strings.Count(string(body), `"subject"`) != 1 || !strings.Contains(string(body), `"zone":2`) {
		t.Errorf("envelope: %s, %v", body, err)
	}
}
