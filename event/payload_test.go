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

// reencode reads the data as the subject's payload type and writes it again.
func reencode(e event.Envelope) (json.RawMessage, error) {
	switch e.Subject {
	case "cytube.chat":
		return again[event.Chat](e)
	case "cytube.pm":
		return again[event.PM](e)
	case "cytube.user.join":
		return again[event.UserJoin](e)
	case "cytube.user.leave":
		return again[event.UserLeave](e)
	case "cytube.user.rank":
		return again[event.UserRank](e)
	case "cytube.media.change":
		return again[event.MediaChange](e)
	case "cytube.media.queue":
		return again[event.MediaQueue](e)
	case "cytube.media.delete":
		return again[event.MediaDelete](e)
	case "cytube.connection":
		return again[event.Connection](e)
	case "cytube.delivery":
		return again[event.Delivery](e)
	case "cytube.erasure":
		return again[event.Erasure](e)
	case "cytube.send.chat":
		return again[event.SendChat](e)
	case "cytube.send.pm":
		return again[event.SendPM](e)
	case "cytube.send.emote":
		return again[event.SendEmote](e)
	case "platform.startup":
		return again[event.Startup](e)
	case "platform.shutdown":
		return again[event.Shutdown](e)
	case "platform.heartbeat":
		return again[event.Heartbeat](e)
	case "platform.operation":
		return again[event.Operation](e)
	case "database.get":
		return again[event.Get](e)
	case "database.set":
		return again[event.Set](e)
	case "database.query":
		return again[event.Query](e)
	case "database.delete":
		return again[event.Delete](e)
	case "database.update":
		return again[event.Update](e)
	case "database.batch":
		return again[event.Batch](e)
	case "database.collections":
		return again[event.Collections](e)
	}
	switch _, kind, _ := strings.Cut(strings.TrimPrefix(e.Subject, "plugin."), "."); kind {
	case "command":
		return again[event.Command](e)
	case "event.dead_letter":
		return again[event.DeadLetter](e)
	case "event.expired":
		return again[event.Expired](e)
	case "event.denied":
		return again[event.Denied](e)
	case "request", "request.question":
		return again[event.PluginRequest](e)
	case "event", "event.game_start":
		return again[event.PluginEvent](e)
	}
	return reencodeSend(e)
}

// reencodeSend is reencode of what is asked of a channel beside speaking.
func reencodeSend(e event.Envelope) (json.RawMessage, error) {
	switch strings.TrimPrefix(e.Subject, "cytube.send.") {
	case "media.queue":
		return again[event.SendMediaQueue](e)
	case "media.delete":
		return again[event.SendItem](e)
	case "media.temp":
		return again[event.SendMediaTemp](e)
	case "media.move":
		return again[event.SendMediaMove](e)
	case "media.skip":
		return again[event.SendBare](e)
	case "media.lock":
		return again[event.SendMediaLock](e)
	case "media.leader":
		return again[event.SendMediaLeader](e)
	case "media.save_list":
		return again[event.SendList](e)
	case "media.queue_list":
		return again[event.SendQueueList](e)
	case "poll.open":
		return again[event.SendPollOpen](e)
	case "poll.vote":
		return again[event.SendPollVote](e)
	case "moderation.kick":
		return again[event.SendModeration](e)
	case "moderation.ban_address":
		return again[event.SendBanAddress](e)
	case "moderation.rank":
		return again[event.SendRank](e)
	case "channel.motd":
		return again[event.SendText](e)
	case "channel.options":
		return again[event.SendValues](e)
	case "channel.emote":
		return again[event.SendDefinition](e)
	case "channel.emotes":
		return again[event.SendDefinitions](e)
	case "user.afk":
		return again[event.SendAFK](e)
	}
	return nil, fmt.Errorf("no payload type for %s", e.Subject)
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
