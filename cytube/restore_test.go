package cytube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// do asks for one thing after another, each of which must be done.
func (w *world) do(cases ...abilityCase) {
	w.t.Helper()
	for _, c := range cases {
		if d := w.ask(c.subject, c.payload); d.Status != event.DeliveryDone {
			w.t.Fatalf("%s %+v: %+v", c.subject, c.payload, d)
		}
	}
}

func values(text string) event.SendValues {
	v := event.SendValues{}
	_ = json.Unmarshal([]byte(text), &v.Values)
	return v
}

// furnish makes a channel with something in each part that can be restored.
func (w *world) furnish() {
	w.t.Helper()
	emote := func(name string) event.SendDefinition {
		return event.SendDefinition{Action: "add", Name: name, Extra: extra(w.t, map[string]any{"image": "https://example.org/" + name})}
	}
	w.do(
		abilityCase{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 3, After: event.PlaceFirst}},
		abilityCase{subject: event.SubjectSendMediaTemp, payload: event.SendMediaTemp{UID: 2, Temp: true}},
		abilityCase{subject: event.SubjectSendMediaJump, payload: event.SendItem{UID: 1}},
		abilityCase{subject: event.SubjectSendMOTD, payload: event.SendText{Value: "<b>tonight</b>"}},
		abilityCase{subject: event.SubjectSendCSS, payload: event.SendText{Value: "b{}"}},
		abilityCase{subject: event.SubjectSendChannelEmote, payload: emote(":a:")},
		abilityCase{subject: event.SubjectSendChannelEmote, payload: emote(":b:")},
		abilityCase{subject: event.SubjectSendChannelEmote, payload: emote(":d:")},
		abilityCase{subject: event.SubjectSendFilter, payload: event.SendDefinition{Action: "add", Name: "x", Extra: extra(w.t, map[string]any{"source": "cat", "replace": "dog"})}},
		abilityCase{subject: event.SubjectSendOptions, payload: values(`{"voteskip_ratio":0.25}`)},
		abilityCase{subject: event.SubjectSendPermissions, payload: values(`{"drink":3}`)},
		abilityCase{subject: event.SubjectSendBan, payload: event.SendModeration{User: "bob", Reason: "spam"}},
		abilityCase{subject: event.SubjectSendRank, payload: event.SendRank{User: "alice", Rank: 3}},
		abilityCase{subject: event.SubjectSendMediaLock, payload: event.SendMediaLock{Locked: true}},
	)
}

// wreck destroys what furnish made.
func (w *world) wreck() {
	w.t.Helper()
	w.do(
		abilityCase{subject: event.SubjectSendMediaClear, payload: event.SendBare{}},
		abilityCase{subject: event.SubjectSendMediaQueue, payload: event.SendMediaQueue{Type: "yt", ID: "film0000001"}},
		abilityCase{subject: event.SubjectSendMediaQueue, payload: event.SendMediaQueue{Type: "yt", ID: "rick0000212"}},
		abilityCase{subject: event.SubjectSendMOTD, payload: event.SendText{}},
		abilityCase{subject: event.SubjectSendCSS, payload: event.SendText{Value: "*{}"}},
		abilityCase{subject: event.SubjectSendChannelEmote, payload: event.SendDefinition{Action: "remove", Name: ":a:"}},
		abilityCase{subject: event.SubjectSendChannelEmote, payload: event.SendDefinition{Action: "rename", Was: ":b:", Name: ":c:"}},
		abilityCase{subject: event.SubjectSendFilters, payload: definitions(`{"name":"strike","source":"~~(.+?)~~"}`, `{"name":"bold","source":"b","flags":"g"}`, `{"name":"monospace","source":"m"}`)},
		abilityCase{subject: event.SubjectSendOptions, payload: values(`{"voteskip_ratio":0.75,"pagetitle":"mine"}`)},
		abilityCase{subject: event.SubjectSendPermissions, payload: values(`{"drink":1,"motdedit":5}`)},
		abilityCase{subject: event.SubjectSendUnban, payload: event.SendModeration{User: "bob"}},
		abilityCase{subject: event.SubjectSendRank, payload: event.SendRank{User: "alice", Rank: 2}},
		abilityCase{subject: event.SubjectSendMediaLock, payload: event.SendMediaLock{}},
	)
}

// channel returns the playlist and the other parts as they are now.
func (w *world) channel() (films []string, parts map[string]string) {
	w.t.Helper()
	m, err := past.At(w.ctx, w.bus.JetStream(), lounge, time.Time{})
	w.ok(err)
	for _, i := range m.Playlist {
		_, id, _ := strings.Cut(i.URL, "v=")
		if i.Temp {
			id += " temporary"
		}
		films = append(films, id)
	}
	parts = map[string]string{"plays": m.Playing.URL}
	for _, part := range restore.Parts() {
		if part != "playlist" && part != "bans" && part != "ranks" { // see listed
			parts[part] = string(m.Part(part))
		}
	}
	return films, parts
}

// listed waits until the lists that the bot asks for say that bob is banned or not, and the
// rank of alice.
func (w *world) listed(want string) {
	w.t.Helper()
	for {
		m, err := past.At(w.ctx, w.bus.JetStream(), lounge, time.Time{})
		w.ok(err)
		got := ""
		for _, b := range m.Bans {
			got += b.Name + " "
		}
		for _, r := range m.Ranks {
			if r.Name == "alice" {
				got += fmt.Sprint(r.Rank)
			}
		}
		if got == want {
			return
		}
		w.await(want, func(streams.Stored) bool { return true })
	}
}

// A channel that was wrecked becomes what it was, and by the same command what it was before
// that, although both are broken off after each step.
func TestRestore(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "restores a channel after each step")
	w := newWorld(t, owned)
	w.films(4)
	w.join()
	w.joined("alice")
	w.furnish()
	w.listed("bob 3")
	good := time.Now()
	wantFilms, wantParts := w.channel()
	w.wreck()
	w.listed("2")
	bad := time.Now()
	badFilms, badParts := w.channel()

	queues := w.written("queue")
	w.restoreInPieces(good)
	w.listed("bob 3")
	films, parts := w.channel()
	if diff := cmp.Diff(wantFilms, films); diff != "" {
		t.Errorf("the playlist: %s", diff)
	}
	if diff := cmp.Diff(wantParts, parts); diff != "" {
		t.Error(diff)
	}
	if n := w.written("queue") - queues; n != 3 {
		t.Errorf("queued %d items, not the 3 that were missing", n)
	}
	w.restoreInPieces(bad)
	w.listed("2")
	if films, parts = w.channel(); !cmp.Equal(badFilms, films) || !cmp.Equal(badParts, parts) {
		t.Errorf("not undone: %s%s", cmp.Diff(badFilms, films), cmp.Diff(badParts, parts))
	}
}

// restoreInPieces restores all parts, by one process a step: each dies when it has asked for
// the next and knows no outcome yet.
func (w *world) restoreInPieces(at time.Time) {
	w.t.Helper()
	r := restore.Restorer{Bus: w.bus, Channel: lounge, Bot: "Rosey", At: at, Parts: restore.Parts()}
	for range 200 {
		ctx, die := context.WithCancel(w.ctx)
		sub, err := w.bus.Subscribe(w.ctx, event.AllSends, func(context.Context, streams.Stored) { die() })
		w.ok(err)
		left, err := r.Run(ctx)
		sub.Stop()
		die()
		if err == nil {
			if len(left) > 0 {
				w.t.Errorf("left: %+v", left)
			}
			return
		}
		if ctx.Err() == nil {
			w.t.Fatal(err)
		}
	}
	w.t.Fatal("it came to no end")
}

// A plan says what the bot cannot do, and why, and it leaves that out.
func TestRestoreOfABotWithoutTheRank(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.films(2)
	first := w.join()
	w.joined("alice")
	w.do(
		abilityCase{subject: event.SubjectSendMOTD, payload: event.SendText{Value: "tonight"}},
		abilityCase{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 1, After: event.PlaceFirst}},
	)
	at := time.Now()
	w.do(
		abilityCase{subject: event.SubjectSendMOTD, payload: event.SendText{Value: "wrecked"}},
		abilityCase{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 0, After: event.PlaceFirst}},
	)
	w.ok(first.stop())
	w.site.SetRank(lounge, "rosey", 2)
	w.join()
	r := restore.Restorer{Bus: w.bus, Channel: lounge, Bot: "Rosey", At: at, Parts: []string{"motd", "options", "playlist"}}
	left, err := r.Run(w.ctx)
	w.ok(err)
	var got []string
	for _, s := range left {
		got = append(got, s.Part+": "+s.Cannot)
	}
	slices.Sort(got)
	want := []string{"motd: the bot has rank 2, and motdedit needs 3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if films, _ := w.channel(); films[0] != "film0000001" {
		t.Errorf("the playlist: %v", films)
	}
}
