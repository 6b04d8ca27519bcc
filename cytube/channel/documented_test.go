package channel

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
)

// Every frame of the table in docs/frames.md is known to the fold, and none else is.
func TestFramesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/frames.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*\\|$").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	slices.Sort(documented)
	known := map[string]bool{}
	for name := range handlers {
		known[name] = true
	}
	maps.Copy(known, ignored)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), documented); diff != "" {
		t.Errorf("frames of the fold and of docs/frames.md: %s", diff)
	}
	for _, name := range append(documented, "acp-gbanlist", "brandNew") {
		events, _ := New("testchan").Apply(Frame{Name: name}, now)
		unknown := slices.ContainsFunc(events, func(e Event) bool { return e.Subject == event.SubjectUnknown })
		if unknown == known[name] {
			t.Errorf("%s: recorded as unknown: %v", name, unknown)
		}
	}
}
