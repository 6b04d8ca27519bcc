// Package texttemplate renders the messages that operators and users write themselves: templates
// of text/template whose functions, time and output are bounded.
package texttemplate

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"
)

const (
	// maxLength is how many characters a template has at most.
	maxLength = 1000
	// maxOutput is how many characters a rendered template has at most; what follows is cut.
	maxOutput = 2000
)

// The kinds of values. A name without one is text.
const (
	kindText     = "text"
	kindInt      = "int"
	kindNumber   = "number"
	kindBool     = "bool"
	kindDuration = "duration"
	kindTime     = "time"
	kindList     = "list"
)

// Template is a parsed template.
type Template struct {
	text string
	tree *parse.Tree
}

// Parse parses a template that may use the named values, each as NAME or NAME:KIND, and renders
// it with examples of them. The error says where in the text the mistake is.
func Parse(text string, names []string) (Template, error) {
	if n := utf8.RuneCountInString(text); n > maxLength {
		return Template{}, fmt.Errorf("a text has at most %d characters, not %d", maxLength, n)
	}
	tree, err := parseTree(text)
	if err != nil {
		return Template{}, err
	}
	kinds := map[string]string{}
	for _, name := range names {
		name, kind, _ := strings.Cut(name, ":")
		kinds[name] = kind
	}
	c := checker{text: text, kinds: kinds}
	if err := c.check(tree.Root, false); err != nil {
		return Template{}, err
	}
	t := Template{text, tree}
	for _, values := range examples(kinds) {
		if _, err := t.Render(values, rand.New(rand.NewPCG(0, 0))); err != nil {
			return Template{}, err
		}
	}
	return t, nil
}

// Names returns names without their kinds, as a template writes them: .user, .count.
func Names(names []string) string {
	var all []string
	for _, name := range names {
		name, _, _ = strings.Cut(name, ":")
		all = append(all, "."+name)
	}
	return strings.Join(all, ", ")
}

// Uses reports whether the template mentions a value.
func (t Template) Uses(name string) bool {
	c := checker{mentions: name}
	_ = c.check(t.tree.Root, false)
	return c.mentioned
}

// Render renders the template. Values are put in as they are: nothing in them is expanded. The
// functions that choose take from random.
func (t Template) Render(values map[string]any, random *rand.Rand) (string, error) {
	plain := make(map[string]any, len(values))
	for name, v := range values {
		plain[name] = plainValue(v)
	}
	root, err := template.New(name).Funcs(functions(random)).Option("missingkey=error").AddParseTree(name, t.tree)
	if err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	var out bounded
	if err := root.Execute(&out, plain); err != nil {
		return "", placed(t.text, err)
	}
	return limit(out.String()), nil
}

// bounded drops what is far beyond maxOutput.
type bounded struct{ strings.Builder }

// Write appends p while there is room.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len() <= maxOutput*utf8.UTFMax {
		b.Builder.Write(p)
	}
	return len(p), nil
}

// limit cuts a text after maxOutput characters.
func limit(s string) string { return cut(maxOutput, s) }

func cut(n int, s string) string {
	if r := []rune(s); n > 0 && len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// plainValue returns a value of a type that has no methods which a template could call, but for
// times and durations.
func plainValue(v any) any {
	switch v.(type) {
	case time.Time, time.Duration, nil:
		return v
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.String:
		return r.String()
	case r.Kind() == reflect.Bool:
		return r.Bool()
	case r.CanInt():
		return r.Int()
	case r.CanUint():
		return int64(r.Uint())
	case r.CanFloat():
		return r.Float()
	case r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.String:
		list := make([]string, r.Len())
		for i := range list {
			list[i] = r.Index(i).String()
		}
		return list
	}
	return fmt.Sprint(v)
}

// KindOf returns the kind of a value.
func KindOf(v any) string {
	switch plainValue(v).(type) {
	case int64:
		return kindInt
	case float64:
		return kindNumber
	case bool:
		return kindBool
	case time.Duration:
		return kindDuration
	case time.Time:
		return kindTime
	case []string:
		return kindList
	}
	return kindText
}

// examples returns values of the kinds: ordinary ones, and zero.
func examples(kinds map[string]string) []map[string]any {
	ordinary, zero := map[string]any{}, map[string]any{}
	for name, kind := range kinds {
		var v any
		switch kind {
		case kindInt:
			v = 2
		case kindNumber:
			v = 2.5
		case kindBool:
			v = true
		case kindDuration:
			v = time.Hour
		case kindTime:
			v = time.Unix(1e9, 0)
		case kindList:
			v = []string{"one", "two"}
		default:
			v = "text"
		}
		ordinary[name], zero[name] = v, reflect.Zero(reflect.TypeOf(v)).Interface()
	}
	return []map[string]any{ordinary, zero}
}

// knownNames returns the names, sorted.
func knownNames(kinds map[string]string) []string {
	var all []string
	for name := range kinds {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
