package timeparse

import (
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// noon is a Tuesday.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// parsed are times as people write them, at noon.
var parsed = []struct{ text, future, past string }{ // past is "" where it is the same
	{"20:00", "2026-11-24 20:00:00 UTC", ""},
	{"08:00", "2026-11-25 08:00:00 UTC", "2026-11-24 08:00:00 UTC"},
	{"8pm", "2026-11-24 20:00:00 UTC", ""},
	{"8 PM", "2026-11-24 20:00:00 UTC", ""},
	{"8 pm tomorrow", "2026-11-25 20:00:00 UTC", ""},
	{"tomorrow at 8:30 pm", "2026-11-25 20:30:00 UTC", ""},
	{"tomorrow", "2026-11-25 00:00:00 UTC", ""},
	{"noon tomorrow", "2026-11-25 12:00:00 UTC", ""},
	{"yesterday", "2026-11-23 00:00:00 UTC", ""},
	{"yesterday 14:05", "2026-11-23 14:05:00 UTC", ""},
	{"friday 20:00", "2026-11-27 20:00:00 UTC", "2026-11-20 20:00:00 UTC"},
	{"on Friday at 8pm", "2026-11-27 20:00:00 UTC", "2026-11-20 20:00:00 UTC"},
	{"tue 11:00", "2026-12-01 11:00:00 UTC", "2026-11-24 11:00:00 UTC"},
	{"20:00 UTC", "2026-11-24 20:00:00 UTC", ""},
	{"2026-11-29T03:00Z", "2026-11-29 03:00:00 UTC", ""},
	{"2026-11-29t03:00:05.5z", "2026-11-29 03:00:05.5 UTC", ""},
	{"2026-11-29 03:00 -0400", "2026-11-29 03:00:00 -04:00", ""},
	{"2026-11-29T03:00-04:00", "2026-11-29 03:00:00 -04:00", ""},
	{"2026-11-29 03:00 UTC-4", "2026-11-29 03:00:00 -04:00", ""},
	{"2026-11-29 03:00 gmt+5:45", "2026-11-29 03:00:00 +05:45", ""},
	{"2026-11-29 03:00 EST", "2026-11-29 03:00:00 EST", ""},
	{"2026-11-29 03:00 CET", "2026-11-29 03:00:00 CET", ""},
	{"2026-11-29 03:00 America/New_York", "2026-11-29 03:00:00 EST", ""},
	{"2026-11-29 03:00 america/new_york", "2026-11-29 03:00:00 EST", ""},
	{"2026-11-29", "2026-11-29 00:00:00 UTC", ""},
	{"Fri 4 Dec 20:00 UTC", "2026-12-04 20:00:00 UTC", "2025-12-04 20:00:00 UTC"},
	{"dec 4, 20:00", "2026-12-04 20:00:00 UTC", "2025-12-04 20:00:00 UTC"},
	{"4 December 2027 8pm", "2027-12-04 20:00:00 UTC", ""},
	{"2h", "2026-11-24 14:00:00 UTC", "2026-11-24 10:00:00 UTC"},
	{"1.5h", "2026-11-24 13:30:00 UTC", "2026-11-24 10:30:00 UTC"},
	{"1h30", "2026-11-24 13:30:00 UTC", "2026-11-24 10:30:00 UTC"},
	{"1d, 2h", "2026-11-25 14:00:00 UTC", "2026-11-23 10:00:00 UTC"},
	{"1h30m", "2026-11-24 13:30:00 UTC", "2026-11-24 10:30:00 UTC"},
	{"2H30M", "2026-11-24 14:30:00 UTC", "2026-11-24 09:30:00 UTC"},
	{"1d 2h", "2026-11-25 14:00:00 UTC", "2026-11-23 10:00:00 UTC"},
	{"90 min", "2026-11-24 13:30:00 UTC", "2026-11-24 10:30:00 UTC"},
	{"1 hour and 5 minutes", "2026-11-24 13:05:00 UTC", "2026-11-24 10:55:00 UTC"},
	{"1 month", "2026-12-24 12:00:00 UTC", "2026-10-24 12:00:00 UTC"},
	{"a year", "2027-11-24 12:00:00 UTC", "2025-11-24 12:00:00 UTC"},
	{"in 2 hours", "2026-11-24 14:00:00 UTC", ""},
	{"2 hours from now", "2026-11-24 14:00:00 UTC", ""},
	{"2 hours ago", "2026-11-24 10:00:00 UTC", ""},
	{"now", "2026-11-24 12:00:00 UTC", ""},
	{"1795521600", "2026-11-24 12:00:00 UTC", ""},
	{"1795521600500", "2026-11-24 12:00:00.5 UTC", ""},
	{"２０：００", "2026-11-24 20:00:00 UTC", ""},
	{"2026‑11‑29\u00a003:00 UTC−4", "2026-11-29 03:00:00 -04:00", ""},
	{"\u200b2\u202fhours\ufeff", "2026-11-24 14:00:00 UTC", "2026-11-24 10:00:00 UTC"},
	{"2h Europe/Berlin", "2026-11-24 15:00:00 CET", "2026-11-24 11:00:00 CET"},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range parsed {
		for side, want := range map[Direction]string{Future: c.future, Past: c.past} {
			if want == "" {
				want = c.future
			}
			got, err := Parse(c.text, noon, side)
			if text := got.Format("2006-01-02 15:04:05.999 MST"); err != nil || text != want || got.Err() != nil {
				t.Errorf("%q on side %d is %s, %v, %v; want %s", c.text, side, text, err, got.Err(), want)
			}
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                          "2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin",
		"soon":                      `"soon" is not a time: write for example 2h30m, fri 20:00 or`,
		"24/12/2026":                "is not a time",
		"30 feb 2026":               "is not a time",
		"25:00":                     "is not a time",
		"13pm":                      "is not a time",
		"20:00 21:00":               "is not a time",
		"tomorrow friday":           "is not a time",
		"-1h":                       "is not a time",
		"1.2.3h":                    "is not a time",
		"1M":                        "may mean minutes or months",
		"20:00 Europe/Atlantis":     "I do not know the time zone Europe/Atlantis",
		"20:00 ../../../etc/passwd": "I do not know the time zone",
		strings.Repeat("x", 300):    "…",
	} {
		_, err := Parse(text, noon, Future)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), says) || len(err.Error()) > 200 {
			t.Errorf("%q: %v; want INVALID_INPUT that says %q", text, err, says)
		}
	}
}

// A time that the clocks skip is known as such, and moved on as far as they go.
func TestSkippedTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2027-03-28 02:30 Europe/Berlin":       "03:30 there is no 02:30 on Sun 28 Mar 2027 in Europe/Berlin: the clocks go forward then, write for example 03:30",
		"2027-03-14 02:30 America/New_York":    "03:30 there is no 02:30 on Sun 14 Mar 2027 in America/New_York: the clocks go forward then, write for example 03:30",
		"2027-10-03 02:15 Australia/Lord_Howe": "02:45 there is no 02:15 on Sun 3 Oct 2027 in Australia/Lord_Howe: the clocks go forward then, write for example 02:45",
	} {
		got, err := Parse(text, noon, Future)
		if err != nil || got.Exists || got.Format("15:04 ")+got.Err().Error() != want {
			t.Errorf("%q is %s, %v, %v; want %s", text, got, err, got.Err(), want)
		}
	}
	twice, err := Parse("2027-10-31 02:30 Europe/Berlin", noon, Future)
	if err != nil || twice.UTC().Hour() != 0 || twice.Err() != nil {
		t.Errorf("of two 02:30 it takes %s, %v, %v", twice.UTC(), err, twice.Err())
	}
	for after, want := range map[time.Duration]string{
		0: "Europe/Berlin (CEST)", time.Hour: "Europe/Berlin (CET)", -time.Hour: "Europe/Berlin", 2 * time.Hour: "Europe/Berlin", 24 * time.Hour: "Europe/Berlin",
	} {
		if got := ZoneName(twice.Add(after)); got != want {
			t.Errorf("the zone at %s is %s, want %s", twice.Add(after), got, want)
		}
	}
	for _, text := range []string{"2027-03-28 02:30 Europe/Berlin", "2027-03-28 03:00 Europe/Berlin", "2027-03-28 01:59 Europe/Berlin", "20:00 UTC-4"} {
		if at, err := Parse(text, noon, Future); err != nil || ZoneName(at.Time) != at.Location().String() {
			t.Errorf("the zone of %s is %s, %v", text, ZoneName(at.Time), err)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "1d12h": 36 * time.Hour, "52w": 52 * 7 * 24 * time.Hour, "1y": 365 * 24 * time.Hour,
		"1.5h": 90 * time.Minute, "1h30": 90 * time.Minute, "1d 2h": 26 * time.Hour, "90 min": 90 * time.Minute, "1 month": 30 * 24 * time.Hour,
		"500ms": 500 * time.Millisecond, "0": 0, "-5s": -5 * time.Second, "30 days": 30 * 24 * time.Hour, "20us": 20 * time.Microsecond,
	} {
		if got, err := Duration(text); err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "12", "5 parsecs", "300y", "999999999999999999999w", "20:00", "h"} {
		if got, err := Duration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"utc": "UTC", "Z": "UTC", "+00:00": "UTC", "UTC-4": "-04:00", "-0400": "-04:00", "+05:45": "+05:45", "est": "EST", "pdt": "PDT", "cet": "CET",
		"America/New_York": "America/New_York", "europe/berlin": "Europe/Berlin", "america/new_york": "America/New_York", "NZ-CHAT": "NZ-CHAT",
	} {
		zone, ok := Zone(name)
		if !ok || zone.String() != want {
			t.Errorf("%s is %s, %v; want %s", name, zone, ok, want)
			continue
		}
		if again, ok := Zone(zone.String()); !ok || again.String() != want {
			t.Errorf("%s is read back as %s", zone, again)
		}
	}
	for _, name := range []string{"", "local", "Local", "-4", "+99:00", "..", "/etc/passwd", "Mars/Base", "pm", "monday"} {
		if zone, ok := Zone(name); ok {
			t.Errorf("%q is %s", name, zone)
		}
	}
}

// Whatever is read is written and read back as the same moment.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"2h30m", "1 month ago", "fri 20:00", "8 pm tomorrow", "2026-12-24T20:00+02:00", "4 Dec 20:00", "1795521600", "20:00 Europe/Berlin", "99999999999999999999h", "٣h", "1.5d"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, past bool) {
		side := Future
		if past {
			side = Past
		}
		got, err := Parse(text, noon, side)
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Errorf("%q: %v has no code", text, err)
			}
			return
		}
		if y := got.Year(); y < 1000 || y > 9998 {
			return
		}
		again, err := Parse(got.UTC().Format(time.RFC3339Nano), noon, side)
		if err != nil || !again.Equal(got.Time) {
			t.Errorf("%q is %s, which reads back as %s, %v", text, got, again, err)
		}
	})
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "a moment", 500 * time.Millisecond: "a moment", 1500 * time.Millisecond: "2s", 90 * time.Second: "1m 30s",
		time.Hour: "1h", time.Hour + time.Second: "1h 1s", 26*time.Hour + 59*time.Second: "1d 2h", 24*time.Hour - time.Millisecond: "1d",
		365 * 24 * time.Hour: "365d",
	} {
		if got := Short(d); got != want {
			t.Errorf("%s is shown as %q, want %q", d, got, want)
		}
	}
}
