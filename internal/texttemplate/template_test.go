package texttemplate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var names = []string{"user", "count:int", "left:duration", "at:time", "names:list", "odds:number", "won:bool"}

func values() map[string]any {
	return map[string]any{
		"user": "alice", "count": int8(3), "left": 90 * time.Minute, "won": true, "odds": float32(0.5),
		"at": time.Date(2026, 1, 2, 15, 4, 0, 0, time.UTC), "names": []string{"bob", "carol"},
	}
}

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func TestRender(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     "",
		"100% sure, {{.user}}": "100% sure, alice",
		"{{/* none */}}hi{{with .user}} {{.}}, {{$.count}}{{else}}nobody{{end}}":                    "hi alice, 3",
		"{{if and .won (gt .count 2)}}yes{{else}}no{{end}}":                                         "yes",
		"{{.count | plural \"point\" \"points\"}}, {{plural \"day\" \"days\" 1}}":                   "3 points, 1 day",
		"{{duration .left}} {{.left}}":                                                              "1h 30m 1h30m0s",
		`{{date "15:04" .at}} {{.at | date "Jan 2 15:04" "Asia/Tokyo"}}`:                            "15:04 Jan 3 00:04",
		`{{join ", " .names}} {{len .names}}`:                                                       "bob, carol 2",
		`{{upper .user}} {{lower "ABC"}} {{trim "  a "}} {{cut 3 .user}} {{replace "l" "L" .user}}`: "ALICE abc a al… aLice",
		`{{default "x" ""}} {{"" | default .count}} {{default "x" .names | len}}`:                   "x 3 2",
		`{{$x := .user}}{{$x = upper $x}}{{$x}}`:                                                    "ALICE",
		`{{pick "a" "a"}}{{len (pick "b" "c")}}{{default "" (pick .names) | len | lt 2}}`:           "a1true",
	} {
		parsed, err := Parse(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := parsed.Render(values(), random()); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

// The error of a mistake has its place.
func TestParseSaysWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"héllo {{.usr}}":                  "at character 9: there is no .usr: did you mean .user? there is .at, .count",
		"a {{.user":                       "at character 3: this {{ has no }}",
		"a {{if .won}}b":                  "at character 15: the text ends, and an {{if}} or {{with}} has no {{end}}",
		"{{.user}} {{exec \"ls\"}} {{end": "at character 11: function \"exec\" not defined",
		"one\ntwo {{.user.Name}}":         "in line 2 at character 12: .user has no .Name",
		"one\ntwo {{join \",\" .user}}":   "in line 2 at character 7: <join \",\" .user>: error calling join: it joins a list only",
		"{{gt .count \"a\"}}":             "at character 3: <gt .count \"a\">: error calling gt: incompatible types",
		"{{printf \"%999999d\" 1}}":       "at character 1: function \"printf\" not defined",
		"{{range .names}}x{{end}}":        "at character 9: {{range}} is not allowed",
		"{{define \"a\"}}x{{end}}":        "at character 1: {{define}} and {{block}} are not allowed",
		"{{template \"text\"}}":           "at character 12: {{template \"text\"}} is not allowed",
		"{{.}} {{$}}":                     "at character 3: a value has a name",
		"{{$x := .at}}{{$x.Unix}}":        "at character 18: $x has no Unix",
		"{{with .at}}{{.Unix}}{{end}}":    "at character 15: within {{with}} write $.Unix",
		"{{(.at).Unix}}":                  "is not allowed in a text",
		"{{break}}":                       "at character 1: {{break}} outside {{range}}",
		strings.Repeat("a", 1001):         "a text has at most 1000 characters, not 1001",
	} {
		if _, err := Parse(text, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
	}
}

// What a value holds is never expanded, and a value that is not there is an error.
func TestValuesAreNotExpanded(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"{{.count}}", "$user", "%s %d", "{name}", "{{", "}}"} {
		parsed, err := Parse("{{.user}}: {{.user | upper | lower}}", names)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Render(map[string]any{"user": typed}, random()); err != nil || got != typed+": "+typed {
			t.Errorf("%s became %q, %v", typed, got, err)
		}
		if got, err := parsed.Render(map[string]any{}, random()); err == nil || got != "" {
			t.Errorf("without its value it became %q", got)
		}
	}
}

// However a text is written, it ends soon and is not long.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("{{.user}}", 100),
		`{{$x := "aaaaaaaa"}}` + strings.Repeat(`{{$x = replace "a" "aaaaaaaa" $x}}`, 20) + "{{$x}}{{$x}}{{$x}}",
		`{{.user | replace "é" "éééééééééééééééééééééé" | upper}}`,
	} {
		parsed, err := Parse(text, names)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Render(map[string]any{"user": strings.Repeat("é", 500)}, random())
		if n := utf8.RuneCountInString(got); err != nil || n != maxOutput || !strings.HasSuffix(got, "…") {
			t.Errorf("%.40s… has %d characters, %v", text, n, err)
		}
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"{{.user}}": true, "{{with .count}}{{$.user}}{{end}}": true, "user {{.count}}": false} {
		parsed, err := Parse(text, names)
		if err != nil || parsed.Uses("user") != want {
			t.Errorf("%s: %v, want %v; %v", text, parsed.Uses("user"), want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("{{.user}} {{if .won}}{{$x := 1}}{{end}}", "{{.user}}")
	f.Add("{{with pick .names}}{{.}}{{else with .user}}{{.}}{{end}}", "x")
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := Parse(text, names)
		if err != nil {
			return
		}
		all := values()
		all["user"] = value
		if got, err := parsed.Render(all, random()); err == nil && utf8.RuneCountInString(got) > maxOutput {
			t.Errorf("%q has %d characters", text, utf8.RuneCountInString(got))
		}
	})
}
