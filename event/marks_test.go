package event_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// unmarked are the fields of payloads, beside numbers and booleans, that hold neither names
// nor texts of people: what they hold is the contract's, the program's or the server's.
var unmarked = strings.Fields(`action after changed channel code collection command confirmed_by consumer counts details direction error_code event_type
	events filter hash id if_revision key kind limit lines name offset operations ops order_by part plugin plugins poll position range right rights send
	signature source state status stream subject target type uids value values version was
	database.set:data platform.shutdown:reason`)

// Every field of a payload has a mark or is named above, so that the commands that find and
// erase what people said cannot miss a new field.
func TestEveryFieldIsMarkedOrNamed(t *testing.T) {
	t.Parallel()
	for _, p := range event.Payloads() {
		if p.Type == nil {
			continue
		}
		for _, f := range event.FieldsOf(p.Type) {
			if f.Mark == "" && f.Type != "number" && f.Type != "boolean" && !slices.Contains(unmarked, f.Name) && !slices.Contains(unmarked, p.Pattern+":"+f.Name) {
				t.Errorf("%s of %s: mark it as a person or a text, or name it here", f.Name, p.Pattern)
			}
		}
	}
}
