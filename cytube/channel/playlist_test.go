package channel

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

// site is a server's playlist, as uids and whether each is temporary.
type site struct {
	uids []int
	temp map[int]bool
	next int
}

// item is an item as the server sends it. Some are of the same media.
func (s *site) item(uid int) string {
	return fmt.Sprintf(`{"uid":%d,"temp":%t,"queueby":"alice","media":{"id":"m%d","title":"T","type":"yt","seconds":9}}`, uid, s.temp[uid], uid%3)
}

func (s *site) list() string {
	list := []json.RawMessage{}
	for _, uid := range s.uids {
		list = append(list, json.RawMessage(s.item(uid)))
	}
	raw, _ := json.Marshal(list)
	return string(raw)
}

// step does something to the playlist and returns the frame that says so.
func (s *site) step(t *rapid.T) string {
	kind := rapid.SampledFrom([]string{"queue", "queue", "queue", "delete", "move", "temp", "shuffle", "clear"}).Draw(t, "step")
	if len(s.uids) == 0 {
		kind = "queue"
	}
	at := 0
	if kind != "queue" {
		at = rapid.IntRange(0, len(s.uids)-1).Draw(t, "at")
	}
	switch kind {
	case "queue":
		to := rapid.IntRange(0, len(s.uids)).Draw(t, "to")
		after := `"prepend"`
		if to > 0 {
			after = fmt.Sprint(s.uids[to-1])
		}
		s.uids = slices.Insert(s.uids, to, s.next)
		s.next++
		return fmt.Sprintf(`["queue",{"item":%s,"after":%s}]`, s.item(s.next-1), after)
	case "delete":
		uid := s.uids[at]
		s.uids = slices.Delete(s.uids, at, at+1)
		return fmt.Sprintf(`["delete",{"uid":%d}]`, uid)
	case "move":
		uid := s.uids[at]
		s.uids = slices.Delete(s.uids, at, at+1)
		to := rapid.IntRange(0, len(s.uids)).Draw(t, "to")
		after := `"prepend"`
		if to > 0 {
			after = fmt.Sprintf(rapid.SampledFrom([]string{"%d", `"%d"`}).Draw(t, "form"), s.uids[to-1])
		}
		s.uids = slices.Insert(s.uids, to, uid)
		return fmt.Sprintf(`["moveVideo",{"from":%d,"after":%s}]`, uid, after)
	case "temp":
		uid := s.uids[at]
		s.temp[uid] = rapid.Bool().Draw(t, "temp")
		return fmt.Sprintf(`["setTemp",{"uid":%d,"temp":%t}]`, uid, s.temp[uid])
	case "shuffle":
		// The media are told apart by the last digit of the uid.
		s.uids = rapid.Permutation(s.uids).Draw(t, "order")
		s.next += 3 - s.next%3
		for i, uid := range s.uids {
			was := s.temp[uid]
			s.uids[i] = s.next + uid%3
			s.temp[s.uids[i]] = was
			s.next += 3
		}
	default:
		s.uids = nil
	}
	return `["playlist",` + s.list() + `]`
}

// replay changes a playlist as an event says.
func replay(t *rapid.T, list []int, temp map[int]bool, e Event) []int {
	insert := func(uid int, after *int) []int {
		at := 0
		if after != nil {
			at = slices.Index(list, *after) + 1
		}
		return slices.Insert(list, at, uid)
	}
	remove := func(uid int) { list = slices.DeleteFunc(list, func(u int) bool { return u == uid }) }
	switch e.Subject {
	case event.SubjectMediaQueue:
		q, _ := event.As[event.MediaQueue](e.Envelope)
		var after *int
		_ = json.Unmarshal(q.Extra["after"], &after)
		temp[q.UID] = string(q.Extra["temp"]) == "true"
		return insert(q.UID, after)
	case event.SubjectMediaDelete:
		d, _ := event.As[event.MediaDelete](e.Envelope)
		remove(d.UID)
	case event.SubjectMediaMove:
		m, _ := event.As[event.MediaMove](e.Envelope)
		remove(m.UID)
		return insert(m.UID, m.After)
	case event.SubjectMediaTemp:
		m, _ := event.As[event.MediaTemp](e.Envelope)
		temp[m.UID] = m.Temp
	case event.SubjectMediaShuffle:
		m, _ := event.As[event.MediaShuffle](e.Envelope)
		sorted := slices.Clone(m.Was)
		slices.Sort(sorted)
		old := slices.Sorted(slices.Values(list))
		if !slices.Equal(sorted, old) {
			t.Fatalf("a shuffle of %v, not of %v", sorted, old)
		}
		for i, uid := range m.UIDs {
			temp[uid] = temp[m.Was[i]]
		}
		return m.UIDs
	case event.SubjectMediaClear:
		return nil
	}
	return list
}

// The playlist that the events add up to is the server's, whatever happens to it.
func TestPlaylistFromEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, server := New("testchan"), &site{temp: map[int]bool{}}
		s.complete, s.whole = true, true
		var list []int
		temp := map[int]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			text := server.step(t)
			var frame []json.RawMessage
			if err := json.Unmarshal([]byte(text), &frame); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			var name string
			_ = json.Unmarshal(frame[0], &name)
			events, err := s.Apply(Frame{Name: name, Args: frame[1:]}, now)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				list = replay(t, list, temp, e)
			}
			if diff := cmp.Diff(append([]int{}, server.uids...), append([]int{}, list...)); diff != "" {
				t.Fatalf("after %s: %s", text, diff)
			}
			for i, m := range s.playlist {
				if m.uid != list[i] || m.temp != temp[m.uid] {
					t.Fatalf("after %s: item %d is %+v, temporary %t in the events", text, i, m, temp[m.uid])
				}
			}
		}
	})
}
