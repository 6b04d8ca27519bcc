package timeparse

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// zones returns every zone of the tz database.
func zones(t *testing.T) (all []*time.Location) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	database, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	for _, f := range database.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		zone, err := time.LoadLocation(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, zone)
	}
	return all
}

// change is a moment at which the clocks of a zone go from one offset to another.
type change struct {
	at            time.Time
	before, after time.Duration
}

// changes returns those of ten years.
func changes(zone *time.Location) (list []change) {
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	offset := func(t time.Time) time.Duration {
		_, seconds := t.Zone()
		return time.Duration(seconds) * time.Second
	}
	for at := from.In(zone); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.After(to) {
			return list
		}
		if before, after := offset(end.Add(-time.Second)), offset(end); before != after {
			list = append(list, change{end, before, after})
		}
		at = end
	}
}

// A countdown keeps its time of day in every zone, over ten years: on the day on which
// the clocks skip it, it is as much later as they go forward, and afterwards it is as it
// was. Each is read back from its record, and begins before the change or in it.
func TestTimeOfDayIsKept(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("slow: every change of every zone")
	}
	seen := map[change]bool{} // zones share the rules of others
	for _, zone := range zones(t) {
		for _, c := range changes(zone) {
			key := change{c.at.UTC(), c.before, c.after}
			if seen[key] {
				continue
			}
			seen[key] = true
			jump := c.after - c.before
			// Inside of what is skipped or comes twice, and an hour before and after.
			for _, off := range []time.Duration{min(0, jump) - time.Hour, jump / 2, max(0, jump) + time.Hour} {
				wall := c.at.UTC().Add(c.before + off)
				for _, unit := range []string{"day", "week", "month", "year"} {
					for _, earlier := range []int{0, 1, 2} {
						c.check(t, zone, wall, unit, earlier)
					}
				}
			}
		}
	}
	if len(seen) < 200 {
		t.Errorf("only %d changes of the clocks", len(seen))
	}
}

// steps are a unit's years, months and days.
var steps = map[string][3]int{"day": {0, 0, 1}, "week": {0, 0, 7}, "month": {0, 1, 0}, "year": {1, 0, 0}}

// check follows a countdown whose occurrence with the given number is at wall.
func (c change) check(t *testing.T, zone *time.Location, wall time.Time, unit string, number int) {
	t.Helper()
	step := steps[unit]
	walls := func(n int) time.Time { return wall.AddDate(step[0]*n, step[1]*n, step[2]*n) }
	first := walls(-number)
	if wall.Day() > 28 && (unit == "month" || unit == "year") {
		return // see TestEndsOfMonths
	}
	words := strings.Fields(first.Format("2006-01-02 15:04:05 ") + zone.String() + " every " + unit)
	s, err := ParseSchedule(words, c.at.AddDate(-3, 0, 0))
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	s = s.Rule().Schedule()
	at := s.First
	for n := -number; n <= 2; n++ {
		want := walls(n).Format(time.DateTime)
		skipped := c.skips(walls(n))
		if skipped {
			want = walls(n).Add(c.after - c.before).Format(time.DateTime)
		}
		if got := at.Format(time.DateTime); got != want {
			t.Errorf("%s: occurrence %d is at %s, want %s (skipped: %v)", strings.Join(words, " "), n+number, got, want, skipped)
		}
		at = s.After(at)
	}
}

// skips reports whether the clocks skip a time.
func (c change) skips(wall time.Time) bool {
	from := c.at.UTC().Add(c.before)
	return !wall.Before(from) && wall.Before(c.at.UTC().Add(c.after))
}

// Records of earlier versions go on with the time of day of their first occurrence.
func TestOldRecordsGoOn(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 3, 22, 1, 30, 0, 0, time.UTC) // 02:30 in Berlin
	d := Rule{First: first.Unix(), Zone: "Europe/Berlin", Every: Period{1, "week"}}
	var got []string
	for at := first; len(got) < 3; at = d.Schedule().After(at) {
		got = append(got, at.In(d.Location()).Format("2 15:04"))
	}
	if want := "22 02:30, 29 03:30, 5 02:30"; strings.Join(got, ", ") != want {
		t.Errorf("a record without a time of day is due on %s, want %s", got, want)
	}
}
