package cytube_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// moderated gives the bot rank 2.
func moderated(site *cytubetest.Config, _ *cytube.Config) { site.Channels[0].Ranks["rosey"] = 2 }

// plain leaves the bot at rank 1, where the playlist is locked.
func plain(site *cytubetest.Config, _ *cytube.Config) { site.Channels[0].Open = false }

// refusedSend is a send and what becomes of it: refused with a code and a reason, or with
// neither that it is so already.
type refusedSend struct {
	subject string
	payload any
	code    event.Code
	reason  string
}

// refusedAtRank1 are what a bot of rank 1 may not do where the playlist is locked.
var refusedAtRank1 = []refusedSend{
	{event.SubjectSendMediaQueue, event.SendMediaQueue{URL: "https://youtu.be/dQw4w9WgXcQ"}, event.PermissionDenied, "playlistadd needs 1.5"},
	{event.SubjectSendMediaSkip, event.SendBare{}, event.PermissionDenied, "playlistjump"},
	{event.SubjectSendMediaLeader, event.SendMediaLeader{User: "alice"}, event.PermissionDenied, "leaderctl"},
	{event.SubjectSendOptions, values(`{"allow_dupes":true}`), event.PermissionDenied, "needs 2"},
	{event.SubjectSendKick, event.SendModeration{User: "alice"}, event.PermissionDenied, "kick needs 1.5"},
}

// refusedAtRank2 are what a moderator may not do.
var refusedAtRank2 = []refusedSend{
	{event.SubjectSendMOTD, event.SendText{Value: "x"}, event.PermissionDenied, "motdedit needs 3"},
	{event.SubjectSendCSS, event.SendText{Value: "x"}, event.PermissionDenied, "needs 3"},
	{event.SubjectSendPermissions, values(`{"drink":3}`), event.PermissionDenied, "needs 3"},
	{event.SubjectSendOptions, values(`{"pagetitle":"x"}`), event.PermissionDenied, "pagetitle needs 3"},
	{event.SubjectSendRank, event.SendRank{User: "alice", Rank: 2}, event.PermissionDenied, "needs 3"},
	{event.SubjectSendKick, event.SendModeration{User: "mod"}, event.PermissionDenied, "mod has rank 2"},
	{event.SubjectSendChannelEmotes, definitions(`{"name":":x:","image":"y"}`), event.PermissionDenied, "emoteimport needs 3"},
}

// refusedAtRank4 are what nobody can do.
var refusedAtRank4 = []refusedSend{
	{event.SubjectSendRank, event.SendRank{User: "alice", Rank: 4}, event.PermissionDenied, "not below the bot's"},
	{event.SubjectSendRank, event.SendRank{User: "alice", Rank: 0}, event.InvalidInput, "lowest"},
	{event.SubjectSendKick, event.SendModeration{User: "nobody"}, event.RecordNotFound, "not in the channel"},
	{event.SubjectSendKick, event.SendModeration{User: "rosey"}, event.InvalidInput, "itself"},
	{event.SubjectSendBan, event.SendModeration{User: "two words"}, event.InvalidInput, "user's name"},
	{event.SubjectSendMute, event.SendModeration{User: "nobody"}, event.RecordNotFound, "not in the channel"},
	{event.SubjectSendMediaDelete, event.SendItem{UID: 99}, event.RecordNotFound, "no item 99"},
	{event.SubjectSendMediaJump, event.SendItem{UID: 99}, event.RecordNotFound, "no item 99"},
	{event.SubjectSendMediaMove, event.SendMediaMove{UID: 1, After: "99"}, event.RecordNotFound, "no item 99"},
	{event.SubjectSendMediaMove, event.SendMediaMove{UID: 1, After: "1"}, event.InvalidInput, "after itself"},
	{event.SubjectSendMediaLeader, event.SendMediaLeader{User: "nobody"}, event.RecordNotFound, "not in the channel"},
	{event.SubjectSendMediaQueue, event.SendMediaQueue{URL: "https://example.org/page"}, event.InvalidInput, "no site"},
	{event.SubjectSendMediaQueue, event.SendMediaQueue{Type: "sc", ID: "x"}, event.InvalidInput, "SoundCloud"},
	{event.SubjectSendMediaQueueList, event.SendQueueList{Name: "none"}, event.RecordNotFound, "no saved playlist"},
	{event.SubjectSendMediaDeleteList, event.SendList{Name: "none"}, event.RecordNotFound, "no saved playlist"},
	{event.SubjectSendPollOpen, event.SendPollOpen{Title: "x", Options: []string{"one"}}, event.InvalidInput, "two options"},
	{event.SubjectSendPollOpen, event.SendPollOpen{Title: "x", Options: []string{"one", ""}}, event.InvalidInput, "empty"},
	{event.SubjectSendPollOpen, event.SendPollOpen{Title: strings.Repeat("x", 256), Options: []string{"one", "two"}}, event.LimitExceeded, "255"},
	{event.SubjectSendPollOpen, event.SendPollOpen{Title: "x", Options: []string{"one", "two"}, Timeout: 100_000}, event.InvalidInput, "86400"},
	{event.SubjectSendPollVote, event.SendPollVote{Option: 1}, event.RecordNotFound, "no poll"},
	{event.SubjectSendOptions, values(`{"no_such":true}`), event.InvalidInput, "no option \"no_such\": there are"},
	{event.SubjectSendOptions, values(`{"allow_dupes":"yes"}`), event.InvalidInput, "true or false"},
	{event.SubjectSendPermissions, values(`{"no_such":1}`), event.InvalidInput, "no permission"},
	{event.SubjectSendJS, event.SendText{Value: strings.Repeat("x", 20_001)}, event.LimitExceeded, "20000"},
	{event.SubjectSendChannelEmote, event.SendDefinition{Action: "remove", Name: ":none:"}, "", ""},
	{event.SubjectSendChannelEmote, event.SendDefinition{Action: "update", Name: ":none:"}, event.RecordNotFound, "no emote"},
	{event.SubjectSendChannelEmote, event.SendDefinition{Action: "add", Name: ":none:"}, event.InvalidInput, "image"},
	{event.SubjectSendFilter, event.SendDefinition{Action: "update", Name: "none"}, event.RecordNotFound, "no chat filter"},
	{event.SubjectSendFilter, event.SendDefinition{Action: "remove", Name: "none"}, "", ""},
	{event.SubjectSendChannelEmotes, definitions(`{"name":":x:"}`), event.InvalidInput, `entry 1 of the list, ":x:": an emote needs an image`},
	{event.SubjectSendChannelEmotes, definitions(`{"name":":x:","image":"y"}`, `{"name":":x:","image":"z"}`), event.InvalidInput, `":x:" twice`},
	{event.SubjectSendFilters, definitions(`{"name":"x","source":"y"}`, `{"name":"z"}`), event.InvalidInput, "entry 2"},
}

func definitions(all ...string) (d event.SendDefinitions) {
	for _, one := range all {
		d.Values = append(d.Values, json.RawMessage(one))
	}
	return d
}

// What the server would refuse, answer with a kick or turn into harm is refused before
// anything is written, and the bot stays in the channel.
func TestRefusedAbilities(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	for name, c := range map[string]struct {
		rank  func(*cytubetest.Config, *cytube.Config)
		sends []refusedSend
	}{
		"rank 1": {plain, refusedAtRank1}, "rank 2": {moderated, refusedAtRank2}, "rank 4": {owned, refusedAtRank4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.rank)
			w.films(3)
			w.join()
			w.joined("alice")
			w.joined("mod")
			for _, send := range c.sends {
				w.refuses(send)
			}
		})
	}
}

// refuses checks what becomes of a send, and that the bot writes nothing and stays.
func (w *world) refuses(c refusedSend) {
	w.t.Helper()
	raw, err := json.Marshal(c.payload)
	w.ok(err)
	name := fmt.Sprintf("%s %.60s", strings.TrimPrefix(c.subject, "cytube.send."), raw)
	before := len(w.botFrames())
	switch d := w.ask(c.subject, c.payload); {
	case c.code == "" && d.Status != event.DeliveryAlready:
		w.t.Errorf("%s: %+v", name, d)
	case c.code != "" && (d.Status != event.DeliveryRefused || d.Code != c.code || !strings.Contains(d.Reason, c.reason)):
		w.t.Errorf("%s: %+v, not %s with %q", name, d, c.code, c.reason)
	}
	for _, f := range w.botFrames()[before:] {
		if !strings.HasPrefix(f, `42["request`) && !strings.HasPrefix(f, `42["listPlaylists`) {
			w.t.Errorf("%s: the bot wrote %s", name, f)
		}
	}
	w.echo(w.chat("still here"), 1)
}

// botFrames lists the frames of events that the bot wrote.
func (w *world) botFrames() (frames []string) {
	for _, f := range w.site.Received() {
		if f.User == "Rosey" && strings.HasPrefix(f.Data, "42") {
			frames = append(frames, f.Data)
		}
	}
	return frames
}

// What the channel is already is not asked for again.
func TestAbilitiesAlreadySo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.films(3)
	w.join()
	w.joined("alice")
	for _, c := range []struct {
		subject string
		payload any
	}{
		{event.SubjectSendMediaLock, event.SendMediaLock{Locked: false}},
		{event.SubjectSendMediaTemp, event.SendMediaTemp{UID: 1, Temp: false}},
		{event.SubjectSendMediaMove, event.SendMediaMove{UID: 2, After: "1"}},
		{event.SubjectSendMediaMove, event.SendMediaMove{UID: 2, After: event.PlaceLast}},
		{event.SubjectSendMediaMove, event.SendMediaMove{UID: 0, After: event.PlaceFirst}},
		{event.SubjectSendMediaLeader, event.SendMediaLeader{User: ""}},
		{event.SubjectSendPollClose, event.SendBare{}},
		{event.SubjectSendUnban, event.SendModeration{User: "alice"}},
		{event.SubjectSendUnmute, event.SendModeration{User: "alice"}},
		{event.SubjectSendRank, event.SendRank{User: "alice", Rank: 1}},
		{event.SubjectSendMOTD, event.SendText{Value: "hello"}},
		{event.SubjectSendAFK, event.SendAFK{AFK: false}},
		{event.SubjectSendMediaQueue, event.SendMediaQueue{Type: "yt", ID: "film0000001"}},
	} {
		if d := w.ask(c.subject, c.payload); d.Status != event.DeliveryAlready {
			t.Errorf("%s %+v: %+v", c.subject, c.payload, d)
		}
	}
}

// The server's own words say why it refused, and the code says of what kind that is.
func TestServerRefusesAnItem(t *testing.T) {
	t.Parallel()
	refusals := map[string]struct {
		words string
		code  event.Code
	}{
		"gone0000000": {"Video does not exist or is private", event.RecordNotFound},
		"deleted0000": {"This video has been deleted", event.RecordNotFound},
		"unavail0000": {"This video is unavailable", event.RecordNotFound},
		"quota000000": {"YouTube videos are temporarily unavailable due to the website exceeding the YouTube API quota.  Quota resets daily at midnight Pacific Time", event.LimitExceeded},
		"down0000000": {"YouTube API is unavailable.  Please try again later.", event.PluginError},
		"noembed0000": {"The uploader has made this video non-embeddable", event.InvalidInput},
	}
	w := newWorld(t, func(site *cytubetest.Config, bot *cytube.Config) {
		owned(site, bot)
		site.Lookup = func(kind, id string) (cytubetest.Media, error) {
			return cytubetest.Media{ID: id, Type: kind}, errors.New(refusals[id].words)
		}
	})
	w.join()
	for id, want := range refusals {
		d := w.ask(event.SubjectSendMediaQueue, event.SendMediaQueue{URL: "https://youtu.be/" + id})
		if d.Status != event.DeliveryRefused || d.Code != want.code || d.Reason != want.words {
			t.Errorf("%s: %+v, not %s", id, d, want.code)
		}
	}
}

// Of a saved playlist, what the server refuses concerns neither what it takes nor what is
// asked for next.
func TestSavedListWithDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.films(4)
	w.join()
	w.ask(event.SubjectSendMediaSaveList, event.SendList{Name: "friday"})
	w.ask(event.SubjectSendMediaDelete, event.SendItem{UID: 1})
	load := w.send(event.SubjectSendMediaQueueList, event.SendQueueList{Name: "friday"})
	none := w.send(event.SubjectSendMediaQueueList, event.SendQueueList{Name: "none"})
	again := w.send(event.SubjectSendMediaQueueList, event.SendQueueList{Name: "friday"})
	if d := w.delivery(load); d.Status != event.DeliveryDone || d.Reason != "3 not queued: This item is already on the playlist" {
		t.Errorf("a list of which one item is not on the playlist: %+v", d)
	}
	if d := w.delivery(none); d.Code != event.RecordNotFound {
		t.Errorf("no list: %+v", d)
	}
	if d := w.delivery(again); d.Status != event.DeliveryAlready {
		t.Errorf("a list of which all is on the playlist: %+v", d)
	}
}

// A line is said while the server looks something up, and sends are done in order.
func TestSlowLookupKeepsNoChatWaiting(t *testing.T) {
	t.Parallel()
	looking, found := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(site *cytubetest.Config, bot *cytube.Config) {
		owned(site, bot)
		site.Lookup = func(kind, id string) (cytubetest.Media, error) {
			close(looking)
			<-found
			return cytubetest.Media{ID: id, Type: kind, Title: id, Seconds: 100}, nil
		}
	})
	w.join()
	first := w.send(event.SubjectSendMediaQueue, event.SendMediaQueue{URL: "https://youtu.be/dQw4w9WgXcQ"})
	second := w.send(event.SubjectSendMediaLock, event.SendMediaLock{Locked: true})
	<-looking
	w.echo(w.chat("meanwhile"), 1)
	if n := len(w.stored(event.SubjectDelivery)); n != 0 {
		t.Errorf("%d outcomes before the lookup is over", n)
	}
	close(found)
	for _, ack := range []streams.Ack{first, second} {
		if d := w.delivery(ack); d.Status != event.DeliveryDone {
			t.Errorf("%+v", d)
		}
	}
}

// More items than the server takes at once are all queued, without a refusal.
func TestQueueKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "queues beyond the limit")
	w := newWorld(t, plain, func(site *cytubetest.Config, _ *cytube.Config) { site.Channels[0].Open = true })
	w.join()
	var asked []streams.Ack
	for i := range 6 {
		asked = append(asked, w.send(event.SubjectSendMediaQueue, event.SendMediaQueue{Type: "yt", ID: fmt.Sprintf("film%07d", i)}))
	}
	for _, ack := range asked {
		if d := w.delivery(ack); d.Status != event.DeliveryDone {
			t.Errorf("%+v", d)
		}
	}
	if n := w.written("queue"); n != len(asked) {
		t.Errorf("the bot wrote %d times", n)
	}
}

// The rank of an account in the channel comes after its login. What is asked in between is
// not refused by the rank on the site.
func TestAbilityAskedBeforeTheRankCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.join(func(c *cytube.Config) { c.EchoTimeout = time.Minute })
	w.joined("alice")
	inject := func(frame string) { w.ok(w.site.InjectFrame(lounge, "Rosey", frame)) }
	inject(`42["rank",1]`)
	inject(`42["login",{"success":true,"name":"Rosey"}]`)
	inject(`42["setMotd","logged in"]`)
	w.await("the frame after the login", func(e streams.Stored) bool {
		return e.Subject == event.SubjectMOTD && strings.Contains(string(e.Data), "logged in")
	})
	waits := w.logged("ability waits for the bot's rank")
	asked := w.send(event.SubjectSendKick, event.SendModeration{User: "alice"})
	waits()
	inject(`42["rank",4]`)
	if d := w.delivery(asked); d.Status != event.DeliveryDone {
		t.Errorf("the outcome: %+v", d)
	}
}

// The server is silent about a second vote of an address: that the bot voted is known.
func TestSecondVote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, owned)
	w.films(2)
	w.join()
	w.joined("alice")
	w.do(abilityCase{subject: event.SubjectSendOptions, payload: values(`{"voteskip_ratio":1}`)}, abilityCase{subject: event.SubjectSendMediaVote, payload: event.SendBare{}})
	if d := w.ask(event.SubjectSendMediaVote, event.SendBare{}); d.Status != event.DeliveryAlready {
		t.Errorf("a second vote: %+v", d)
	}
	w.do(abilityCase{subject: event.SubjectSendMediaSkip, payload: event.SendBare{}}, abilityCase{subject: event.SubjectSendMediaVote, payload: event.SendBare{}})
}

// A password is never part of an event.
func TestNoPasswordIsSent(t *testing.T) {
	t.Parallel()
	for payload, ok := range map[string]bool{`{"password":"open sesame"}`: false, `{"password":true}`: false, `{"password":""}`: true, `{"pagetitle":"x"}`: true} {
		if _, err := event.New(event.SubjectSendOptions, values(payload)); (err == nil) != ok {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
