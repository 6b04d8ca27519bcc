package event_test

import (
	"testing"

	"github.com/rosey-bot/rosey/event"
)

// A struct that is none of this package's payload types is written as
// encoding/json writes it, fields without a tag included.
func TestEncodeOfOtherStructs(t *testing.T) {
	t.Parallel()
	type inner struct{ B int }
	for want, payload := range map[string]any{
		`{"Name":"a<b","N":1}`: struct {
			Name string
			N    int
		}{"a<b", 1},
		`{"B":2,"C":3}`: struct {
			inner
			C int
		}{inner{2}, 3},
		`{"x":4,"Y":5}`: &struct {
			X      int `json:"x"`
			Y      int
			hidden int
		}{4, 5, 6},
		`{"to":"a","message":"b"}`: event.SendPM{To: "a", Message: "b"},
	} {
		if got, err := event.Encode(payload); err != nil || string(got) != want {
			t.Errorf("%+v is %s, %v; want %s", payload, got, err, want)
		}
	}
}
