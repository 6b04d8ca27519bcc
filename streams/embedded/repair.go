package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
)

// errDamaged is wrapped by Start when a stream's files are there and cannot be read.
var errDamaged = errors.New("the store is damaged")

// nats-server leaves out a stream whose configuration file is torn, as after a power cut, and
// a consumer one of whose files is (2.15.2). The events and the position are there all
// the same, and are found when the stream or consumer is made again over its files.

func (s *Server) streamDir(stream string) string {
	return filepath.Join(s.store, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams", stream)
}

// repairStreams makes again the streams that the server left out, with the configuration of
// the inventory or, of our own without these, such that nothing in them expires before
// streams.Open. It leaves out what is not ours and has no inventory: that is made
// again when it is used.
func (s *Server) repairStreams(ctx context.Context, before map[string]holding) error {
	entries, _ := os.ReadDir(s.streamDir("")) // a new store has none
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue // the server is removing it
		}
		if _, err := s.js.Stream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		config := before[name].Config
		if config == nil && !streams.InTopology(name) {
			s.log.Warn("stream left out: its configuration cannot be read and no copy of it exists", "stream", name, "files", s.streamDir(name))
			continue
		}
		removeMetaFiles(s.streamDir(name))
		if err := s.makeStream(ctx, name, config, 0); err != nil {
			return fmt.Errorf("%w: %w: restore a backup (rosey restore), or move %s out of the store to go on without its events",
				errDamaged, err, s.streamDir(name))
		}
		was := before[name]
		was.Created = time.Time{} // it has another now, and is still the same stream
		before[name] = was
		s.log.Warn("stream configuration was damaged, written again", "stream", name)
	}
	return nil
}

// removeMetaFiles removes the files with the configuration of a stream or consumer, so that
// the server writes them again.
func removeMetaFiles(dir string) {
	_ = os.Remove(filepath.Join(dir, server.JetStreamMetaFile))
	_ = os.Remove(filepath.Join(dir, server.JetStreamMetaFileSum))
}

// makeStream makes a stream over the files that are there, or with events from a
// sequence on.
func (s *Server) makeStream(ctx context.Context, name string, config *jetstream.StreamConfig, first uint64) error {
	var want jetstream.StreamConfig
	if config != nil {
		want = *config
	} else {
		want = streams.Unlimited(name)
	}
	want.FirstSeq = first
	if _, err := s.js.CreateStream(ctx, want); err != nil {
		return fmt.Errorf("make stream %s again: %w", name, err)
	}
	return nil
}

// repairConsumers makes the durable consumers again that are gone or have lost their
// position.
func (s *Server) repairConsumers(ctx context.Context, before map[string]holding, unclean bool) error {
	held, err := s.holdings(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for stream, now := range held {
		names := map[string]bool{}
		for name := range before[stream].Consumers {
			names[name] = true
		}
		entries, _ := os.ReadDir(filepath.Join(s.streamDir(stream), "obs"))
		for _, e := range entries {
			names[e.Name()] = true
		}
		for name := range names {
			was, noted := before[stream].Consumers[name]
			if err := s.repairConsumer(ctx, stream, name, was, noted, now.Consumers[name], unclean); err != nil {
				errs = append(errs, fmt.Errorf("make consumer %s of %s again: %w", name, stream, err))
			}
		}
	}
	return errors.Join(errs...)
}

// repairConsumer makes a consumer again if it does not exist or lost its position. It
// goes on from its state file if that is whole, else from its checkpoint or the inventory.
// Without any, its files are removed, and who opens it decides.
func (s *Server) repairConsumer(ctx context.Context, stream, name string, was durable, noted bool, now durable, unclean bool) error {
	dir := filepath.Join(s.streamDir(stream), "obs", name)
	state, err := os.Stat(filepath.Join(dir, "o.dat"))
	emptied := err == nil && state.Size() == 0
	exists := !now.Created.IsZero()
	if exists && !now.Created.Equal(was.Created) { // made anew since, or never noted
		was, noted = durable{Config: now.Config}, false
	}
	settled, err := streams.Settled(ctx, s.js, stream, name)
	if err != nil {
		return err
	}
	was.Floor = max(was.Floor, settled)
	_, err = os.Stat(dir)
	switch {
	case exists && !emptied && now.Floor >= was.Floor:
		return nil
	case !exists && err != nil && unclean: // it may have been deleted since
		return nil
	case !exists && !emptied:
		if !noted {
			was.Config = readConsumerConfig(dir, name)
		}
		removeMetaFiles(dir)
		if c, err := s.js.CreateConsumer(ctx, stream, was.Config); err == nil && c.CachedInfo().AckFloor.Stream >= was.Floor {
			s.log.Warn("settings of a consumer were damaged, written again", "stream", stream, "consumer", name)
			return nil
		}
	}
	if err := s.js.DeleteConsumer(ctx, stream, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if !noted && was.Floor == 0 {
		s.log.Warn("position of a consumer lost: its files were damaged", "stream", stream, "consumer", name)
		return nil
	}
	s.log.Warn("position of a consumer was damaged, going on from its checkpoint", "stream", stream, "consumer", name, "seq", was.Floor)
	was.Config.DeliverPolicy, was.Config.OptStartSeq, was.Config.OptStartTime = jetstream.DeliverByStartSequencePolicy, was.Floor+1, nil
	_, err = s.js.CreateConsumer(ctx, stream, was.Config)
	return err
}

// readConsumerConfig returns the settings in a consumer's files; those of any consumer,
// which its owner updates, where they cannot be read.
func readConsumerConfig(dir, name string) (c jetstream.ConsumerConfig) {
	raw, err := os.ReadFile(filepath.Join(dir, server.JetStreamMetaFile))
	if err != nil || json.Unmarshal(raw, &c) != nil || c.Durable != name {
		c = jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy}
	}
	return c
}
