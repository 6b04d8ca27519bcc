package dryrun

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is compared, every output stands in exactly one line, the lines'
// statuses are what they say, and nothing differs from itself.
func TestCompare(t *testing.T) {
	t.Parallel()
	outputs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Output {
		o := Output{
			Subject: rapid.SampledFrom([]string{"cytube.send.chat", "cytube.send.pm", "plugin.a.event.x"}).Draw(t, "subject"),
			Data:    fmt.Appendf(nil, `{"n":%d}`, rapid.IntRange(0, 3).Draw(t, "data")),
		}
		if rapid.Bool().Draw(t, "timer") {
			o.Due = time.Unix(rapid.Int64Range(1, 10).Draw(t, "due"), 0)
		}
		return o
	}), 0, 8)
	rapid.Check(t, func(t *rapid.T) {
		said, now := outputs.Draw(t, "said"), outputs.Draw(t, "now")
		lines := compare(said, now)
		var left, right []Output
		for _, l := range lines {
			if l.Recorded != nil {
				left = append(left, *l.Recorded)
			}
			if l.Current != nil {
				right = append(right, *l.Current)
			}
			ok := false
			switch l.Status {
			case Same:
				ok = l.Recorded != nil && l.Current != nil && same(*l.Recorded, *l.Current)
			case Changed:
				ok = l.Recorded != nil && l.Current != nil && l.Recorded.Subject == l.Current.Subject && !same(*l.Recorded, *l.Current)
			case Missing:
				ok = l.Recorded != nil && l.Current == nil
			case New, Unproven:
				ok = l.Recorded == nil && l.Current != nil && l.Current.Due.IsZero() == (l.Status == New)
			}
			if !ok {
				t.Fatalf("%s: said %v, now %v", l.Status, l.Recorded, l.Current)
			}
		}
		if !equal(left, said) || !equal(right, now) {
			t.Fatalf("%v and %v became %v and %v", said, now, left, right)
		}
		if self := (Result{Diffs: compare(said, said)}); self.Status() != Same || len(self.Diffs) != len(said) {
			t.Fatalf("%v differs from itself: %v", said, self.Diffs)
		}
	})
}

// equal reports whether two lists hold the same outputs, in whatever order.
func equal(a, b []Output) bool {
	text := func(list []Output) []string {
		var texts []string
		for _, o := range list {
			texts = append(texts, fmt.Sprint(o.Subject, string(o.Data), o.Due))
		}
		slices.Sort(texts)
		return texts
	}
	return slices.Equal(text(a), text(b))
}
