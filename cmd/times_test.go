package cmd_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/replay"
)

// Whatever form of a time people type, a countdown takes it for one to come, and --since,
// --until and the console for one that was.
func TestTimesEverywhere(t *testing.T) {
	t.Parallel()
	tuesday := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, countdown, since string }{ // "" is an error
		{"20:00", "24 Nov 20:00", "24 Nov 20:00"},
		{"8pm", "24 Nov 20:00", "24 Nov 20:00"},
		{"8 pm tomorrow", "25 Nov 20:00", "25 Nov 20:00"},
		{"friday 20:00", "27 Nov 20:00", "20 Nov 20:00"},
		{"20:00 UTC", "24 Nov 20:00", "24 Nov 20:00"},
		{"2026-11-29T03:00Z", "29 Nov 03:00", "29 Nov 03:00"},
		{"2026-11-29 03:00 -0400", "29 Nov 07:00", "29 Nov 07:00"},
		{"2026-11-29 03:00 UTC-4", "29 Nov 07:00", "29 Nov 07:00"},
		{"2026-11-29 03:00 EST", "29 Nov 08:00", "29 Nov 08:00"},
		{"2026-11-29 03:00 America/New_York", "29 Nov 08:00", "29 Nov 08:00"},
		{"1.5h", "24 Nov 13:30", "24 Nov 10:30"},
		{"1h30", "24 Nov 13:30", "24 Nov 10:30"},
		{"1d 2h", "25 Nov 14:00", "23 Nov 10:00"},
		{"90 min", "24 Nov 13:30", "24 Nov 10:30"},
		{"1 month", "24 Dec 12:00", "24 Oct 12:00"},
		{"in 2 hours", "24 Nov 14:00", "24 Nov 14:00"},
		{"2 hours ago", "", "24 Nov 10:00"},
		{"yesterday", "", "23 Nov 00:00"},
		{"1796040000", "30 Nov 12:00", "30 Nov 12:00"},
		{"1796040000000", "30 Nov 12:00", "30 Nov 12:00"},
		{"“fri” 20：00 UTC−4", "", ""},
		{"fri 20：00 UTC−4", "28 Nov 00:00", "21 Nov 00:00"},
		{"2027-03-28 02:30 Europe/Berlin", "", ""}, // the clocks skip it
		{"24/12/2026", "", ""},                     // day or month first?
		{"1M", "", ""},                             // minute or month?
		{"5", "", ""},
		{"soon", "", ""},
	} {
		schedule, err := timeparse.ParseSchedule(strings.Fields(c.text), tuesday)
		if got := shown(schedule.First, err); got != c.countdown {
			t.Errorf("a countdown of %q is %q (%v), want %q", c.text, got, err, c.countdown)
		}
		at, err := replay.ParseTime(c.text, tuesday)
		if got := shown(at, err); got != c.since {
			t.Errorf("--since %q is %q (%v), want %q", c.text, got, err, c.since)
		}
	}
	if s, err := timeparse.ParseSchedule(strings.Fields("20:00 daily UTC"), tuesday); err != nil || s.Every.String() != "every day" {
		t.Errorf("daily is %s, %v", s.Every, err)
	}
}

func shown(t time.Time, err error) string {
	if err != nil {
		return ""
	}
	return t.UTC().Format("2 Jan 15:04")
}

// Whatever form of a duration people type is one for the settings of plugins, those of the
// file and flags.
func TestDurationsEverywhere(t *testing.T) {
	t.Parallel()
	properties, err := router.Registration{Name: "x"}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1.5h": 90 * time.Minute, "1h30": 90 * time.Minute, "1d 2h": 26 * time.Hour, "90 min": 90 * time.Minute,
		"1h 30m": 90 * time.Minute, "2 hours": 2 * time.Hour, "1 week": 7 * 24 * time.Hour, "a day": 24 * time.Hour,
		"1 month": 30 * 24 * time.Hour, "soon": 0, "20:00": 0, "": 0,
	} {
		var seconds float64
		raw, err := properties["cooldown_user"].Parse(text)
		if err == nil {
			err = json.Unmarshal(raw, &seconds)
		}
		if (err != nil) != (want == 0) || time.Duration(seconds)*time.Second != want {
			t.Errorf("a cooldown of %q is %g s, %v; want %s", text, seconds, err, want)
		}
		var s settings.Settings
		err = s.Set("heartbeat", text)
		if (err != nil) != (want == 0) || s.Heartbeat != want {
			t.Errorf("--heartbeat %q is %s, %v; want %s", text, s.Heartbeat, err, want)
		}
	}
}

// Quiet hours are two times of day in any form, also in the settings file.
func TestQuietHoursEverywhere(t *testing.T) {
	t.Parallel()
	properties, err := router.Registration{Name: "x", Commands: []router.Command{{Name: "y"}}}.Properties()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"22:00-07:00": "", "22:00-07:00 Europe/Berlin": "", "10pm - 7am": "", "10 pm - 7 am UTC-4": "", "22:00–07:00 EST": "", "noon-midnight": "",
		"late": "quiet hours are written as 22:00-07:00", "22:00": "quiet hours are written", "22:00-": "quiet hours are written", "22:00-25:00": "quiet hours are written",
		"22:00-07:00 Atlantis": "there is no time zone Atlantis", "22:00-07:00 Europe/Berlin UTC": "quiet hours are written",
	} {
		for _, key := range []string{"quiet_hours", "y.quiet_hours"} {
			_, err := properties[key].Parse(text)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v; want %q", key, text, err, want)
			}
		}
	}
}
