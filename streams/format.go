package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Format is the version of what the streams hold and how they are configured. It goes up
// when an older version could not work on them, with a migration from the one before.
const Format = 1

// A migration brings existing streams from one format to the next. It can be repeated:
// the process may end at any point of it.
type migration struct {
	to  int
	run func(context.Context, jetstream.JetStream) error
}

var migrations = [...]migration{
	{1, moveTimers},
}

// formatKey is that of the format in a stream's metadata. A stream without is older.
const formatKey = "rosey-format"

// CheckFormat returns an error for a stream that a newer version has written.
func CheckFormat(c jetstream.StreamConfig) error {
	format := formatOf(c)
	if format <= Format {
		return nil
	}
	return fmt.Errorf("a newer version has written it (format %d, and this version reads up to %d): use that version, or a backup that was made before it", format, Format)
}

func formatOf(c jetstream.StreamConfig) int {
	format, _ := strconv.Atoi(c.Metadata[formatKey]) // a stream without counts as 0
	return format
}

// OldFormat reports whether Open would migrate the streams, and from which format: the
// lowest that one of them has.
func OldFormat(ctx context.Context, js jetstream.JetStream) (format int, old bool, err error) {
	format = Format
	for _, spec := range topology {
		s, err := js.Stream(ctx, spec.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("look up the format of stream %s: %w", spec.Name, err)
		}
		format = min(format, formatOf(s.CachedInfo().Config))
	}
	return format, format < Format, nil
}

// migrate brings streams of an earlier release to Format, but for what open does. A
// stream gets its format only afterwards, by open, so that a migration that was broken
// off begins anew.
func migrate(ctx context.Context, js jetstream.JetStream, o Options) error {
	format, old, err := OldFormat(ctx, js)
	if err != nil || !old {
		return err
	}
	if o.BeforeMigration != nil {
		if err := o.BeforeMigration(ctx, format); err != nil {
			return err
		}
	}
	for _, m := range migrations {
		if m.to <= format {
			continue
		}
		if err := m.run(ctx, js); err != nil {
			return fmt.Errorf("migrate to format %d: %w", m.to, err)
		}
	}
	return nil
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
