//go:build !nosqlite

package benchdb

// Imported apart, so that this module can be vetted without building SQLite: go vet -tags nosqlite.
import _ "modernc.org/sqlite"
