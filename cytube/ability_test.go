package cytube_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// owned makes the bot an owner of the channel, with an account's saved playlists.
func owned(site *cytubetest.Config, bot *cytube.Config) {
	site.Channels[0].Ranks["rosey"] = 4
	site.Channels[0].MOTD = "hello"
	_ = bot
}

// ask publishes what is asked of the channel, and returns its delivery.
func (w *world) ask(subject string, payload any) event.Delivery {
	w.t.Helper()
	return w.delivery(w.send(subject, payload))
}

// films puts items on the playlist, with uids from 0.
func (w *world) films(n int) {
	w.t.Helper()
	for i := range n {
		_, err := w.site.AddMedia(w.cfg.Channel, "mod", cytubetest.Media{ID: fmt.Sprintf("film%07d", i), Type: "yt", Title: fmt.Sprint("Film ", i), Seconds: 1000})
		w.ok(err)
	}
}

func extra(t testing.TB, fields map[string]any) event.Extra {
	t.Helper()
	x := event.Extra{}
	for name, value := range fields {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		x[name] = raw
	}
	return x
}

// An abilityCase asks for one thing in a channel with alice and three films, of which the
// first plays.
type abilityCase struct {
	subject string
	payload any
	frame   string        // that the bot writes
	given   []abilityCase // what is done before
	shows   string        // the subject of the event that confirms it, "" for none
	repeats bool          // it is written again after a crash, as that does no harm
}

// eachAbility tests all abilities: those of a kind one after another at one site, each in a
// channel of its own, as to start a site and a NATS server for each takes longer than the rest.
func eachAbility(t *testing.T, test func(w *world, c abilityCase)) {
	t.Helper()
	for kind, cases := range map[string][]abilityCase{
		"media": mediaCases(), "polls": pollCases(), "people": peopleCases(), "channel": channelCases(), "definitions": definitionCases(t),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			site := newWorld(t, owned, withChannels(len(cases), nil))
			for i, c := range cases {
				t.Run(c.name(), func(t *testing.T) {
					w := site.in(t, channelOf(i))
					w.films(3)
					test(w, c)
				})
			}
		})
	}
}

func mediaCases() []abilityCase {
	saved := func(name string) abilityCase { // lists are the account's, whatever the channel
		return abilityCase{subject: event.SubjectSendMediaSaveList, payload: event.SendList{Name: name}, frame: "clonePlaylist", repeats: true}
	}
	return []abilityCase{
		{subject: event.SubjectSendMediaQueue, payload: event.SendMediaQueue{URL: "https://twitch.tv/someone"}, frame: "queue", shows: event.SubjectMediaQueue},
		{subject: event.SubjectSendMediaQueue, payload: event.SendMediaQueue{Type: "tw", ID: "someone", Position: "next", Temp: true}, frame: "queue", shows: event.SubjectMediaQueue},
		{subject: event.SubjectSendMediaDelete, payload: event.SendItem{UID: 1}, frame: "delete", shows: event.SubjectMediaDelete},
		{subject: event.SubjectSendMediaJump, payload: event.SendItem{UID: 2}, frame: "jumpTo", shows: event.SubjectMediaChange},
		{subject: event.SubjectSendMediaSkip, payload: event.SendBare{}, frame: "playNext", shows: event.SubjectMediaChange},
		{subject: event.SubjectSendMediaTemp, payload: event.SendMediaTemp{UID: 1, Temp: true}, frame: "setTemp", shows: event.SubjectMediaTemp},
		{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 0, After: "2"}, frame: "moveMedia", shows: event.SubjectMediaMove},
		{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 2, After: event.PlaceFirst}, frame: "moveMedia", shows: event.SubjectMediaMove},
		{subject: event.SubjectSendMediaMove, payload: event.SendMediaMove{UID: 0, After: event.PlaceLast}, frame: "moveMedia", shows: event.SubjectMediaMove},
		{subject: event.SubjectSendMediaShuffle, payload: event.SendBare{}, frame: "shufflePlaylist", shows: event.SubjectMediaShuffle},
		{subject: event.SubjectSendMediaClear, payload: event.SendBare{}, frame: "clearPlaylist", shows: event.SubjectMediaClear},
		{subject: event.SubjectSendMediaVote, payload: event.SendBare{}, frame: "voteskip", shows: event.SubjectMediaVote},
		{subject: event.SubjectSendMediaLock, payload: event.SendMediaLock{Locked: true}, frame: "togglePlaylistLock", shows: event.SubjectMediaLock},
		{subject: event.SubjectSendMediaLeader, payload: event.SendMediaLeader{User: "ALICE"}, frame: "assignLeader", shows: event.SubjectMediaLeader},
		saved("friday"),
		{subject: event.SubjectSendMediaQueueList, payload: event.SendQueueList{Name: "saturday", Position: "end"}, frame: "queuePlaylist", shows: event.SubjectMediaQueue,
			given: []abilityCase{saved("saturday"), {subject: event.SubjectSendMediaClear, payload: event.SendBare{}}}},
		{subject: event.SubjectSendMediaDeleteList, payload: event.SendList{Name: "sunday"}, frame: "deletePlaylist", given: []abilityCase{saved("sunday")}},
	}
}

func pollCases() []abilityCase {
	poll := abilityCase{subject: event.SubjectSendPollOpen, payload: event.SendPollOpen{Title: "Pizza?", Options: []string{"yes", "no"}}, frame: "newPoll", shows: event.SubjectPollOpen}
	return []abilityCase{
		poll,
		{subject: event.SubjectSendPollVote, payload: event.SendPollVote{Option: 1}, frame: "vote", shows: event.SubjectPollUpdate, given: []abilityCase{poll}, repeats: true},
		{subject: event.SubjectSendPollClose, payload: event.SendBare{}, frame: "closePoll", shows: event.SubjectPollClose, given: []abilityCase{poll}},
	}
}

func peopleCases() []abilityCase {
	alice := event.SendModeration{User: "alice", Reason: "spam"}
	banned := abilityCase{subject: event.SubjectSendBan, payload: alice, frame: "chatMsg", shows: event.ModerationSubject(event.ActionBan)}
	muted := abilityCase{subject: event.SubjectSendMute, payload: alice, frame: "chatMsg", shows: event.ModerationSubject(event.ActionMute)}
	return []abilityCase{
		{subject: event.SubjectSendKick, payload: alice, frame: "chatMsg", shows: event.ModerationSubject(event.ActionKick)},
		banned,
		{subject: event.SubjectSendBanAddress, payload: event.SendBanAddress{User: "alice", Range: "range"}, frame: "chatMsg", shows: event.ModerationSubject(event.ActionBan), repeats: true},
		{subject: event.SubjectSendUnban, payload: alice, frame: "unban", shows: event.ModerationSubject(event.ActionUnban), given: []abilityCase{banned}},
		muted,
		{subject: event.SubjectSendShadowMute, payload: alice, frame: "chatMsg", shows: event.ModerationSubject(event.ActionShadowMute)},
		{subject: event.SubjectSendUnmute, payload: alice, frame: "chatMsg", shows: event.ModerationSubject(event.ActionUnmute), given: []abilityCase{muted}},
		{subject: event.SubjectSendRank, payload: event.SendRank{User: "alice", Rank: 2}, frame: "setChannelRank", shows: event.SubjectUserRank},
		{subject: event.SubjectSendClear, payload: event.SendBare{}, frame: "chatMsg", shows: event.ModerationSubject(event.ActionClear), repeats: true},
		{subject: event.SubjectSendAFK, payload: event.SendAFK{AFK: true}, frame: "chatMsg", shows: event.SubjectUserAFK, repeats: true},
	}
}

func channelCases() []abilityCase {
	return []abilityCase{
		{subject: event.SubjectSendMOTD, payload: event.SendText{Value: "<b>tonight</b>"}, frame: "setMotd", shows: event.SubjectMOTD},
		{subject: event.SubjectSendCSS, payload: event.SendText{Value: "b{}"}, frame: "setChannelCSS", shows: event.SubjectCSS},
		{subject: event.SubjectSendJS, payload: event.SendText{Value: "1"}, frame: "setChannelJS", shows: event.SubjectJS},
		{subject: event.SubjectSendOptions, payload: event.SendValues{Values: map[string]json.RawMessage{"allow_dupes": json.RawMessage("true")}}, frame: "setOptions", shows: event.SubjectOptions},
		{subject: event.SubjectSendPermissions, payload: event.SendValues{Values: map[string]json.RawMessage{"drink": json.RawMessage("3")}}, frame: "setPermissions", shows: event.SubjectPermissions},
	}
}

// definitionCases change emotes and filters.
func definitionCases(t *testing.T) []abilityCase {
	t.Helper()
	emote := abilityCase{
		subject: event.SubjectSendChannelEmote, frame: "updateEmote", shows: event.SubjectEmote,
		payload: event.SendDefinition{Action: event.DefinitionAdd, Name: ":x:", Extra: extra(t, map[string]any{"image": "https://example.org/x.png"})},
	}
	filter := abilityCase{
		subject: event.SubjectSendFilter, frame: "addFilter", shows: event.SubjectFilter,
		payload: event.SendDefinition{Action: event.DefinitionAdd, Name: "x", Extra: extra(t, map[string]any{"source": "cat", "replace": "dog"})},
	}
	raw := func(text string) []json.RawMessage { return []json.RawMessage{json.RawMessage(text)} }
	moved := func(subject, frame string) abilityCase { // whole lists that differ in their order only
		const one, other = `{"name":"x","source":"x","image":"x"}`, `{"name":"y","source":"y","image":"y"}`
		return abilityCase{subject: subject, payload: definitions(other, one), frame: frame, shows: event.SubjectState,
			given: []abilityCase{{subject: subject, payload: definitions(one, other)}}}
	}
	return []abilityCase{
		emote,
		{subject: event.SubjectSendChannelEmote, payload: event.SendDefinition{Action: event.DefinitionRename, Name: ":y:", Was: ":x:"}, frame: "renameEmote", shows: event.SubjectEmote, given: []abilityCase{emote}},
		{subject: event.SubjectSendChannelEmote, payload: event.SendDefinition{Action: event.DefinitionRemove, Name: ":x:"}, frame: "removeEmote", shows: event.SubjectEmote, given: []abilityCase{emote}},
		{subject: event.SubjectSendChannelEmotes, payload: event.SendDefinitions{Values: raw(`{"name":":z:","image":"https://example.org/z.png"}`)}, frame: "importEmotes", shows: event.SubjectEmote},
		moved(event.SubjectSendChannelEmotes, "importEmotes"),
		moved(event.SubjectSendFilters, "importFilters"),
		filter,
		{subject: event.SubjectSendFilter, payload: event.SendDefinition{Action: event.DefinitionUpdate, Name: "x", Extra: extra(t, map[string]any{"source": "cats", "replace": "dogs"})}, frame: "updateFilter", shows: event.SubjectFilter, given: []abilityCase{filter}},
		{subject: event.SubjectSendFilter, payload: event.SendDefinition{Action: event.DefinitionRemove, Name: "x"}, frame: "removeFilter", shows: event.SubjectFilter, given: []abilityCase{filter}},
		{subject: event.SubjectSendFilters, payload: event.SendDefinitions{Values: raw(`{"name":"z","source":"z","flags":"g","replace":"y","active":true,"filterlinks":false}`)}, frame: "importFilters", shows: event.SubjectFilter},
	}
}

func (c abilityCase) name() string {
	raw, _ := json.Marshal(c.payload)
	return strings.TrimPrefix(c.subject, "cytube.send.") + " " + string(raw)
}

// written counts the frames of a name that the bot wrote.
func (w *world) written(name string) (n int) {
	for _, f := range w.site.Received() {
		if wrote(f, name) {
			n++
		}
	}
	return n
}

// wrote reports whether the bot wrote a frame of a name.
func wrote(f cytubetest.Frame, name string) bool {
	return f.User == "Rosey" && strings.HasPrefix(f.Data, `42["`+name+`"`)
}

// waitWritten waits until the bot has written n frames of a name.
func (w *world) waitWritten(name string, n int) {
	w.t.Helper()
	_, err := w.site.WaitReceived(w.ctx, func(f cytubetest.Frame) bool {
		if wrote(f, name) {
			n--
		}
		return n == 0
	})
	w.ok(err)
}

// Each ability is done, once, and the event that shows it is of the send's conversation.
func TestAbilities(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	eachAbility(t, func(w *world, c abilityCase) {
		w.join()
		w.joined("alice")
		for _, g := range c.given {
			w.ask(g.subject, g.payload)
		}
		before := w.written(c.frame)
		ack := w.send(c.subject, c.payload)
		d := w.delivery(ack)
		if d.Status != event.DeliveryDone || d.Reason != "" || d.Code != "" {
			w.t.Fatalf("the outcome: %+v", d)
		}
		if n := w.written(c.frame) - before; n != 1 {
			w.t.Errorf("the bot wrote %s %d times", c.frame, n)
		}
		w.confirms(ack, d, c.shows)
	})
}

// confirms checks the event by which a delivery is confirmed.
func (w *world) confirms(send streams.Ack, d event.Delivery, subject string) {
	w.t.Helper()
	if subject == "" {
		return
	}
	ref, err := event.ParseRef(d.ConfirmedBy)
	if err != nil {
		w.t.Fatalf("confirmed by nothing: %+v", d)
	}
	s := w.event(ref)
	cause, _ := s.Causation()
	if diff := cmp.Diff([]string{subject, send.Ref.String(), w.correlation(send)}, []string{s.Subject, cause.String(), s.CorrelationID}); diff != "" {
		w.t.Errorf("the event that confirms it (-want +got): %s", diff)
	}
}
