package event

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

var (
	extraType  = reflect.TypeFor[Extra]()
	stringType = reflect.TypeFor[string]()
	intType    = reflect.TypeFor[int]()
	int64Type  = reflect.TypeFor[int64]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	idType     = reflect.TypeFor[ID]()
)

// A layout lists a payload struct's fields, read from its tags: json:"name" and
// contract:"rule,…", where a rule is required (present and not null), nonempty,
// nonnegative or rank (−1 and up). A field without rules is optional.
type layout struct {
	fields  []fieldLayout
	extra   int  // index of the embedded Extra, or -1
	foreign bool // it has fields without a tag, so it is no payload type of ours
	checks  bool // it has rules beyond those of its fields: see checker
}

type fieldLayout struct {
	index              int
	name               string
	of                 reflect.Type
	omitEmpty          bool
	required, nonempty bool
	min                *float64
}

// A checker is a payload type with rules that concern more than one field or
// that tags do not have.
type checker interface {
	check() (field string, err error)
}

func (l *layout) has(name string) bool {
	return slices.ContainsFunc(l.fields, func(f fieldLayout) bool { return f.name == name })
}

// layouts caches what reflection finds, as encoding/json does for its own types.
var layouts sync.Map // reflect.Type -> *layout

func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := &layout{extra: -1, checks: reflect.PointerTo(t).Implements(reflect.TypeFor[checker]())}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == extraType {
			l.extra = i
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			l.foreign = l.foreign || name == "" && (f.IsExported() || f.Anonymous)
			continue
		}
		fl := fieldLayout{index: i, name: name, of: f.Type, omitEmpty: options == "omitempty"}
		for rule := range strings.SplitSeq(f.Tag.Get("contract"), ",") {
			switch rule {
			case "required":
				fl.required = true
			case "nonempty":
				fl.required, fl.nonempty = true, true
			case "nonnegative":
				fl.min = new(float64)
			case "rank":
				anonymous := -1.0
				fl.min = &anonymous
			}
		}
		l.fields = append(l.fields, fl)
	}
	actual, _ := layouts.LoadOrStore(t, l)
	return actual.(*layout)
}
