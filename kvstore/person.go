package kvstore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// A person is looked for in records.
type person struct {
	user     string
	name     *regexp.Regexp // the name as a word
	fields   []event.Field  // with a mark
	declared bool           // whether it is known which fields have one
}

func newPerson(user string, fields []event.Field) (person, error) {
	name, err := regexp.Compile(`(?i)(^|[^\pL\pN_-])` + regexp.QuoteMeta(user) + `($|[^\pL\pN_-])`)
	if err != nil {
		return person{}, fmt.Errorf("look for %s: %w", user, err)
	}
	marked := slices.DeleteFunc(slices.Clone(fields), func(f event.Field) bool { return f.Mark == "" })
	return person{user, name, marked, len(fields) > 0}, nil
}

var forgotten = string(jsondoc.AppendQuoted(nil, forgottenName))

// redact replaces the person, and the texts that are theirs, in a record, and calls text
// with each of these. It reports whether the person was in it.
func (p person) redact(record *jsondoc.Value, text func(string)) (found bool) {
	persons, isAuthor := 0, false
	found = p.redactHandled(record)
	if !p.declared {
		return p.replaceAll(record) || found
	}
	for _, f := range p.fields {
		if f.Mark != event.MarkPerson {
			continue
		}
		persons++
		record.Each(strings.Split(f.Name, "."), func(v *jsondoc.Value) {
			if p.replace(v) {
				found = true
				isAuthor = isAuthor || persons == 1 && v.Kind == jsondoc.String
			}
		})
	}
	for _, f := range p.fields {
		if isAuthor && f.Mark == event.MarkText {
			record.Each(strings.Split(f.Name, "."), func(v *jsondoc.Value) {
				if v.Kind == jsondoc.String {
					text(jsondoc.Unquote(v.Text))
					v.Text = forgotten
				}
			})
		}
	}
	return found
}

// redactHandled drops outputs that name the person from what the SDK keeps of handled
// events.
func (p person) redactHandled(record *jsondoc.Value) (found bool) {
	record.Each([]string{event.FieldHandled, "*"}, func(v *jsondoc.Value) {
		n := len(v.Children)
		v.Children = slices.DeleteFunc(v.Children, func(m jsondoc.Value) bool { return m.Name == "out" && p.name.MatchString(m.String()) })
		found = found || len(v.Children) < n
	})
	return found
}

// replace replaces a value that is the name, and drops the members of that name.
func (p person) replace(v *jsondoc.Value) (found bool) {
	switch v.Kind {
	case jsondoc.String:
		if found = strings.EqualFold(jsondoc.Unquote(v.Text), p.user); found {
			v.Text = forgotten
		}
	case jsondoc.Object:
		n := len(v.Children)
		v.Children = slices.DeleteFunc(v.Children, func(m jsondoc.Value) bool { return strings.EqualFold(m.Name, p.user) })
		found = len(v.Children) < n
	}
	return found
}

// replaceAll is replace for a value and all in it.
func (p person) replaceAll(v *jsondoc.Value) (found bool) {
	found = p.replace(v)
	for i := range v.Children {
		found = p.replaceAll(&v.Children[i]) || found
	}
	return found
}

// minTextInID is the length from which on a text is looked for in an ID: a shorter one is
// there by chance.
const minTextInID = 3

// isIn reports whether a text is in a record's ID.
func isIn(id, text string) bool {
	return len(text) >= minTextInID && strings.Contains(strings.ToLower(id), strings.ToLower(text))
}
