package streams

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Format is the version of what the streams hold and how they are configured. It goes up
// when an older version could not work on them.
const Format = 1

// formatKey is that of the format in a stream's metadata. A stream without is older.
const formatKey = "rosey-format"

// CheckFormat returns an error for a stream that a newer version has written.
func CheckFormat(c jetstream.StreamConfig) error {
	format, _ := strconv.Atoi(c.Metadata[formatKey]) // a stream without counts as 0
	if format <= Format {
		return nil
	}
	return fmt.Errorf("a newer version has written it (format %d, and this version reads up to %d): use that version, or a backup that was made before it", format, Format)
}

// withFormat returns a stream's metadata with the format.
func withFormat(metadata map[string]string) map[string]string {
	m := maps.Clone(metadata)
	if m == nil {
		m = map[string]string{}
	}
	m[formatKey] = strconv.Itoa(Format)
	return m
}
