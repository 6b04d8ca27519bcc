//go:build !nosqlite

package main

// The driver lies apart so that this module can be vetted without building it:
// go vet -tags nosqlite.
import _ "modernc.org/sqlite"
