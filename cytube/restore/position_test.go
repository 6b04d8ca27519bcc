package restore

import (
	"testing"
	"time"

	"github.com/rosey-bot/rosey/cytube/view"
)

// A plan that plays an item again says that its position is not restored, where it had one.
func TestPositionIsNotRestored(t *testing.T) {
	t.Parallel()
	plays := []Step{{Change: view.Change{Part: view.PartPlaylist, Key: keyPlays}}, {}}
	for name, test := range map[string]struct {
		steps   []Step
		playing view.Playing
		want    string
	}{
		"in the middle":    {plays, view.Playing{Duration: 600, Position: 60, At: 1000}, `"1m30s"`},
		"paused":           {plays, view.Playing{Duration: 600, Position: 60, At: 1000, Paused: true}, `"1m0s"`},
		"at the beginning": {plays, view.Playing{Duration: 600, At: 30_000}, ""},
		"live":             {plays, view.Playing{Position: 60, At: 1000}, ""},
		"plays still":      {[]Step{{}}, view.Playing{Duration: 600, Position: 60, At: 1000}, ""},
	} {
		got := ""
		if steps := withPosition(test.steps, &view.View{Playing: &test.playing}, time.UnixMilli(31_000)); len(steps) > len(test.steps) {
			got = string(steps[1].New)
			if _, _, can := steps[1].Send(); can {
				t.Errorf("%s: it can be done", name)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
