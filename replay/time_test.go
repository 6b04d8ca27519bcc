package replay

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
)

var (
	zone = time.FixedZone("UTC+2", 2*60*60)
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, zone)
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"now":                         noon,
		"90m":                         noon.Add(-90 * time.Minute),
		"2d":                          noon.Add(-48 * time.Hour),
		"1d3h":                        noon.Add(-27 * time.Hour),
		"1w":                          noon.Add(-7 * 24 * time.Hour),
		"1.5h":                        noon.Add(-90 * time.Minute),
		"500ms":                       noon.Add(-500 * time.Millisecond),
		"  90m ":                      noon.Add(-90 * time.Minute),
		"today":                       time.Date(2026, 11, 24, 0, 0, 0, 0, zone),
		"today 14:05":                 time.Date(2026, 11, 24, 14, 5, 0, 0, zone),
		"yesterday 9:00":              time.Date(2026, 11, 23, 9, 0, 0, 0, zone),
		"Yesterday  09:00:07":         time.Date(2026, 11, 23, 9, 0, 7, 0, zone),
		"8:15":                        time.Date(2026, 11, 24, 8, 15, 0, 0, zone),
		"2026-11-20":                  time.Date(2026, 11, 20, 0, 0, 0, 0, zone),
		"2026-11-20 14:05":            time.Date(2026, 11, 20, 14, 5, 0, 0, zone),
		"2026-11-20 14:05:06.25":      time.Date(2026, 11, 20, 14, 5, 6, 250e6, zone),
		"2026-11-20T14:05":            time.Date(2026, 11, 20, 14, 5, 0, 0, zone),
		"2026-11-20T14:05:06Z":        time.Date(2026, 11, 20, 14, 5, 6, 0, time.UTC),
		"2026-11-20T14:05:06.5-05:00": time.Date(2026, 11, 20, 19, 5, 6, 500e6, time.UTC),
		"2026-11-20t14:05:06z":        time.Date(2026, 11, 20, 14, 5, 6, 0, time.UTC),
	} {
		got, err := ParseTime(text, noon)
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	t.Parallel()
	for text, say := range map[string]string{
		"":                  "yesterday 14:05",
		"soon":              "yesterday 14:05",
		"-1h":               "90m",
		"90x":               "90m",
		"400y":              "1970 to 2261",
		"today 25:00":       "is not a time",
		"yesterday morning": "is not a time",
		"2026-13-01":        "2026-11-24 14:05",
		"1M":                "minutes or months",
		"1d3M":              "minutes or months",
		"200y":              "1970 to 2261",
		"2999-01-01":        "1970 to 2261",
	} {
		_, err := ParseTime(text, noon)
		if event.CodeOf(err) != event.InvalidInput || !strings.Contains(err.Error(), say) {
			t.Errorf("ParseTime(%q) says %v; want INVALID_INPUT that mentions %q", text, err, say)
		}
	}
}

func TestParseTimeReadsWhatGoWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(0, rapid.Int64Range(0, maxTime.UnixNano()).Draw(t, "ns")).In(zone)
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999"} {
			got, err := ParseTime(want.Format(layout), noon)
			if err != nil || !got.Equal(want) {
				t.Fatalf("ParseTime(%q) = %v, %v; want %v", want.Format(layout), got, err, want)
			}
		}
		d := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "d")).Truncate(time.Millisecond)
		if got, err := ParseTime(d.String(), noon); err != nil || !got.Equal(noon.Add(-d)) {
			t.Fatalf("ParseTime(%q) = %v, %v; want %v before now", d, got, err, d)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"90m", "1d3h", "today 14:05", "yesterday", "2026-11-24 14:05", "2026-11-24T14:05:00Z", "99999999999999999999h", "1.5d", "٣h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTime(text, noon)
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Errorf("ParseTime(%q): %v has no code", text, err)
			}
			return
		}
		if got.Before(minTime) || got.After(maxTime) {
			t.Errorf("ParseTime(%q) = %v is out of range", text, got)
		}
		again, err := ParseTime(got.Format(time.RFC3339Nano), noon)
		if err != nil || !again.Equal(got) {
			t.Errorf("ParseTime(%q) = %v, which reads back as %v, %v", text, got, again, err)
		}
	})
}
