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
	payloads := map[string]reflect.Type{}
	for subject, payload := range schemas.literals {
		payloads[subject] = payload
	}
	placeholders := strings.NewReplacer("plugin.*", "plugin.{name}", "moderation.*", "moderation.{action}", "outbox.*", "outbox.{channel}")
	for _, p := range schemas.patterns {
		if p.value != nil {
			payloads[placeholders.Replace(p.pattern)] = p.value
		}
	}
	for subject, payload := range payloads {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			rows := regexp.MustCompile("(?m)^\\| `"+regexp.QuoteMeta(subject)+"`.*$").FindAllString(string(b), -1)
			row := strings.Join(rows, "\n")
			if row == "" {
				t.Fatalf("docs/contract.md has no row for %s", subject)
			}
			words := regexp.MustCompile(`\w+`).FindAllString(row, -1)
			for _, name := range layoutOf(payload).names {
				if !slices.Contains(words, name) {
					t.Errorf("%s has the field %q, which its row lacks: %s", subject, name, row)
				}
			}
		})
	}
}
