package cmd

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Everything that a plugin needs is there when it starts: one that begins by
// reading its records does not fail at first.
func TestPluginsStartAtOnce(t *testing.T) {
	streamstest.Slow(t, "runs several processes")
	t.Parallel()
	store := t.TempDir()
	for range 3 {
		r := rosey(t, "!countdown list\n", "run", "--local", "--store", store)
		if r.code != 0 || strings.Contains(r.stderr, "will start again") || !strings.Contains(r.stdout, "rosey: ") {
			t.Errorf("%+v", r)
		}
	}
}
