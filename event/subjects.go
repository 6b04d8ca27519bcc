package event

import "strings"

// Subjects maps subjects to values: the value added for the subject itself, else for the
// first pattern that matches. The zero value is empty.
type Subjects[V any] struct {
	literals map[string]V
	patterns []subjectPattern[V]
}

type subjectPattern[V any] struct {
	pattern string
	value   V
}

// Add appends a pattern or a literal subject. It must not be called concurrently with
// other methods.
func (s *Subjects[V]) Add(pattern string, value V) {
	if strings.ContainsAny(pattern, "*>") {
		s.patterns = append(s.patterns, subjectPattern[V]{pattern, value})
		return
	}
	if s.literals == nil {
		s.literals = map[string]V{}
	}
	s.literals[pattern] = value
}

// Find returns the value of a literal subject.
func (s *Subjects[V]) Find(subject string) (value V, ok bool) {
	if value, ok = s.literals[subject]; ok {
		return value, true
	}
	for i := range s.patterns {
		if Match(s.patterns[i].pattern, subject) {
			return s.patterns[i].value, true
		}
	}
	return value, false
}
