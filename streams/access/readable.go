package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// privateSubjects are those of events that a plugin may read only if an operator has
// granted it: private messages, and the commands of other plugins, dead letters too.
var privateSubjects = []string{event.SubjectPM, event.SubjectSendPM, event.AllCommands, event.EventSubject("*", event.TypeDeadLetter)}

// public are the patterns that a registration which declares none stands for.
var public = []string{event.AllCytube, event.AllPlatform, event.EventSubject("*"), event.EventSubject("*", ">")}

// checkSubjects returns a PERMISSION_DENIED error if a plugin may not read what it asks
// for: its own commands and events, what its registration declares, and what was granted.
func (p *Provisioner) checkSubjects(ctx context.Context, plugin string, d durableRequest) error {
	declared, granted, err := p.readable(ctx, plugin)
	if err != nil {
		return err
	}
	if len(d.Subjects) == 0 {
		return event.Errorf(event.PermissionDenied, "plugin %s may not read all of %s: name the subjects", plugin, d.Stream)
	}
	for _, subject := range d.Subjects {
		if err := checkSubject(plugin, d.Stream, subject, declared, granted); err != nil {
			return err
		}
	}
	return nil
}

// readable returns the patterns that a plugin's registration declares, and those that were
// granted.
func (p *Provisioner) readable(ctx context.Context, plugin string) (declared, granted []string, err error) {
	if p.Events != nil {
		declared, granted, err = p.Events(ctx, plugin)
	}
	if declared == nil {
		declared = public
	}
	return declared, granted, err
}

// CheckSubject returns a PERMISSION_DENIED error if a plugin may not read what a filter on a
// stream delivers, by its capabilities.
func CheckSubject(plugin, stream, filter string, may event.Capabilities) error {
	declared := []string{}
	if may.Has(event.CapabilityPublic) {
		declared = public
	}
	return checkSubject(plugin, stream, filter, declared, may.Reads())
}

// checkSubject returns a PERMISSION_DENIED error if a plugin may not read a subject, by what its
// registration declares and what was granted.
func checkSubject(plugin, stream, subject string, declared, granted []string) error {
	own := []string{event.CommandSubject(plugin), event.EventSubject(plugin), event.EventSubject(plugin, ">")}
	within := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, stream, subject) })
	}
	private := slices.ContainsFunc(privateSubjects, func(p string) bool { _, ok := streams.Intersect(p, subject); return ok })
	switch {
	case within(own), within(granted), !private && within(declared):
		return nil
	case private:
		return event.Errorf(event.PermissionDenied, "plugin %s may not read %s, with which come private messages or other plugins' commands (%s): "+
			"name other subjects, or rosey plugin grant %s read:%s", plugin, subject, strings.Join(privateSubjects, ", "), plugin, subject)
	}
	return event.Errorf(event.PermissionDenied, "plugin %s may not read %s, which its registration does not declare in events or nobody granted: rosey plugin grant %s read:%s lets it", plugin, subject, plugin, subject)
}

// Narrow takes from the durables of confined plugins what they may not read any more.
func (p *Provisioner) Narrow(ctx context.Context) error {
	if p.Events == nil || p.Confined == nil {
		return nil
	}
	var errs []error
	for _, name := range streams.ReadableStreams() {
		stream, err := p.bus.JetStream().Stream(ctx, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("look at stream %s: %w", name, err))
			continue
		}
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			if plugin, ok := streams.PluginOf(info.Name); ok && p.Confined(plugin) {
				errs = append(errs, p.narrow(ctx, stream, plugin, info.Config))
			}
		}
		errs = append(errs, list.Err())
	}
	return errors.Join(errs...)
}

// narrow removes from a durable the subjects that its plugin may not read, and the durable if
// that are all.
func (p *Provisioner) narrow(ctx context.Context, stream jetstream.Stream, plugin string, c jetstream.ConsumerConfig) error {
	declared, granted, err := p.readable(ctx, plugin)
	if err != nil {
		return err
	}
	subjects := streams.FilterSubjects(c)
	name := stream.CachedInfo().Config.Name
	kept := slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return checkSubject(plugin, name, s, declared, granted) != nil })
	switch {
	case len(kept) == len(subjects):
		return nil
	case len(kept) == 0:
		p.log.WarnContext(ctx, "consumer deleted, no permitted subjects left", "plugin", plugin, "stream", name, "subjects", subjects)
		return streams.RemoveDurable(ctx, p.bus.JetStream(), name, c.Durable)
	}
	p.log.WarnContext(ctx, "consumer filters narrowed to permitted subjects", "plugin", plugin, "stream", name, "subjects", kept)
	c.FilterSubject, c.FilterSubjects = "", kept
	_, err = stream.UpdateConsumer(ctx, c)
	return err
}

// covers reports whether a pattern, one of the contract's too, matches all that a filter on
// a stream does.
func covers(pattern, stream, filter string) bool {
	patterns, err := streams.Overlapping(pattern)
	return err == nil && slices.ContainsFunc(patterns[stream], func(p string) bool { return streams.Covers(p, filter) })
}
