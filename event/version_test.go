package event_test

import (
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// S40: What a plugin was written for works, or the reason says which side is to be renewed.
func TestCheckContract(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]struct {
		newer bool
		err   string
	}{
		event.FirstContract: {}, event.ContractVersion: {}, "1.9999": {newer: true}, "1.10": {newer: true},
		"2.0": {newer: true, err: "use a newer bot, or an older version of the plugin"}, "10.0": {newer: true, err: "use a newer bot"},
		"0.9": {err: "use a newer version of the plugin"},
		"":    {err: "is no version"}, "1": {err: "is no version"}, "v1.0": {err: "is no version"}, "1.0.0": {err: "is no version"},
		"1.-1": {err: "is no version"}, "99999.0": {err: "is no version"}, "latest": {err: "is no version"},
	} {
		newer, err := event.CheckContract(version)
		if newer != want.newer || (err == nil) != (want.err == "") || err != nil && (!strings.Contains(err.Error(), want.err) || event.CodeOf(err) != event.InvalidInput) {
			t.Errorf("%q: newer %t, %v; want %+v", version, newer, err, want)
		}
	}
}
