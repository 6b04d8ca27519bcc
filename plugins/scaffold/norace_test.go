//go:build !race

package scaffold

var testFlags []string
