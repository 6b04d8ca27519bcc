package countdown

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

// noon is a Tuesday.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestParseWhen(t *testing.T) {
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
		s, err := ParseWhen(strings.Fields(text), noon)
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
		"daily":                     "say when",
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
		_, err := ParseWhen(strings.Fields(text), noon)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), says) || len(err.Error()) > 200 {
			t.Errorf("%q: %v; want INVALID_INPUT that says %q", text, err, says)
		}
	}
}

// The end of a month is its last day, however long it is.
func TestEndsOfMonths(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	end := Schedule{first, first, Period{1, "month"}}
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
		s, err := ParseWhen(strings.Fields(text), noon)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		d := record(s)
		if d.Zone != zone {
			t.Errorf("%q is kept as of zone %q, want %q", text, d.Zone, zone)
		}
		for at, n := s.First, 0; n < 4; n++ {
			want := s.After(at)
			if got := d.schedule().After(at); !got.Equal(want) {
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
		s := Schedule{first, first, p}
		now := noon.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "now")) * time.Second)
		next := s.After(now)
		switch {
		case !next.After(now):
			t.Fatalf("%s is not after %s", next, now)
		case next.Before(first):
			t.Fatalf("%s is before the first, %s", next, first)
		case next.After(first) && (Schedule{now, now, p}).occurrence(p.N).Add(4*24*time.Hour).Before(next):
			t.Fatalf("%s is more than %s after %s", next, p, now)
		}
	})
}

func FuzzParseWhen(f *testing.F) {
	for _, s := range []string{"2h30m", "fri 20:00 weekly", "2026-12-24T20:00+02:00", "every", "in", "20:00 Europe/Berlin every 2 weeks"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseWhen(strings.Fields(text), noon)
		if err != nil {
			return
		}
		if due := s.After(noon); !due.After(noon) || due.Year() > 20100 {
			t.Errorf("%q is due on %s", text, due)
		}
	})
}
