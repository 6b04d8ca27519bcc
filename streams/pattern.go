package streams

import "strings"

// Intersect returns the narrowest pattern that matches every subject that both a and b
// match; ok is false when there is none.
func Intersect(a, b string) (pattern string, ok bool) {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	var out []string
	for i := 0; ; i++ {
		switch {
		case i == len(as) && i == len(bs):
			return strings.Join(out, "."), true
		case i == len(as) || i == len(bs):
			return "", false
		case as[i] == ">":
			return strings.Join(append(out, bs[i:]...), "."), true
		case bs[i] == ">":
			return strings.Join(append(out, as[i:]...), "."), true
		case as[i] == "*":
			out = append(out, bs[i])
		case bs[i] == "*" || as[i] == bs[i]:
			out = append(out, as[i])
		default:
			return "", false
		}
	}
}
