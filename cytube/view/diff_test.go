package view

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed returns the view of a JSON text.
func parsed(t *testing.T, text string) *View {
	t.Helper()
	v := New("lounge")
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to string
		want     []string
	}{
		{`{}`, `{"motd":"x","users":[]}`, nil}, // it was not known
		{`{"motd":""}`, `{"motd":"x"}`, []string{"+ motd "}},
		{`{"motd":"x"}`, `{"motd":"y"}`, []string{"~ motd "}},
		{`{"lock":true}`, `{"lock":false}`, []string{"~ lock "}},
		{`{"leader":"bob"}`, `{"leader":""}`, []string{"- leader "}},
		{`{"poll":null}`, `{"poll":{"title":"T"}}`, []string{"+ poll "}},
		{`{"options":{"a":1,"b":2,"c":3}}`, `{"options":{"a":1,"b":3,"d":4}}`, []string{"~ options b", "- options c", "+ options d"}},
		{`{"users":[{"name":"alice","rank":1}]}`, `{"users":[{"name":"alice","rank":2},{"name":"bob","rank":0}]}`, []string{"~ users alice", "+ users bob"}},
		{`{"playlist":[{"uid":1,"url":"a"},{"uid":2,"url":"b"}]}`, `{"playlist":[{"uid":7,"url":"b"},{"uid":8,"url":"a"}]}`, []string{"~ playlist order"}},
		{`{"filters":[{"name":"b"},{"name":"a"}],"ordered":["filters"]}`, `{"filters":[{"name":"x"},{"name":"a"},{"name":"b"}],"ordered":["filters"]}`, []string{"+ filters x", "~ filters order"}},
		{`{"filters":[{"name":"a"},{"name":"b"}]}`, `{"filters":[{"name":"b"},{"name":"a"}],"ordered":["filters"]}`, nil}, // by name, as earlier releases
		{`{"ranks":[{"name":"a"},{"name":"b"}]}`, `{"ranks":[{"name":"b"},{"name":"a"}]}`, nil},
		{`{"playlist":[{"uid":1,"url":"a"},{"uid":2,"url":"a"}]}`, `{"playlist":[{"uid":1,"url":"a"}]}`, []string{"- playlist a #2"}},
	} {
		var got []string
		for _, c := range Diff(parsed(t, test.from), parsed(t, test.to)) {
			got = append(got, c.Op+" "+c.Part+" "+c.Key)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s to %s: %s", test.from, test.to, diff)
		}
	}
}

// Values are one line for people, of users and ranks alike.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ part, value, want string }{
		{PartRanks, `{"name":"ada","rank":3}`, "rank 3"},
		{PartUsers, `{"name":"ada","rank":3}`, "ada                   rank 3"},
		{PartBans, `{"id":1,"name":"bob","by":"ada","reason":"spam"}`, "bob                   name     by ada  spam"},
		{PartEmotes, `{"name":":x:","image":"https://example.org/x.png"}`, "https://example.org/x.png"},
	} {
		if got := short(test.part, json.RawMessage(test.value)); got != test.want {
			t.Errorf("%s %s: %q, not %q", test.part, test.value, got, test.want)
		}
	}
}

// A long list comes in pages, and is there once the last has come.
func TestStatesInPages(t *testing.T) {
	t.Parallel()
	v, w := New("lounge"), New("lounge")
	for i := range 5000 {
		v.Playlist = append(v.Playlist, Item{UID: i, Title: "A title of some length, as videos have it", URL: "https://youtube.com/watch?v=abcdefghijk", Type: "yt", QueuedBy: "alice"})
	}
	states := v.States(PartPlaylist, 0)
	if len(states) < 3 {
		t.Fatalf("%d pages", len(states))
	}
	for i, s := range states {
		if len(s.Value) > pageBytes || w.Playlist != nil || s.Page != i+1 || s.Pages != len(states) || s.Hash != states[0].Hash {
			t.Errorf("page %d: %d bytes, %d of %d", i, len(s.Value), s.Page, s.Pages)
		}
		w.state(s, stored{})
	}
	if diff := cmp.Diff(v.Playlist, w.Playlist); diff != "" || !w.Whole() {
		t.Error(diff)
	}
}
