package localserver_test

import (
	"go/build"
	"strings"
	"testing"
)

// The product runs this server, so it imports no package for tests and no testing.
func TestImportsNoTestPackage(t *testing.T) {
	t.Parallel()
	p, err := build.ImportDir(".", 0)
	try(t, err)
	for _, path := range p.Imports {
		if path == "testing" || strings.HasSuffix(path, "test") {
			t.Errorf("it imports %s", path)
		}
	}
}
