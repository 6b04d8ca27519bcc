package timeparse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // the first time, and how often
		"2h30m":                          "2026-11-24 14:30:00 UTC",
		"90s":                            "2026-11-24 12:01:30 UTC",
		"in 10 min":                      "2026-11-24 12:10:00 UTC",
		"1 day 12 hours":                 "2026-11-26 00:00:00 UTC",
		"1d, 2h":                         "2026-11-25 14:00:00 UTC",
		"1W":                             "2026-12-01 12:00:00 UTC",
		"20:00":                          "2026-11-24 20:00:00 UTC",
		"08:00":                          "2026-11-25 08:00:00 UTC",
		"12:00":                          "2026-11-25 12:00:00 UTC",
		"8pm":                            "2026-11-24 20:00:00 UTC",
		"8:30 PM":                        "2026-11-24 20:30:00 UTC",
		"today 13:00:30":                 "2026-11-24 13:00:30 UTC",
		"tomorrow 08:00":                 "2026-11-25 08:00:00 UTC",
		"fri 20:00":                      "2026-11-27 20:00:00 UTC",
		"Tuesday 11:00":                  "2026-12-01 11:00:00 UTC",
		"tue 13:00":                      "2026-11-24 13:00:00 UTC",
		"2026-12-24":                     "2026-12-24 00:00:00 UTC",
		"2026-12-24 20:00":               "2026-12-24 20:00:00 UTC",
		"2026-12-24T20:00":               "2026-12-24 20:00:00 UTC",
		"2026-12-24t20:00:05z":           "2026-12-24 20:00:05 UTC",
		"2026-12-24T20:00+02:00":         "2026-12-24 18:00:00 UTC",
		"2026-12-24 20:00 +02:00":        "2026-12-24 18:00:00 UTC",
		"2026-12-24 20:00 -0330":         "2026-12-24 23:30:00 UTC",
		"2026-12-24 20:00 Europe/Berlin": "2026-12-24 19:00:00 UTC",
		"20:00 America/New_York":         "2026-11-25 01:00:00 UTC",
		"20:00 daily UTC":                "2026-11-24 20:00:00 UTC every day",
		"20:00 utc daily":                "2026-11-24 20:00:00 UTC every day",
		"fri 20:00 weekly":               "2026-11-27 20:00:00 UTC every week",
		"2h every 2 hours":               "2026-11-24 14:00:00 UTC every 2 hours",
		"2h every 90m":                   "2026-11-24 14:00:00 UTC every 90 minutes",
		"2026-12-24 every year":          "2026-12-24 00:00:00 UTC every year",
		"2020-02-29 every year":          "2027-02-28 00:00:00 UTC every year",
		"2026-01-31 09:00 monthly":       "2026-11-30 09:00:00 UTC every month",
	} {
		s, err := ParseSchedule(strings.Fields(text), noon)
		got := strings.TrimSpace(s.After(noon).UTC().Format("2006-01-02 15:04:05 MST ") + s.Every.String())
		if err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestParseWhenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                          "say when",
		"daily":                     "say when it begins",
		"bananas":                   `"bananas" is not a time: write for example 2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin`,
		"2 bananas":                 `"2 bananas" is not a time`,
		"25:00":                     "is not a time",
		"2026-13-01":                "is not a time",
		"24/12/2026":                "is not a time",
		"blursday 20:00":            "is not a time",
		"0s":                        "is over: it was a moment ago",
		"today 11:00":               "today 11:00 is over: it was 1h ago",
		"2025-11-24 12:00":          "2025-11-24 12:00 is over: it was 365d ago",
		"2h every":                  "write for example every day",
		"2h every banana":           "write for example every day",
		"2h every 0 days":           "write for example every day",
		"2h every 99999999999 days": "write for example every day",
		"2h every minute":           "too often: every 5m at the most",
		"20:00 Europe/Atlantis":     "I do not know the time zone Europe/Atlantis",
		"9999-01-01":                "more than 10 years away",
		"999999999w":                "more than 10 years away",
		"999999999w 999999999w 9d":  "more than 10 years away",
		"0001-01-01 daily":          "more than 10 years ago",
		strings.Repeat("x", 300):    "…",
	} {
		_, err := ParseSchedule(strings.Fields(text), noon)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), says) || len(err.Error()) > 200 {
			t.Errorf("%q: %v; want INVALID_INPUT that says %q", text, err, says)
		}
	}
}

// The end of a month is its last day, however long it is.
func TestEndsOfMonths(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	end := Schedule{First: first, Wall: first, Every: Period{1, "month"}}
	var got []string
	for at := end.First; len(got) < 4; at = end.After(at) {
		got = append(got, at.Format(time.DateOnly))
	}
	if want := "2026-01-31 2026-02-28 2026-03-31 2026-04-30"; strings.Join(got, " ") != want {
		t.Errorf("at the end of each month: %s, want %s", got, want)
	}
}

// A recurring countdown keeps the calendar of the zone that was asked for when it
// is read back from its record, however the zone was written.
func TestZonesAreKept(t *testing.T) {
	t.Parallel()
	for text, zone := range map[string]string{
		"2027-01-30T23:30-05:00 monthly":          "-05:00",
		"2027-01-30T23:30:00+05:45 monthly":       "+05:45",
		"2027-01-30T23:30+00:00 monthly":          "UTC",
		"2027-01-30T23:30Z monthly":               "UTC",
		"2027-01-30 23:30 -0500 monthly":          "-05:00",
		"2027-01-30 23:30 America/Lima monthly":   "America/Lima",
		"2027-01-30T23:30+01:00 Europe/Berlin":    "Europe/Berlin",
		"2027-01-30T23:30-05:00 UTC every 1 days": "-05:00",
	} {
		s, err := ParseSchedule(strings.Fields(text), noon)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		d := s.Rule()
		if d.Zone != zone {
			t.Errorf("%q is kept as of zone %q, want %q", text, d.Zone, zone)
		}
		for at, n := s.First, 0; n < 4; n++ {
			want := s.After(at)
			if got := d.Schedule().After(at); !got.Equal(want) {
				t.Errorf("%q: after %s comes %s, want %s", text, at, got, want)
			}
			at = want
		}
	}
}

// After is always later than what it is given, and by one period at most.
func TestAfter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Period{rapid.IntRange(1, 500).Draw(t, "n"), rapid.SampledFrom([]string{"minute", "hour", "day", "week", "month", "year"}).Draw(t, "unit")}
		if p.Unit == "minute" {
			p.N += 5
		}
		first := noon.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "first")) * time.Second)
		s := Schedule{First: first, Wall: first, Every: p}
		now := noon.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "now")) * time.Second)
		next := s.After(now)
		switch {
		case !next.After(now):
			t.Fatalf("%s is not after %s", next, now)
		case next.Before(first):
			t.Fatalf("%s is before the first, %s", next, first)
		case next.After(first) && (Schedule{First: now, Wall: now, Every: p}).occurrence(p.N).Add(4*24*time.Hour).Before(next):
			t.Fatalf("%s is more than %s after %s", next, p, now)
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"2h30m", "fri 20:00 weekly", "2026-12-24T20:00+02:00", "every", "in", "20:00 Europe/Berlin every 2 weeks"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(strings.Fields(text), noon)
		if err != nil {
			return
		}
		if due := s.After(noon); !due.After(noon) || due.Year() > 20100 {
			t.Errorf("%q is due on %s", text, due)
		}
	})
}

// What stands after a schedule is left; what is meant as a time and is none is said.
func TestCutSchedule(t *testing.T) {
	t.Parallel()
	berlin, _ := Zone("Europe/Berlin")
	for text, want := range map[string]string{
		"friday 20:00 Metropolis":                    "Fri 27 Nov 20:00 CET | Metropolis",
		"every friday 20:00 Metropolis":              "Fri 27 Nov 20:00 CET every week | Metropolis",
		"fri 20:00 weekly UTC The Daily Show":        "Fri 27 Nov 20:00 UTC every week | The Daily Show",
		"tomorrow 8 pm 12 Monkeys":                   "Wed 25 Nov 20:00 CET | 12 Monkeys",
		"fri 20:00 Every Which Way but Loose":        "Fri 27 Nov 20:00 CET | Every Which Way but Loose",
		"2026-12-24 20:00 2001 A Space Odyssey":      "Thu 24 Dec 20:00 CET | 2001 A Space Odyssey",
		"fri 20:00 12:08 East of Bucharest":          "Fri 27 Nov 20:00 CET | 12:08 East of Bucharest",
		"every 2 weeks fri 4 Dec 20:00 Nosferatu":    "Fri 4 Dec 20:00 CET every 2 weeks | Nosferatu",
		"cron 0 20 * * 5 Metropolis":                 "Fri 27 Nov 20:00 CET | Metropolis",
		"cron 30 9 1 * * UTC The News":               "Tue 1 Dec 09:30 UTC | The News",
		"in 10 min https://youtu.be/abcdefg0200":     "Tue 24 Nov 13:10 CET | https://youtu.be/abcdefg0200",
		"friday 27:00 Metropolis":                    `! "27:00" is no time of day`,
		"friday 25pm Metropolis":                     `! "25pm" is no time of day`,
		"27:00 Metropolis":                           `! "27:00`,
		"today 11:00 Metropolis":                     "! today 11:00 is over: it was 2h ago",
		"2027-03-28 02:30 Metropolis":                "! there is no 02:30 on Sun 28 Mar 2027 in Europe/Berlin: the clocks go forward then, write for example 03:30",
		"0s Metropolis":                              "! 0s is over",
		"every 0 days Metropolis":                    "! I cannot read",
		"every minute Metropolis":                    "! say when it begins, for example 20:00 every minute",
		"20:00 every minute Metropolis":              "! that is too often: every 5m at the most",
		"Metropolis":                                 `! "Metropolis" is not a time`,
		"":                                           "! say when",
		"cron 0 27 * * 5 Metropolis":                 "! \"0 27 * * 5\" is no cron expression: end of range (27)",
		"cron * * * * * Metropolis":                  "! that is too often",
		"cron 0 0 30 2 * Metropolis":                 "! \"0 0 30 2 *\" never comes",
		"cron 0 20":                                  "! a cron expression has five fields",
		"cron TZ=UTC 0 20 * * Metropolis":            "! ",
		"cron CRON_TZ=Europe/Berlin 0 20 * * 1 Film": "! ",
	} {
		s, rest, err := CutSchedule(strings.Fields(text), noon.In(berlin))
		got := "! " + fmt.Sprint(err)
		if err == nil {
			got = strings.TrimSpace(s.After(noon).Format("Mon 2 Jan 15:04 MST ")+s.Every.String()) + " | " + strings.Join(rest, " ")
		}
		if err == nil && got != want || !strings.HasPrefix(got, want) {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

// A cron expression keeps its time of day in every zone: what the clocks skip comes as much
// later as they go forward, and what they show twice comes once.
func TestCronKeepsTheTimeOfDay(t *testing.T) {
	t.Parallel()
	berlin, _ := Zone("Europe/Berlin")
	howe, _ := Zone("Australia/Lord_Howe")
	for _, c := range []struct {
		spec string
		zone *time.Location
		from time.Time
		want string
	}{
		{"30 2 * * *", berlin, time.Date(2027, 3, 26, 12, 0, 0, 0, time.UTC), "27 02:30, 28 03:30, 29 02:30"},
		{"30 2 * * *", berlin, time.Date(2027, 10, 29, 12, 0, 0, 0, time.UTC), "30 02:30, 31 02:30, 1 02:30"},
		{"0 20 * * 5", berlin, time.Date(2027, 3, 20, 12, 0, 0, 0, time.UTC), "26 20:00, 2 20:00, 9 20:00"},
		{"15,30 2 * * *", howe, time.Date(2027, 10, 2, 12, 0, 0, 0, time.UTC), "3 02:30, 3 02:45, 4 02:15"},
	} {
		s, err := ParseSchedule(append([]string{"cron"}, strings.Fields(c.spec)...), c.from.In(c.zone))
		if err != nil {
			t.Fatal(err)
		}
		s = s.Rule().Schedule()
		var got []string
		for at := s.After(c.from); len(got) < 3; at = s.After(at) {
			got = append(got, at.Format("2 15:04"))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s in %s: %s, want %s", c.spec, c.zone, got, c.want)
		}
	}
}

// Whatever the expression and the zone, the next time is later, is none that was passed over,
// and is the same from any moment before it.
func TestCronAfter(t *testing.T) {
	t.Parallel()
	zones := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, from, to int) string {
			if rapid.Bool().Draw(t, name+" any") {
				return "*"
			}
			return fmt.Sprint(rapid.IntRange(from, to).Draw(t, name))
		}
		spec := fmt.Sprintf("%d %s %s %s %s", rapid.IntRange(0, 59).Draw(t, "minute"), pick("hour", 0, 23), pick("day", 1, 28), pick("month", 1, 12), pick("weekday", 0, 6))
		now := noon.Add(time.Duration(rapid.Int64Range(0, 3e8).Draw(t, "now")) * time.Second)
		s, err := ParseSchedule(append([]string{"cron"}, strings.Fields(spec)...), now.In(rapid.SampledFrom(zones).Draw(t, "zone")))
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		next := s.After(now)
		if !next.After(now) {
			t.Fatalf("%s: %s is not after %s", spec, next, now)
		}
		between := now.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(now))-1).Draw(t, "between")))
		if again := s.After(between); !again.Equal(next) {
			t.Fatalf("%s: after %s comes %s, after %s comes %s", spec, now, next, between, again)
		}
	})
}

// A record that is damaged, or of a later release, is an error.
func TestRuleCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule Rule
		ok   bool
	}{
		{Rule{First: 1, Zone: "UTC"}, true},
		{Rule{First: 1, Zone: "Europe/Berlin", Every: Period{2, "week"}}, true},
		{Rule{Zone: "UTC", Cron: "0 20 * * 5"}, true},
		{Rule{Zone: "Mars/Olympus"}, false},
		{Rule{Zone: "UTC", Cron: "0 27 * * 5"}, false},
		{Rule{Zone: "UTC", Every: Period{0, "week"}}, false},
		{Rule{Zone: "UTC", Every: Period{1, "fortnight"}}, false},
	} {
		if err := c.rule.Check(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.rule, err)
		}
	}
}
