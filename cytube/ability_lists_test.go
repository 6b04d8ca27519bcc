package cytube_test

import (
	"encoding/json"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// A whole list replaces that of the channel, is written again only where it differs, and what
// the server leaves out of it is reported.
func TestWholeLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.join()
	for _, c := range []struct {
		subject, list  string
		status, reason string
	}{
		{event.SubjectSendChannelEmotes, `[{"name":":x:","image":"https://example.org/x.png?a=1&copy=(2)"}]`, event.DeliveryDone, ""},
		{event.SubjectSendChannelEmotes, `[{"name":":x:","image":"https://example.org/x.png?a=1&copy=(2)"}]`, event.DeliveryAlready, ""},
		{event.SubjectSendChannelEmotes, `[{"name":":x:","image":"https://example.org/x.png?a=1&amp;copy=&#40;2&#41;"}]`, event.DeliveryAlready, ""},
		{event.SubjectSendChannelEmotes, `[{"name":":y:","image":"y"},{"name":":x:","image":"x"}]`, event.DeliveryDone, ""},
		{event.SubjectSendChannelEmotes, `[{"name":":x:","image":"x"},{"name":":y:","image":"y"}]`, event.DeliveryDone, ""},
		{event.SubjectSendChannelEmotes, `[{"name":":x:","image":"x"},{"name":":y:","image":"y"}]`, event.DeliveryAlready, ""},
		{event.SubjectSendChannelEmotes, `[]`, event.DeliveryDone, ""},
		{event.SubjectSendFilters, `[{"name":"a","source":"a","replace":"$1","flags":"ig"},{"name":"b","source":"b"}]`, event.DeliveryDone, ""},
		{event.SubjectSendFilters, `[{"name":"a","source":"a","replace":"\\1","flags":"gi"},{"name":"b","source":"b"}]`, event.DeliveryAlready, ""},
		{event.SubjectSendFilters, `[{"name":"b","source":"b"},{"name":"a","source":"a","replace":"$1","flags":"gi"}]`, event.DeliveryDone, ""},
		{event.SubjectSendFilters, `[{"name":"b","source":"b"},{"name":"c","source":"("}]`, event.DeliveryDone, "the server left out c"},
	} {
		var p event.SendDefinitions
		w.ok(json.Unmarshal([]byte(c.list), &p.Values))
		if d := w.ask(c.subject, p); d.Status != c.status || d.Reason != c.reason {
			t.Errorf("%s %s: %+v", c.subject, c.list, d)
		} else if d.Status == event.DeliveryDone && d.ConfirmedBy == "" {
			t.Errorf("%s %s: no event shows it", c.subject, c.list)
		}
	}
}

// The server escapes the address of an emote's image. It is as it was typed once more
// wherever the bot reads it, and sends it back.
func TestEmoteKeepsItsImage(t *testing.T) {
	t.Parallel()
	const image = "https://example.org/x.png?a=1&copy=(2)"
	w := newWorld(t, owned)
	w.join()
	add := event.SendDefinition{Action: event.DefinitionAdd, Name: ":x:", Extra: extra(t, map[string]any{"image": image})}
	w.ask(event.SubjectSendChannelEmote, add)
	if d := w.ask(event.SubjectSendChannelEmote, add); d.Status != event.DeliveryAlready {
		t.Errorf("added again: %+v", d)
	}
	w.ask(event.SubjectSendChannelEmote, event.SendDefinition{Action: event.DefinitionRename, Name: ":y:", Was: ":x:"})
	changes := w.stored(event.SubjectEmote)
	if len(changes) != 2 {
		t.Fatalf("%d changes of emotes", len(changes))
	}
	for _, s := range changes {
		if got := field[string](s, "image"); got != image {
			t.Errorf("%s: its image is %s", field[string](s, "action"), got)
		}
	}
}

// Nothing of a saved playlist that is empty is queued, which is known at once.
func TestEmptySavedList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.join()
	w.ask(event.SubjectSendMediaSaveList, event.SendList{Name: "nothing"})
	if d := w.ask(event.SubjectSendMediaQueueList, event.SendQueueList{Name: "nothing"}); d.Code != event.RecordNotFound {
		t.Errorf("%+v", d)
	}
}
