package pluginsettings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Bucket is the KV bucket of settings: one key a plugin for all channels, and one for each
// channel that has settings of its own.
const Bucket = streams.PluginSettings

// history is how many changes of a key the bucket keeps.
const history = 64

// getTimeout is how long a read of a key waits for its reply before it is made again.
const getTimeout = 2 * time.Second

// Document is the value of a key.
type Document struct {
	Values    map[string]json.RawMessage `json:"values"`
	Changes   []Change                   `json:"changes"` // what the last revision changed
	By        string                     `json:"by"`
	Reason    string                     `json:"reason,omitempty"`
	Recreated bool                       `json:"remade,omitempty"` // it was written again, see Store.Recreated
}

// Change is a change of one setting; null is not set.
type Change struct {
	Key string          `json:"key"`
	Old json.RawMessage `json:"old"`
	New json.RawMessage `json:"new"`
}

// Revision is a document of the bucket.
type Revision struct {
	Document
	Plugin   string
	Channel  string // "" is all channels
	Revision uint64
	At       time.Time
	Err      error // why the document cannot be read, if it is damaged
}

// Set is the settings of a plugin in a channel at one moment.
type Set struct {
	Plugin  string
	All     Revision // of all channels
	Channel Revision // of the channel
}

// Value returns the value of the first of the keys that is set, the channel's before that
// of all channels.
func (s Set) Value(keys ...string) (value json.RawMessage, from Revision, ok bool) {
	for _, r := range [...]Revision{s.Channel, s.All} {
		for _, key := range keys {
			if value, ok := r.Values[key]; ok {
				return value, r, true
			}
		}
	}
	return nil, Revision{}, false
}

// Store reads and changes settings. The nil Store has none.
type Store struct {
	js   jetstream.JetStream
	kv   jetstream.KeyValue
	view view
}

// Open opens the bucket and creates it if it is missing.
func Open(ctx context.Context, js jetstream.JetStream, replicas int) (*Store, error) {
	kv, err := jsapi.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "Settings of plugins, by plugin and channel", History: history, Replicas: max(replicas, 1),
	})
	if err != nil {
		return nil, err
	}
	s := &Store{js: js, kv: kv}
	_, err = s.openOutbox(ctx) // before the first change
	return s, err
}

// Find opens the bucket to read it, for who may not create it. It returns nil if there is
// none.
func Find(ctx context.Context, js jetstream.JetStream) (*Store, error) {
	kv, err := js.KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	return &Store{js: js, kv: kv}, nil
}

// Key returns the key of a plugin's settings in a channel; "" is all channels.
func Key(plugin, channel string) string {
	if channel == "" {
		return plugin
	}
	return plugin + "." + strings.ToLower(channel)
}

// Load returns the settings of a plugin in a channel as they are now.
func (s *Store) Load(ctx context.Context, plugin, channel string) (set Set, err error) {
	set.Plugin = plugin
	if s == nil {
		return set, nil
	}
	if set, ok, err := s.view.load(plugin, channel); ok {
		return set, err
	}
	if set.All, err = s.get(ctx, plugin, ""); err == nil && event.ValidName(channel) {
		set.Channel, err = s.get(ctx, plugin, channel)
	}
	return set, err
}

func (s *Store) get(ctx context.Context, plugin, channel string) (Revision, error) {
	r := Revision{Plugin: plugin, Channel: channel}
	// A request or reply that a broken connection took with it is made again.
	entry, err := retry.Value(ctx, jsapi.RetryUnavailable(0, nil), func(ctx context.Context) (jetstream.KeyValueEntry, error) {
		ctx, cancel := context.WithTimeout(ctx, getTimeout)
		defer cancel()
		return s.kv.Get(ctx, Key(plugin, channel))
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return r, nil
	}
	if err != nil {
		return r, event.Errorf(event.NATSError, "read the settings of %s: %w", plugin, err)
	}
	r = read(entry)
	return r, r.Err
}

func read(entry jetstream.KeyValueEntry) Revision {
	r := revisionOf(entry.Key(), entry.Value(), entry.Operation() == jetstream.KeyValuePut)
	r.Revision, r.At = entry.Revision(), entry.Created()
	return r
}

// revisionOf reads the value of a key; put is false for a marker that it was deleted.
func revisionOf(key string, value []byte, put bool) (r Revision) {
	r.Plugin, r.Channel, _ = strings.Cut(key, ".")
	if !put {
		return r
	}
	if err := json.Unmarshal(value, &r.Document); err != nil {
		r.Document = Document{}
		r.Err = event.Errorf(event.DatabaseError, "settings of %s are damaged: %w", key, err)
	}
	return r
}

// List returns all that is set, in the order of keys, and what is damaged with its Err.
func (s *Store) List(ctx context.Context) (all []Revision, err error) {
	if s == nil {
		return nil, nil
	}
	if all, ok := s.view.list(); ok {
		return all, nil
	}
	return s.read(ctx, ">", jetstream.IgnoreDeletes())
}

// History returns the revisions of a plugin's settings that the bucket keeps, the oldest
// first; channel "" is that of all channels.
func (s *Store) History(ctx context.Context, plugin, channel string) ([]Revision, error) {
	if s == nil {
		return nil, nil
	}
	return s.read(ctx, Key(plugin, channel), jetstream.IncludeHistory())
}

func (s *Store) read(ctx context.Context, keys string, opts ...jetstream.WatchOpt) (all []Revision, err error) {
	w, err := s.kv.Watch(ctx, keys, opts...)
	if err != nil {
		return nil, fmt.Errorf("read bucket %s: %w", Bucket, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case entry, ok := <-w.Updates():
			if !ok || entry == nil {
				return all, nil
			}
			all = append(all, read(entry))
		}
	}
}
