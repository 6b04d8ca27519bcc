package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/reconcile"
)

// RestoreOptions are the settings of Restore.
type RestoreOptions struct {
	// Replicas is how many copies a cluster is to keep; 0 means 1.
	Replicas int
	// ReadOnly makes streams for looking at: nothing can be stored in them or
	// deleted from them, nothing in them expires, and no timer in them fires.
	ReadOnly bool
	// Begin, if set, is called after all checks, before anything is changed; its
	// error ends the restore.
	Begin func() error
	// Progress, if set, is called with the progress of the check and then the restore.
	Progress func(Progress)
}

// Restore makes the streams of a backup on a server, after it has checked every
// file of the backup. It replaces empty streams and refuses to overwrite others. The
// error wraps ErrNoBackup, ErrDamaged or ErrNotEmpty
// when nothing was changed; after any other, what was made is removed again.
//
// Retention goes on where it was: what is past a stream's max_age is gone soon
// after. A server (2.15.2) learns which Nats-Msg-Ids it was given only when it
// starts the next time, so start it again before anything is published that may
// be in the backup already.
func Restore(ctx context.Context, js jetstream.JetStream, dir string, o RestoreOptions) (Manifest, error) {
	m, err := Verify(ctx, dir, o.Progress)
	if err != nil {
		return m, err
	}
	configs := make([]json.RawMessage, len(m.Streams))
	for i, s := range m.Streams {
		if configs[i], err = adapt(s.Config, o); err != nil {
			return m, fmt.Errorf("%w: the configuration of %s: %w", ErrDamaged, s.Name, err)
		}
	}
	empty, err := existing(ctx, js, m)
	if err != nil {
		return m, err
	}
	if o.Begin != nil {
		if err := o.Begin(); err != nil {
			return m, err
		}
	}
	done := int64(0)
	for i, s := range m.Streams {
		// One by one, as the server removes a folder that it finds without streams.
		if slices.Contains(empty, s.Name) {
			if err := js.DeleteStream(ctx, s.Name); err != nil {
				return m, errors.Join(fmt.Errorf("replace the empty stream %s: %w", s.Name, err), remove(ctx, js, m.Streams[:i]))
			}
		}
		subject, err := begin(ctx, js, s, configs[i])
		if err != nil {
			return m, errors.Join(fmt.Errorf("restore %s: %w", s.Name, err), remove(ctx, js, m.Streams[:i]))
		}
		err = restore(ctx, js, subject, dir, s, func(n int) {
			done += int64(n)
			report(o.Progress, Progress{Stream: s.Name, Done: done, Total: m.Size()})
		})
		if err == nil && !o.ReadOnly {
			// Events that were stored while the rest was copied are not in the backup.
			err = reconcile.AdvanceSequence(ctx, js, s.Name, s.Reached)
		}
		if err == nil && !o.ReadOnly {
			err = rewind(ctx, js, s)
		}
		if err != nil {
			return m, errors.Join(fmt.Errorf("restore %s: %w", s.Name, err), remove(ctx, js, m.Streams[:i+1]))
		}
	}
	return m, nil
}

func restore(ctx context.Context, js jetstream.JetStream, subject, dir string, s Stream, sent func(int)) error {
	made, err := upload(ctx, js, subject, dir, s, sent)
	if err != nil {
		return err
	}
	// Messages may have expired since.
	if made.LastSeq != s.LastSeq || made.Messages > s.Messages {
		return fmt.Errorf("it has %d messages up to %d, and the backup says %d up to %d", made.Messages, made.LastSeq, s.Messages, s.LastSeq)
	}
	return nil
}

// adapt returns a stream's configuration for the server to which it is restored.
func adapt(config json.RawMessage, o RestoreOptions) (json.RawMessage, error) {
	var c map[string]json.RawMessage
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	c["num_replicas"] = strconv.AppendInt(nil, int64(max(o.Replicas, 1)), 10)
	// The placement is about the servers of the backup.
	delete(c, "placement")
	if o.ReadOnly {
		c["sealed"], c["max_age"] = json.RawMessage("true"), json.RawMessage("0")
		for _, key := range []string{"allow_msg_ttl", "allow_msg_schedules", "subject_delete_marker_ttl", "mirror", "sources", "republish"} {
			delete(c, key)
		}
	}
	return json.Marshal(c)
}

// existing lists the backup's streams that exist and are empty. One that is not
// empty is an error.
func existing(ctx context.Context, js jetstream.JetStream, m Manifest) (empty []string, err error) {
	var full []string
	for _, s := range m.Streams {
		stream, err := js.Stream(ctx, s.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return nil, fmt.Errorf("open stream %s: %w", s.Name, err)
		case stream.CachedInfo().State.Msgs > 0:
			full = append(full, s.Name)
		default:
			empty = append(empty, s.Name)
		}
	}
	if len(full) > 0 {
		return nil, fmt.Errorf("%w: %s hold events already, and a restore never overwrites any: restore into an empty store, or another server or account",
			ErrNotEmpty, strings.Join(full, ", "))
	}
	return empty, nil
}

// rewind makes the durable consumers that advanced while the backup was made anew, to go
// on from their positions when it began. A reset would not do: the server does not write
// the new position to the disk while it is writing the old one, which it does a moment
// after a restore (nats-server 2.15.2).
func rewind(ctx context.Context, js jetstream.JetStream, s Stream) error {
	for _, p := range s.Positions {
		c, err := js.Consumer(ctx, s.Name, p.Consumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue // it was deleted while the backup was made
		}
		if err != nil {
			return fmt.Errorf("open consumer %s: %w", p.Consumer, err)
		}
		info := c.CachedInfo()
		if info.AckFloor.Stream <= p.Acked {
			continue
		}
		config := info.Config
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartSequencePolicy, max(config.OptStartSeq, p.Acked+1), nil
		if err = js.DeleteConsumer(ctx, s.Name, p.Consumer); err == nil {
			_, err = js.CreateConsumer(ctx, s.Name, config)
		}
		if err != nil {
			return fmt.Errorf("set consumer %s to %d: %w", p.Consumer, p.Acked, err)
		}
	}
	return nil
}

// remove deletes the streams that a failed restore made.
func remove(ctx context.Context, js jetstream.JetStream, made []Stream) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var errs []error
	for _, s := range made {
		if err := js.DeleteStream(ctx, s.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			errs = append(errs, fmt.Errorf("delete %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}
