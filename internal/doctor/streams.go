package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/snapshot"
)

// checkStreams compares the streams with what they should be.
func (c *checkup) checkStreams(ctx context.Context) {
	c.complete = true
	if format, old, err := streams.OldFormat(ctx, c.client.JS); err == nil && old {
		c.oldFormat(format)
		return
	}
	messages, bytes := uint64(0), uint64(0)
	for _, spec := range streams.Specs() {
		s, err := c.client.JS.Stream(ctx, spec.Name)
		if err != nil {
			c.complete = false
			c.missingStream(ctx, spec, err)
			continue
		}
		info := s.CachedInfo()
		messages, bytes = messages+info.State.Msgs, bytes+info.State.Bytes
		found, err := spec.Differences(info.Config, streams.Options{Replicas: c.settings.Replicas, Limits: c.settings.StreamLimits()})
		if err != nil {
			c.fail("rosey backup DIR first, then change the stream or use another store", "%s: %v", spec.Name, err)
		}
		loss, err := c.lossBy(ctx, s, spec)
		if err == nil && loss.Events > 0 {
			c.warn(loss.Remedy(), "%s: its retention is not lowered, as that would delete %s", spec.Name, loss)
			found = slices.DeleteFunc(found, func(d string) bool { return strings.HasPrefix(d, "max_age ") || strings.HasPrefix(d, "max_bytes ") })
		}
		// Streams of earlier releases are compressed from the next start on; until then it costs space only.
		found = slices.DeleteFunc(found, func(d string) bool { return strings.HasPrefix(d, "compression ") })
		for _, d := range found {
			c.warn("start the bot with these settings; one that runs puts it right within seconds, see its log", "%s: %s", spec.Name, d)
		}
	}
	if c.bad == 0 {
		c.ok("all %d are as they should be, with %s events in %s", len(streams.Specs()), humanize.Comma(int64(messages)), humanize.IBytes(bytes))
	}
}

// oldFormat reports streams of an earlier release, which differ from what they should be.
func (c *checkup) oldFormat(format int) {
	advice := "start the bot in this version: it migrates them, and keeps a snapshot in " + snapshot.OfFormat(c.settings.Store, format)
	if c.settings.External() {
		advice = "rosey backup DIR first, then start the bots in this version: the first migrates them"
	}
	c.complete = false
	c.warn(advice, "an earlier release has written them (format %d, and this version has %d)", format, streams.Format)
}

// lossBy returns the events that the settings' limits would delete of a stream without consent.
func (c *checkup) lossBy(ctx context.Context, s jetstream.Stream, spec streams.Spec) (streams.RetentionLoss, error) {
	l := c.settings.StreamLimits()[spec.Name]
	loss, err := streams.LossBy(ctx, c.client.JS, s, cmp.Or(l.MaxAge, spec.MaxAge), l.MaxBytes)
	if !loss.Until.After(l.AcceptLoss) {
		loss.Events = 0
	}
	return loss, err
}

// checkHistory reports events that the store has lost.
func (c *checkup) checkHistory(context.Context) {
	if c.settings.External() {
		return
	}
	lost, err := embedded.Losses(c.settings.Store)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.ok("what the store holds is noted while the bot runs")
		return
	case err != nil:
		c.warn("go on: the next stop writes it anew", "%v", err)
		return
	case len(lost) == 0:
		c.ok("nothing is known to be gone")
	}
	for _, l := range lost {
		advice := "look at the disk"
		if l.Deleted {
			advice = "look who may delete streams"
		}
		c.warn(advice+"; rosey restore brings back a backup, into another store", "%s", l)
	}
}

func (c *checkup) missingStream(ctx context.Context, spec streams.Spec, err error) {
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		c.fail("see the server's log", "%s: %v", spec.Name, err)
		return
	}
	for _, subject := range spec.Subjects {
		if names := holders(ctx, c.client.JS, subject); len(names) > 0 {
			c.fail("take the subject from it, or give the bot an account of its own", "%s does not exist, and its subject %s belongs to %s", spec.Name, subject, names[0])
			return
		}
	}
	if c.bot != nil {
		c.fail("restart the bot: it makes it again", "%s does not exist", spec.Name)
		return
	}
	c.warn("rosey run makes it", "%s does not exist yet", spec.Name)
}

// holders lists the streams that hold a subject.
func holders(ctx context.Context, js jetstream.JetStream, subject string) (names []string) {
	for name := range js.StreamNames(ctx, jetstream.WithStreamListSubject(subject)).Name() {
		names = append(names, name)
	}
	return names
}
