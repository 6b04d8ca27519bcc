package localserver_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/localserver"
)

// Neither the server nor those who only speak keep the lines: what they hold afterwards is the same however much was said.
func TestLinesAreNotKept(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: says tens of thousands of lines")
	}
	const speakers, lines = 20, 2_000
	text := strings.Repeat("x", 300)
	s, err := localserver.Start(localserver.Config{
		Channels: []localserver.ChannelConfig{{Name: lobby, Flood: Flood{Burst: speakers * lines, Sustained: 1e6}}},
	})
	try(t, err)
	t.Cleanup(s.Close)
	var users []*localserver.User
	for i := range speakers {
		u, err := localserver.Join(soon(t), s.URL(), lobby, fmt.Sprint("user", i), "", nil)
		try(t, err)
		t.Cleanup(u.Close)
		users = append(users, u)
	}
	speak := func(lines int) {
		for i := range lines {
			try(t, users[i%speakers].Say(soon(t), text))
		}
	}
	speak(speakers)
	before := heapInUse()
	speak(lines)
	// Each of the speakers receives 2,000 lines of 300 bytes: 12 MB and more, if they were kept.
	if grown := int64(heapInUse()) - int64(before); grown > 4<<20 {
		t.Errorf("%d lines heard by %d users: %d KiB more are held", lines, speakers, grown>>10)
	}
	if n := s.ChatLines(); n != speakers+lines {
		t.Errorf("%d lines are counted", n)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
