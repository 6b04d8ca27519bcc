package playlist

import (
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/cytube/view"
)

// items makes items of letters, each with the letter's number as uid; an upper-case letter is
// the same media under another uid.
func items(letters string) (list []view.Item) {
	for _, l := range letters {
		list = append(list, view.Item{UID: int(l), URL: strings.ToLower(string(l)), Type: "yt"})
	}
	return list
}

func lettersOf(list []view.Item) string {
	var b strings.Builder
	for _, i := range list {
		b.WriteRune(rune(i.UID))
	}
	return b.String()
}

// What is undone is only the change: what others did since stays.
func TestMerge(t *testing.T) {
	t.Parallel()
	uids := func(letters string) (list []int) {
		for _, i := range items(letters) {
			list = append(list, i.UID)
		}
		return list
	}
	for _, test := range []struct {
		what, before, now, want string
		undo                    revert
	}{
		{"a removal", "abcd", "abd", "abcd", revert{Gone: uids("c")}},
		{"of the first", "abcd", "bcd", "abcd", revert{Gone: uids("a")}},
		{"of several, with an addition since", "abcde", "axe", "abcdxe", revert{Gone: uids("bcd")}},
		{"whose neighbour has gone since", "abcd", "ad", "acd", revert{Gone: uids("c")}},
		{"a clearing", "abc", "", "abc", revert{All: true}},
		{"a clearing, with an addition since", "abc", "x", "abcx", revert{All: true}},
		{"half done", "abcd", "xAB", "ABcdx", revert{All: true}},
		{"a clearing of the same twice", "aab", "A", "Aab", revert{All: true}},
		{"an addition", "ab", "abcd", "abd", revert{Added: []added{{int('c'), "c", "yt"}}}},
		{"an addition, and a shuffle since", "ab", "CBA", "BA", revert{Added: []added{{int('c'), "c", "yt"}}}},
		{"a move", "abcd", "bcda", "abcd", revert{Order: true}},
		{"a move, with an addition since", "abcd", "bcxda", "abcxd", revert{Order: true}},
		{"a shuffle", "abcd", "DBAC", "ABCD", revert{Order: true}},
		{"nothing", "abc", "abc", "abc", revert{}},
		{"what cannot come back", "abc", "c", "ac", revert{Gone: uids("ab"), Lost: map[string]int{"yt b": 1}}},
	} {
		now := items(test.now)
		if got := lettersOf(test.undo.merge(items(test.before), now)); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
		if !slices.Equal(now, items(test.now)) {
			t.Errorf("%s changed what it was given", test.what)
		}
	}
}
