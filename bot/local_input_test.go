package bot

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadLines(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", maxLine-1)
	const tooLong = "not said: a line of 1048577 bytes, more than the 1048576 that are read"
	for name, c := range map[string]struct {
		in   io.Reader
		want []string
	}{
		"nothing":                 {strings.NewReader(""), nil},
		"lines":                   {strings.NewReader("one\n\r\ntwo\r\n"), []string{"one", "", "two"}},
		"no end":                  {strings.NewReader("one\ntwo"), []string{"one", "two"}},
		"the longest":             {strings.NewReader(longest + "\ntwo\n"), []string{longest, "two"}},
		"too long":                {strings.NewReader("one\nx" + longest + "\ntwo\n"), []string{"one", tooLong, "two"}},
		"too long, without end":   {strings.NewReader("one\nxx" + longest), []string{"one", tooLong}},
		"in pieces":               {iotest.OneByteReader(strings.NewReader("one\ntwo\n")), []string{"one", "two"}},
		"a terminal that is gone": {io.MultiReader(strings.NewReader("one\ntw"), iotest.ErrReader(errors.New("gone"))), []string{"one", "the end: read what is typed: gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := make(chan inputLine)
			go readLines(t.Context(), c.in, lines)
			var got []string
			for line := range lines {
				switch {
				case line.last:
					got = append(got, "the end: "+line.err.Error())
				case line.err != nil:
					got = append(got, "not said: "+line.err.Error())
				default:
					got = append(got, line.text)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%.2000s", diff)
			}
		})
	}
}
