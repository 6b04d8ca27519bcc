package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/event"
)

const root = "../.."

func TestCommittedFilesAreGenerated(t *testing.T) {
	t.Parallel()
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the payload types say: run go generate ./internal/asyncapi (%v)", path, err)
		}
	}
}

func description(t *testing.T) *document {
	t.Helper()
	d, err := newDocument(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestContractDocument holds the payload tables of docs/contract.md to the description.
func TestContractDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(root, "docs/contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := description(t)
	for id, channel := range d.channels {
		address, _ := channel.(object)["address"].(string)
		if strings.HasPrefix(address, "plugin.channel.") || strings.HasPrefix(address, "$KV.") || address == "" {
			continue
		}
		row := strings.Join(regexp.MustCompile("(?m)^\\|.*`"+regexp.QuoteMeta(address)+"`.*$").FindAllString(string(b), -1), "\n")
		if row == "" {
			t.Errorf("docs/contract.md has no row for %s", address)
		}
		words := regexp.MustCompile(`\w+`).FindAllString(row, -1)
		for name := range d.schemas[d.payloads[id]].Properties {
			if !slices.Contains(words, name) {
				t.Errorf("%s has the field %q, which its row lacks: %s", address, name, row)
			}
		}
	}
	for name := range d.schemas["Registration"].Properties {
		if !strings.Contains(string(b), `"`+name+`"`) && !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("docs/contract.md does not name the field %q of a registration", name)
		}
	}
}

// TestSchemasAgreeWithTheCode asks the schema and the code of each payload type about a
// payload, about that without a field, and about it with a value that does not fit.
func TestSchemasAgreeWithTheCode(t *testing.T) {
	t.Parallel()
	d := description(t)
	for id, channel := range d.channels {
		address, _ := channel.(object)["address"].(string)
		subject := regexp.MustCompile(`{\w+}`).ReplaceAllString(address, "x")
		if strings.HasPrefix(address, "$KV.") || strings.HasPrefix(address, "plugin.channel.") || address == "" {
			continue
		}
		s := d.schemas[d.payloads[id]]
		resolved, err := s.Resolve(nil)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		agree := func(what string, payload object) {
			if bySchema, byCode := resolved.Validate(payload), check(subject, payload); (bySchema == nil) != (byCode == nil) {
				t.Errorf("%s %s %v: the schema says %v, the code %v", subject, what, payload, bySchema, byCode)
			}
		}
		valid := sample(s)
		delete(valid, "url") // of queue, beside type and id
		if strings.HasPrefix(subject, "cytube.media.") {
			valid["url"] = "x"
		}
		if subject == event.SubjectUpdate {
			delete(valid, "filter") // beside id
		}
		agree("whole", valid)
		for field := range s.Properties {
			if subject == event.SubjectSendMediaQueue && field != "position" || (field == "id" || field == "filter") && subject == event.SubjectUpdate || field == "was" || field == "after" {
				continue // rules of several fields, which schemas do not say
			}
			changed := maps.Clone(valid)
			delete(changed, field)
			agree("without "+field, changed)
			for _, value := range []any{"", "odd", -2.0, 1.5, true, []any{"a"}, object{"a": "b"}} {
				changed[field] = value
				agree("with another "+field, changed)
			}
		}
	}
}

func check(subject string, payload object) error {
	raw, err := json.Marshal(payload)
	if err == nil {
		err = event.Envelope{Subject: subject, Data: raw}.CheckData()
	}
	return err
}

// sample returns an object that has all fields.
func sample(s *jsonschema.Schema) object {
	all := object{}
	for key, p := range s.Properties {
		all[key] = sampleOf(p)
	}
	return all
}

func sampleOf(s *jsonschema.Schema) any {
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	switch k := append(kinds(s), "")[0]; {
	case slices.Contains(kinds(s), "integer"):
		return 7.0
	case k == "string":
		return "x"
	case k == "boolean":
		return true
	case k == "array":
		return []any{sampleOf(s.Items)}
	case k == "object" && s.AdditionalProperties != nil:
		return object{"a": sampleOf(s.AdditionalProperties)}
	case k == "object":
		return sample(s)
	case k == "":
		return object{"a": "b"}
	}
	return 7.0
}
