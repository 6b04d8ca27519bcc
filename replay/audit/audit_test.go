package audit

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/replay"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// happening is an event to publish.
type happening struct {
	subject string
	payload any
	meta    string // set to true
}

// said is an evening in a channel.
var said = []happening{
	{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(0)}, ""},
	{event.SubjectUserJoin, event.UserJoin{User: "alice", Channel: "lounge", Rank: 2, Time: ms(1)}, ""},
	{event.SubjectChat, event.Chat{User: "alice", Message: "hello \x1b[31m<b>all</b>", Channel: "lounge", Rank: 2, Time: ms(2)}, ""},
	{event.SubjectChat, event.Chat{User: "bob", Message: "=HYPERLINK(\"x\")", Channel: "lounge", Rank: 1, Time: ms(3)}, ""},
	{event.SubjectMediaQueue, event.MediaQueue{UID: 7, Title: "Cool Video", URL: "https://example.org/v", Type: "yt", Duration: 240, Channel: "lounge", QueuedBy: "alice"}, ""},
	{event.SubjectMediaChange, event.MediaChange{Title: "Cool Video", URL: "https://example.org/v", Type: "yt", Duration: 240, Channel: "lounge", QueuedBy: "alice"}, ""},
	{event.SubjectChat, event.Chat{User: "bob", Message: "waves at alice", Channel: "lounge", Rank: 1, Time: ms(4), Extra: event.Extra{"action": json.RawMessage("true")}}, ""},
	{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateDown, Reason: "connection reset", Time: ms(5)}, ""},
	{event.SubjectChat, event.Chat{User: "carol", Message: "elsewhere", Channel: "attic", Rank: 1, Time: ms(6)}, ""},
	{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(7)}, ""},
	{event.SubjectChat, event.Chat{User: "bob", Message: "anybody there?", Channel: "lounge", Rank: 1, Time: ms(6)}, event.MetaBuffered},
	{event.SubjectPM, event.PM{User: "alice", To: "rosey", Message: "psst", Channel: "lounge", Rank: 2, Time: ms(8)}, ""},
	{event.SubjectUserRank, event.UserRank{User: "bob", Channel: "lounge", Rank: 2, Time: ms(9)}, ""},
	{event.ModerationSubject(event.ActionMute), event.Moderation{User: "bob", By: "alice", Channel: "lounge", Time: ms(9)}, ""},
	{event.ModerationSubject(event.ActionKick), event.Moderation{User: "eve", By: "alice", Channel: "lounge", Reason: "spam", Time: ms(9)}, ""},
	{event.ModerationSubject(event.ActionRank), event.Moderation{User: "dave", By: "mod", Channel: "lounge", Time: ms(9), Extra: event.Extra{"rank": json.RawMessage("1.5")}}, ""},
	{event.ModerationSubject(event.ActionClear), event.Moderation{Channel: "lounge", Time: ms(9)}, ""},
	{event.SubjectMediaDelete, event.MediaDelete{UID: 7, Title: "Cool Video", URL: "https://example.org/v", Type: "yt", Duration: 240, Channel: "lounge", QueuedBy: "alice"}, ""},
	{event.SubjectUserLeave, event.UserLeave{User: "alice", Channel: "lounge"}, ""},
	{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(10)}, ""},
}

func ms(n int64) int64 { return 1732645200000 + n*1000 }

func evening(ctx context.Context, t testing.TB, bus *streams.Bus) {
	t.Helper()
	happen(ctx, t, bus, said)
}

// happen publishes events one after the other.
func happen(ctx context.Context, t testing.TB, bus *streams.Bus, events []happening) (refs []event.Ref) {
	t.Helper()
	for _, s := range events {
		e, err := event.New(s.subject, s.payload)
		if err != nil {
			t.Fatal(err)
		}
		if s.meta != "" {
			e = e.WithMeta(s.meta, true)
		}
		ack, err := bus.As("cytube").Publish(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ack.Ref)
	}
	return refs
}

func write(ctx context.Context, t *testing.T, bus *streams.Bus, o Options) string {
	t.Helper()
	var out bytes.Buffer
	o.Zone = time.UTC
	if err := Write(ctx, bus.JetStream(), &out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var stamps = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// textCases are the evening as text, by query.
var textCases = map[string]struct {
	q    Query
	want string
}{
	"everything": {Query{}, `TIME  lounge  === the bot is in the channel: joined
TIME  lounge  --> alice joins, rank 2
TIME  lounge  <alice> hello \x1b[31m<b>all</b>
TIME  lounge  <bob> =HYPERLINK("x")
TIME  lounge  +++ queued: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  >>> plays Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  * bob waves at alice
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: connection reset
TIME  attic  <carol> elsewhere
TIME  lounge  <bob> anybody there?  [recorded later, from the channel's buffer]
TIME  lounge  <alice to rosey> psst
TIME  lounge  *** bob has another rank, rank 2
TIME  lounge  !!! bob is muted by alice
TIME  lounge  !!! eve is kicked by alice: spam
TIME  lounge  *** dave has another rank, rank 1 by mod
TIME  lounge  !!! the chat is cleared
TIME  lounge  --- off the playlist: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  <-- alice leaves
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: the bot did not get to record that it left
TIME  ??? {"user":"eve"  [cytube.chat: the body is not valid JSON: unexpected end of JSON input]
`},
	"a user": {Query{User: "ALICE", Channel: "Lounge"}, `TIME  lounge  --> alice joins, rank 2
TIME  lounge  <alice> hello \x1b[31m<b>all</b>
TIME  lounge  +++ queued: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  >>> plays Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: connection reset
TIME  lounge  <alice to rosey> psst
TIME  lounge  !!! bob is muted by alice
TIME  lounge  !!! eve is kicked by alice: spam
TIME  lounge  --- off the playlist: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  <-- alice leaves
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: the bot did not get to record that it left
`},
	"another channel": {Query{Channel: "attic"}, "TIME  attic  <carol> elsewhere\n"},
	"text": {Query{Grep: regexp.MustCompile("Cool|psst"), User: "alice", Channel: "lounge", Media: true}, `TIME  lounge  +++ queued: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  >>> plays Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: connection reset
TIME  lounge  --- off the playlist: Cool Video (4m0s) https://example.org/v, queued by alice
TIME  lounge  ~~~ GAP of 0s: the bot was not in the channel: the bot did not get to record that it left
`},
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	evening(ctx, t, bus)
	if err := bus.Conn().Publish(event.SubjectChat, []byte(`{"user":"eve"`)); err != nil {
		t.Fatal(err)
	}
	if err := bus.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	for name, c := range textCases {
		t.Run(name, func(t *testing.T) {
			if got := stamps.ReplaceAllString(write(ctx, t, bus, Options{Query: c.q}), "TIME"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// jsonEntry is an entry as other programs read it.
type jsonEntry struct {
	Time     string
	StoredAt string `json:"stored_at"`
	Ref      string
	Kind     string
	User     string
	Rank     *int
	Text     string
	Media    *Media
	Until    string
	Note     string
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	evening(ctx, t, bus)
	var got []jsonEntry
	d := json.NewDecoder(strings.NewReader(write(ctx, t, bus, Options{Format: "json"})))
	for d.More() {
		var e jsonEntry
		if err := d.Decode(&e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != len(said)-1 {
		t.Fatalf("%d entries, want %d", len(got), len(said)-1)
	}
	hello, gap, late := got[2], got[7], got[9]
	if hello.Kind != KindChat || hello.User != "alice" || hello.Text != "hello \x1b[31m<b>all</b>" || hello.Ref != "CYTUBE:3" || hello.Time != "2024-11-26T18:20:02Z" || *hello.Rank != 2 {
		t.Errorf("the line is %+v", hello)
	}
	if gap.Kind != KindGap || gap.Text != "connection reset" || gap.Until == "" || gap.Until < gap.Time {
		t.Errorf("the gap is %+v", gap)
	}
	// A line from the channel's buffer was said before it was recorded.
	if late.Time != "2024-11-26T18:20:06Z" || late.StoredAt == late.Time || late.Note == "" {
		t.Errorf("the late line is %+v", late)
	}
	if m := got[5].Media; m == nil || *m != (Media{"Cool Video", "https://example.org/v", "yt", 240, "alice"}) {
		t.Errorf("the item is %+v", m)
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	evening(ctx, t, bus)
	rows, err := csv.NewReader(strings.NewReader(write(ctx, t, bus, Options{Format: "csv"}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	if len(rows) != len(said) || rows[4][column["text"]] != `'=HYPERLINK("x")` || rows[4][column["user"]] != "bob" || rows[6][column["url"]] != "https://example.org/v" {
		t.Errorf("%d rows: %q", len(rows), rows)
	}
}

func TestWriteHTML(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	evening(ctx, t, bus)
	got := write(ctx, t, bus, Options{Format: "html", Query: Query{Channel: "lounge", Grep: regexp.MustCompile(".")}})
	for _, want := range []string{
		"<!doctype html>", "<h1>Chat history: lounge</h1>", "<h2>Tuesday, 26 November 2024</h2>", `<p class="entry gap" id="CYTUBE:8">`,
		`<span class="who">alice</span> hello \x1b[31m&lt;b&gt;all&lt;/b&gt;`, "* bob waves at alice", "entries</p>", "</html>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	for _, never := range []string{"<script", "<link", "src=", "@import", "url(", "<b>all"} {
		if strings.Contains(got, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestGapThatLasts(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	for _, reason := range []string{"kicked", "kicked again"} {
		e, err := event.New(event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateDown, Reason: reason, Time: ms(0)})
		if err == nil {
			_, err = bus.Publish(ctx, e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := stamps.ReplaceAllString(write(ctx, t, bus, Options{}), "TIME"); got != "TIME  lounge  ~~~ GAP: the bot is not in the channel: kicked\n" {
		t.Errorf("it says %q", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	if err := Write(ctx, bus.JetStream(), &bytes.Buffer{}, Options{Format: "xml"}); event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), "html") {
		t.Errorf("of an unknown format it says %v", err)
	}
	if err := Write(ctx, bus.JetStream(), &bytes.Buffer{}, Options{}); !errors.Is(err, replay.ErrNoMatch) {
		t.Errorf("of an empty history it says %v", err)
	}
	now := time.Now()
	if err := Write(ctx, bus.JetStream(), &bytes.Buffer{}, Options{Query: Query{Since: now, Until: now}}); event.CodeOf(err) != event.InvalidInput {
		t.Errorf("of an empty range it says %v", fmt.Sprint(err))
	}
}

// A dead letter that is retried stores its event again. It was said, or happened,
// once.
func TestRetryIsNoneOfTheHistory(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	var refs []event.Ref
	for _, c := range []struct {
		subject string
		payload any
		retry   bool
	}{
		{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(0)}, false},
		{event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "lounge", Time: ms(1)}, false},
		{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateDown, Reason: "kicked", Time: ms(2)}, false},
		{event.SubjectChat, event.Chat{User: "alice", Message: "!roll", Channel: "lounge", Time: ms(1)}, true},
		{event.SubjectConnection, event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(0)}, true},
	} {
		e, err := event.New(c.subject, c.payload)
		if err != nil {
			t.Fatal(err)
		}
		if c.retry {
			e = e.WithMeta(event.MetaRetryFor, "router")
		}
		ack, err := bus.Publish(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ack.Ref)
	}
	want := "TIME  lounge  === the bot is in the channel: joined\nTIME  lounge  <alice> !roll\nTIME  lounge  ~~~ GAP: the bot is not in the channel: kicked\n"
	if got := stamps.ReplaceAllString(write(ctx, t, bus, Options{}), "TIME"); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	page, err := ReadPage(ctx, bus.JetStream(), Query{}, Position{Limit: 10, Scan: 100})
	if err != nil || len(page.Entries) != 3 || page.Last != refs[4].Seq || !page.Entries[2].Until.IsZero() {
		t.Errorf("the page is %+v, %v", page, err)
	}
	e, err := event.New(event.SubjectChat, event.Chat{User: "alice", Message: "bye", Channel: "lounge", Time: ms(3)})
	if err == nil {
		_, err = bus.Publish(ctx, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range Follow(ctx, bus.JetStream(), Query{}, refs[2].Seq) {
		if err != nil || e.Text != "bye" {
			t.Errorf("after the gap began comes %+v, %v", e, err)
		}
		break
	}
}

// The gap of a bot that was killed begins with what it heard last, not with what
// the next one caught up with when it came.
func TestGapOfAKilledBot(t *testing.T) {
	t.Parallel()
	ctx := streamstest.Context(t)
	bus := streamstest.Bus(t, streamstest.Server(t))
	up := event.Connection{Channel: "lounge", State: event.StateUp, Reason: "joined", Time: ms(0)}
	refs := happen(ctx, t, bus, []happening{
		{event.SubjectConnection, up, ""},
		{event.SubjectUserLeave, event.UserLeave{User: "bob", Channel: "lounge"}, ""},
		{event.SubjectChat, event.Chat{User: "alice", Message: "anybody?", Channel: "lounge", Time: ms(2)}, event.MetaBuffered},
		{event.SubjectUserJoin, event.UserJoin{User: "carol", Channel: "lounge", Time: ms(3)}, event.MetaFound},
		{event.SubjectConnection, up, ""},
	})
	stored := map[event.Ref]time.Time{}
	var gap Entry
	for e, err := range readHistory(ctx, bus.JetStream(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		stored[e.Ref] = e.Stored
		if e.Kind == KindGap {
			gap = e
		}
	}
	if gap.Ref != refs[4] || !gap.At.Equal(stored[refs[1]]) {
		t.Errorf("the gap of %s begins at %s, want %s, when %s was stored", gap.Ref, gap.At, stored[refs[1]], refs[1])
	}
}

// A spreadsheet takes the cells for text, whatever sign for a formula it knows.
func TestEscapeFormula(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "1=1": "1=1", "ｘ": "ｘ", "": "",
	} {
		if got := escapeFormula(cell); got != want {
			t.Errorf("%q is written as %q, want %q", cell, got, want)
		}
	}
}
