package access

import (
	"context"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// privateSubjects are those of events that a plugin may read only if an operator has
// granted it: private messages, and the commands of other plugins, dead letters too.
var privateSubjects = []string{event.SubjectPM, event.SubjectSendPM, event.AllCommands, event.EventSubject("*", event.TypeDeadLetter)}

// checkSubjects returns a PERMISSION_DENIED error if a plugin may not read what it asks
// for: its own commands and events, what its registration declares, and what was granted.
func (p *Provisioner) checkSubjects(ctx context.Context, plugin string, d durableRequest) error {
	var declared, granted []string
	if p.Events != nil {
		var err error
		if declared, granted, err = p.Events(ctx, plugin); err != nil {
			return err
		}
	}
	if declared == nil {
		declared = []string{event.AllCytube, event.AllPlatform, event.EventSubject("*"), event.EventSubject("*", ">")}
	}
	if len(d.Subjects) == 0 {
		return event.Errorf(event.PermissionDenied, "plugin %s may not read all of %s: name the subjects", plugin, d.Stream)
	}
	own := []string{event.CommandSubject(plugin), event.EventSubject(plugin), event.EventSubject(plugin, ">")}
	for _, subject := range d.Subjects {
		within := func(patterns []string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, d.Stream, subject) })
		}
		private := slices.ContainsFunc(privateSubjects, func(p string) bool { _, ok := streams.Intersect(p, subject); return ok })
		switch {
		case within(own), within(granted), !private && within(declared):
		case private:
			return event.Errorf(event.PermissionDenied, "plugin %s may not read %s, with which come private messages or other plugins' commands (%s): "+
				"name other subjects, or rosey plugin grant %s read:%s", plugin, subject, strings.Join(privateSubjects, ", "), plugin, subject)
		default:
			return event.Errorf(event.PermissionDenied, "plugin %s may not read %s, which its registration does not declare in events: rosey plugin grant %s read:%s lets it", plugin, subject, plugin, subject)
		}
	}
	return nil
}

// covers reports whether a pattern, one of the contract's too, matches all that a filter on
// a stream does.
func covers(pattern, stream, filter string) bool {
	patterns, err := streams.Overlapping(pattern)
	return err == nil && slices.ContainsFunc(patterns[stream], func(p string) bool {
		both, ok := streams.Intersect(p, filter)
		return ok && both == filter
	})
}
