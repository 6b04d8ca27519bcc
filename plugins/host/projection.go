package host

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
)

// project has the plugin read the past again if the store holds another version of what it makes of
// that. It is repeated as a whole if the process ends in the middle: nothing reads before it is done.
// A plugin with credentials of its own, as one that is shadowed, may not do that.
func (r *run) project(ctx context.Context, runtime plugins.Runtime) error {
	name, want, js := r.plugin.Name, r.plugin.Projection, r.bus.JetStream()
	if want.Version == 0 || r.Restricted {
		return nil
	}
	have, err := streams.ProjectionVersion(ctx, js, name)
	if err != nil || have == want.Version {
		return err
	}
	past, err := r.plugin.PastSubjectsByStream()
	if err != nil {
		return err
	}
	read := false
	for stream := range past {
		has, err := streams.HasRead(ctx, js, stream, streams.PastDurable(name))
		if err != nil {
			return err
		}
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return fmt.Errorf("look at stream %s: %w", stream, err)
		}
		if first := s.CachedInfo().State.FirstSeq; has && first > 1 {
			r.log.WarnContext(ctx, "projection not rebuilt, its first events expired", "stream", stream, "first_seq", first, "version", have, "want", want.Version)
			return nil
		}
		read = read || has
	}
	if read {
		r.log.InfoContext(ctx, "rebuilding projection", "version", have, "want", want.Version)
		if err := runtime.DeleteRecords(ctx, want.Collections...); err != nil {
			return err
		}
		for stream := range past {
			if err := streams.Rewind(ctx, js, stream, streams.PastDurable(name)); err != nil {
				return err
			}
		}
	}
	return streams.NoteProjection(ctx, js, name, want.Version)
}
