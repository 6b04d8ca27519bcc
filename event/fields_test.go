package event_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosey-bot/rosey/event"
)

func TestFieldsOf(t *testing.T) {
	t.Parallel()
	type player struct {
		User   string `json:"user" mark:"person"`
		Points int    `json:"points,omitempty"`
	}
	type base struct {
		At  time.Time
		Any json.RawMessage `json:"any,omitempty"`
	}
	type record struct {
		base
		ID      event.ID          `json:"id"`
		Text    string            `json:"text" mark:"text"`
		Names   []string          `json:"names,omitempty" mark:"person"`
		Players []player          `json:"players"`
		Best    *player           `json:"best,omitempty"`
		Labels  map[string]string `json:"labels,omitempty"`
		Scores  map[string]player `json:"scores" mark:"person"`
		Done    bool              `json:"done"`
		Skipped string            `json:"-"`
	}
	want := []event.Field{
		{Name: "At", Type: "string"},
		{Name: "any"},
		{Name: "id"},
		{Name: "text", Type: "string", Mark: event.MarkText},
		{Name: "names", Type: "list", Mark: event.MarkPerson},
		{Name: "players", Type: "list"},
		{Name: "players.user", Type: "string", Mark: event.MarkPerson},
		{Name: "players.points", Type: "number"},
		{Name: "best"},
		{Name: "best.user", Type: "string", Mark: event.MarkPerson},
		{Name: "best.points", Type: "number"},
		{Name: "labels", Type: "object"},
		{Name: "scores", Type: "object", Mark: event.MarkPerson},
		{Name: "scores.*.user", Type: "string", Mark: event.MarkPerson},
		{Name: "scores.*.points", Type: "number"},
		{Name: "done", Type: "boolean"},
	}
	if diff := cmp.Diff(want, event.FieldsOf(reflect.TypeFor[record]())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
