package event

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// A layout lists a payload struct's fields, read from its tags: json:"name" and
// contract:"rule,…", where a rule is required (present and not null), nonempty,
// nonnegative, rank (−1 and up), object, or oneof=a|b (or "", unless it is nonempty). A
// field without rules is optional.
type layout struct {
	names   []string
	fields  []fieldLayout // one a name
	extra   int           // index of the embedded Extra, or -1
	foreign bool          // it has fields without a tag, so it is no payload type of ours
	checks  bool          // it is a checker
}

type fieldLayout struct {
	index              int
	omitEmpty          bool
	required, nonempty bool
	min                *float64
	object             bool
	oneOf              []string
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
		if f.Type == reflect.TypeFor[Extra]() {
			l.extra = i
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			l.foreign = l.foreign || name == "" && (f.IsExported() || f.Anonymous)
			continue
		}
		fl := fieldLayout{index: i, omitEmpty: options == "omitempty"}
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
			case "object":
				fl.object = true
			}
			if choice, ok := strings.CutPrefix(rule, "oneof="); ok {
				fl.oneOf = strings.Split(choice, "|")
			}
		}
		l.names, l.fields = append(l.names, name), append(l.fields, fl)
	}
	actual, _ := layouts.LoadOrStore(t, l)
	return actual.(*layout)
}

// split sets each of values to the value of the field with its name, where the object in
// valid JSON has it, and adds the other fields to others unless that is nil. Of two fields
// with one name the last counts, as for encoding/json. Values are parts of object.
func split(object []byte, names []string, values []json.RawMessage, others *Extra) {
	for literal, value := range rawjson.Members(object) {
		name, value := rawjson.Text(literal), slices.Clip(value)
		if i := index(names, name); i >= 0 {
			values[i] = value
			continue
		}
		if others == nil {
			continue
		}
		if *others == nil {
			*others = Extra{}
		}
		(*others)[string(name)] = value
	}
}

func index(names []string, name []byte) int {
	for i := range names {
		if names[i] == string(name) {
			return i
		}
	}
	return -1
}
