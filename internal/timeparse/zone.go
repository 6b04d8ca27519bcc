package timeparse

import (
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // people name zones that the machine may not know
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// American are the abbreviations of RFC 5322, section 4.3, as offsets in hours. Others
// stand for several zones, and those that the tz database knows (CET) are read from it.
var american = map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}

var offset = regexp.MustCompile(`^(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?$`)

// Zone returns the zone of a name: UTC, UTC-4, -0400, +02:00, EST, CET, America/New_York,
// in any case. Its String is a name too.
func Zone(name string) (*time.Location, bool) {
	upper := strings.ToUpper(name)
	switch upper {
	case "UTC", "GMT", "Z":
		return time.UTC, true
	}
	if hours, ok := american[upper]; ok {
		return time.FixedZone(upper, hours*60*60), true
	}
	if m := offset.FindStringSubmatch(upper); m != nil && (len(m[2]) == 2 || upper[0] > '9') {
		text := m[1] + ("0" + m[2])[len(m[2])-1:] + ":" + (m[3] + "00")[:2]
		t, err := time.Parse("-07:00", text)
		if err != nil {
			return nil, false
		}
		_, seconds := t.Zone()
		if seconds == 0 {
			return time.UTC, true
		}
		return time.FixedZone(text, seconds), true
	}
	var spellings []string
	switch {
	case len(name) == 3: // CET
		spellings = []string{upper}
	case upper != "LOCAL" && name != "" && unicode.IsUpper(rune(name[0])) && !strings.Contains(name, "/"): // NZ-CHAT
		spellings = []string{name}
	case strings.Contains(name, "/"):
		title := cases.Title(language.Und).String(strings.ReplaceAll(name, "_", " "))
		spellings = []string{name, strings.ReplaceAll(title, " ", "_")}
	}
	for _, spelling := range spellings {
		if zone, err := time.LoadLocation(spelling); err == nil {
			return zone, true
		}
	}
	return nil, false
}

// cutZones cuts the zones out of words.
func cutZones(words []string) (rest []string, zones []*time.Location, err error) {
	for _, w := range words {
		zone, ok := Zone(w)
		switch {
		case ok:
			zones = append(zones, zone)
		case strings.Contains(w, "/") && !strings.ContainsAny(w, "0123456789"):
			return nil, nil, bad("zone", values{"text": shorten(w)}, "I do not know the time zone %s: write for example Europe/Berlin or +01:00", shorten(w))
		default:
			rest = append(rest, w)
		}
	}
	return rest, zones, nil
}
