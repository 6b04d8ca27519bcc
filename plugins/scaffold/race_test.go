//go:build race

package scaffold

// testFlags have a scaffolded plugin built as this test is, so that what is
// built already is used.
var testFlags = []string{"-race"}
