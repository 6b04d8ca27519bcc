package event

import "strings"

// Subjects maps subjects to values: the value added for the subject itself, else for a
// pattern plugin.*.{kind}…, else for the first other pattern that matches. The zero value
// is empty.
type Subjects[V any] struct {
	literals map[string]V
	kinds    map[string][]subjectEntry[V]
	others   []subjectEntry[V]
}

type subjectEntry[V any] struct {
	pattern string
	value   V
}

// Add appends a pattern or a literal subject. It must not be called concurrently with
// other methods.
func (s *Subjects[V]) Add(pattern string, value V) {
	if s.literals == nil {
		s.literals, s.kinds = map[string]V{}, map[string][]subjectEntry[V]{}
	}
	e := subjectEntry[V]{pattern, value}
	switch kind := pluginKind(pattern); {
	case !isPattern(pattern):
		s.literals[pattern] = value
	case strings.HasPrefix(pattern, "plugin.*.") && !isPattern(kind):
		s.kinds[kind] = append(s.kinds[kind], e)
	default:
		s.others = append(s.others, e)
	}
}

// Find returns the value of a literal subject.
func (s *Subjects[V]) Find(subject string) (value V, ok bool) {
	if value, ok := s.literals[subject]; ok {
		return value, true
	}
	for _, entries := range [...][]subjectEntry[V]{s.kinds[pluginKind(subject)], s.others} {
		for _, e := range entries {
			if Match(e.pattern, subject) {
				return e.value, true
			}
		}
	}
	return value, false
}

func isPattern(subject string) bool { return strings.ContainsAny(subject, "*>") }

// pluginKind returns what follows the name in a plugin.{name}.… subject, or "" for
// another one.
func pluginKind(subject string) string {
	name := PluginOf(subject)
	if name == "" {
		return ""
	}
	kind, _, _ := strings.Cut(subject[len("plugin.")+len(name)+1:], ".")
	return kind
}
