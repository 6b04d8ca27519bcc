package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/rosey-bot/rosey/streams/jsapi"
)

// ChannelSnapshots is the stream of snapshots of channels, from which a channel's past is
// folded. All of them can be rebuilt from CYTUBE.
const ChannelSnapshots = "CHANNEL_SNAPSHOTS"

// channelSnapshotSubject returns the subject of a channel's snapshots, which no plugin can
// publish on.
func channelSnapshotSubject(channel string) string {
	return "rosey.channel_snapshot." + strings.ToLower(channel)
}

// SaveChannelSnapshot stores a snapshot of a channel.
func SaveChannelSnapshot(ctx context.Context, js jetstream.JetStream, channel string, snapshot []byte) error {
	_, err := js.Publish(ctx, channelSnapshotSubject(channel), snapshot)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		if err = openChannelSnapshots(ctx, js); err == nil {
			_, err = js.Publish(ctx, channelSnapshotSubject(channel), snapshot)
		}
	}
	if err != nil {
		return fmt.Errorf("save snapshot of channel %s: %w", channel, jsapi.Explain(js.Conn(), err))
	}
	return nil
}

// openChannelSnapshots creates the stream, which is kept as long as CYTUBE.
func openChannelSnapshots(ctx context.Context, js jetstream.JetStream) error {
	history, err := js.Stream(ctx, Cytube)
	if err != nil {
		return err
	}
	like := history.CachedInfo().Config
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: ChannelSnapshots, Description: "Snapshots of channels, which can be made again", Subjects: []string{channelSnapshotSubject("*")},
		MaxAge: like.MaxAge, Replicas: like.Replicas, AllowDirect: true, Metadata: withFormat(nil),
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	return err
}

// ChannelSnapshot returns the last snapshot of a channel that was stored by a time, or the
// last of all if that is zero; nil if there is none.
func ChannelSnapshot(ctx context.Context, js jetstream.JetStream, channel string, at time.Time) ([]byte, error) {
	var options []jetstreamext.GetLastForOpt
	if !at.IsZero() {
		options = append(options, jetstreamext.GetLastMsgsUpToTime(at))
	}
	found, err := jetstreamext.GetLastMsgsFor(ctx, js, ChannelSnapshots, []string{channelSnapshotSubject(channel)}, options...)
	if err == nil {
		for msg, err := range found {
			if errors.Is(err, jetstreamext.ErrNoMessages) || isGone(err) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read snapshot of channel %s: %w", channel, err)
			}
			return msg.Data, nil
		}
		return nil, nil
	}
	if isGone(err) {
		return nil, nil
	}
	return nil, fmt.Errorf("read snapshot of channel %s: %w", channel, err)
}

// isGone reports whether there is no stream to ask.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrNotJSMessage) ||
		err != nil && strings.Contains(err.Error(), "no responders")
}

// DropChannelSnapshots erases all snapshots, which name who was in a channel.
func DropChannelSnapshots(ctx context.Context, js jetstream.JetStream) error {
	err := js.DeleteStream(ctx, ChannelSnapshots)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}
