package event

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestContractDocument holds the payload tables of docs/contract.md to the payload types.
func TestContractDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		subject string
		payload reflect.Type
	}{
		{SubjectChat, reflect.TypeFor[Chat]()},
		{SubjectPM, reflect.TypeFor[PM]()},
		{SubjectUserJoin, reflect.TypeFor[UserJoin]()},
		{SubjectUserLeave, reflect.TypeFor[UserLeave]()},
		{SubjectUserRank, reflect.TypeFor[UserRank]()},
		{SubjectMediaChange, reflect.TypeFor[MediaChange]()},
		{SubjectMediaQueue, reflect.TypeFor[MediaQueue]()},
		{"cytube.moderation.{action}", reflect.TypeFor[Moderation]()},
		{SubjectConnection, reflect.TypeFor[Connection]()},
		{SubjectSendChat, reflect.TypeFor[SendChat]()},
		{SubjectSendPM, reflect.TypeFor[SendPM]()},
		{SubjectSendEmote, reflect.TypeFor[SendEmote]()},
		{SubjectDelivery, reflect.TypeFor[Delivery]()},
		{"cytube.outbox.{channel}", reflect.TypeFor[Outbox]()},
		{SubjectErasure, reflect.TypeFor[Erasure]()},
		{"plugin.{name}.command", reflect.TypeFor[Command]()},
		{"plugin.{name}.event.dead_letter", reflect.TypeFor[DeadLetter]()},
		{"plugin.{name}.event.expired", reflect.TypeFor[Expired]()},
		{"plugin.{name}.event.denied", reflect.TypeFor[Denied]()},
		{SubjectStartup, reflect.TypeFor[Startup]()},
		{SubjectShutdown, reflect.TypeFor[Shutdown]()},
		{SubjectHeartbeat, reflect.TypeFor[Heartbeat]()},
		{SubjectGet, reflect.TypeFor[Get]()},
		{SubjectSet, reflect.TypeFor[Set]()},
		{SubjectQuery, reflect.TypeFor[Query]()},
		{SubjectDelete, reflect.TypeFor[Delete]()},
		{SubjectUpdate, reflect.TypeFor[Update]()},
		{SubjectBatch, reflect.TypeFor[Batch]()},
	} {
		t.Run(tt.subject, func(t *testing.T) {
			t.Parallel()
			rows := regexp.MustCompile("(?m)^\\| `"+regexp.QuoteMeta(tt.subject)+"`.*$").FindAllString(string(b), -1)
			row := strings.Join(rows, "\n")
			if row == "" {
				t.Fatalf("docs/contract.md has no row for %s", tt.subject)
			}
			documented := regexp.MustCompile(`\w+`).FindAllString(row, -1)
			for _, name := range layoutOf(tt.payload).names {
				if !slices.Contains(documented, name) {
					t.Errorf("%s has the field %q, which its row lacks: %s", tt.subject, name, row)
				}
			}
		})
	}
}
