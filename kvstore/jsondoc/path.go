package jsondoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParsePath splits a field's name, as a.b, into the names of the members that lead
// to it.
func ParsePath(name string) ([]string, error) {
	if name == "" {
		return nil, errors.New("a field's name must not be empty")
	}
	if !utf8.ValidString(name) {
		return nil, fmt.Errorf("field %q: it must be Unicode", name)
	}
	parts := strings.Split(name, ".")
	if slices.Contains(parts, "") {
		return nil, fmt.Errorf("field %q: a part between dots must not be empty", name)
	}
	return parts, nil
}
