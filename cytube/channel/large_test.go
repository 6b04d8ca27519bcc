package channel

import (
	"fmt"
	"strings"
	"testing"
)

// largeJoin is a join of a channel with so many items and emotes.
func largeJoin(tb testing.TB, films, pictures int) []Frame {
	tb.Helper()
	var emotes, items []string
	for i := range pictures {
		emotes = append(emotes, fmt.Sprintf(`{"name":":emote%d:","image":"https://example.org/emotes/%d.png","source":":emote%d:"}`, i, i, i))
	}
	for i := range films {
		items = append(items, fmt.Sprintf(`{"uid":%d,"temp":false,"queueby":"alice","media":{"id":"film%07d","title":"A film of the usual length %d","seconds":5400,"duration":"1:30:00","type":"yt"}}`, i, i, i))
	}
	return []Frame{
		frame(tb, `["emoteList",[`+strings.Join(emotes, ",")+`]]`), frame(tb, `["playlist",[`+strings.Join(items, ",")+`]]`),
		frame(tb, `["setCurrent",0]`), frame(tb, `["userlist",[]]`), frame(tb, `["usercount",1]`),
	}
}

// join applies a join by another process, and returns what is stored of it.
func (f *folder) join(tb testing.TB, frames []Frame) (events, bytes int) {
	tb.Helper()
	f.State = New("testchan")
	f.Restore(f.view)
	f.BeginJoin()
	f.SetSelf("rosey")
	for _, frame := range frames {
		list, err := f.Apply(frame, now)
		if err != nil {
			tb.Fatal(err)
		}
		for _, e := range list {
			events, bytes = events+1, bytes+len(e.Data)
		}
		f.take(tb, list)
	}
	f.EndJoin()
	return events, bytes
}

// What a channel has is stored once, however large it is: the second join stores nothing.
func TestLargeJoin(t *testing.T) {
	t.Parallel()
	frames := largeJoin(t, 1500, 300)
	f := newFolder()
	events, bytes := f.join(t, frames)
	t.Logf("first: %d events with %d bytes", events, bytes)
	if events == 0 || events > 20 || len(f.view.Emotes) != 300 || len(f.view.Playlist) != 1500 {
		t.Errorf("%d events, %d emotes, %d items", events, len(f.view.Emotes), len(f.view.Playlist))
	}
	if events, bytes := f.join(t, frames); events != 0 {
		t.Errorf("again: %d events with %d bytes", events, bytes)
	}
}

// BenchmarkLargeJoin measures a join that stores nothing.
func BenchmarkLargeJoin(b *testing.B) {
	frames, f := largeJoin(b, 5000, 2000), newFolder()
	f.join(b, frames)
	for b.Loop() {
		f.join(b, frames)
	}
}
