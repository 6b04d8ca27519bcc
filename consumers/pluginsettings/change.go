package pluginsettings

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Update is a request to change settings, of a plugin in a channel.
type Update struct {
	Plugin, Channel string                     // channel "" is all channels
	Values          map[string]json.RawMessage // by key; null unsets
	By, Reason      string
}

// null is the value of a setting that is not set.
var null = json.RawMessage("null")

// Apply changes settings and then stores an event platform.settings for each that was not so
// before; a process that dies in between leaves that to KeepPublished. The caller has checked
// the values. All of them change at once.
func (s *Store) Apply(ctx context.Context, bus *streams.Bus, u Update) ([]Change, error) {
	for {
		have, err := s.get(ctx, u.Plugin, u.Channel)
		if err != nil && have.Err == nil { // what is damaged is replaced
			return nil, err
		}
		next := Document{Values: maps.Clone(have.Values), By: u.By, Reason: u.Reason}
		if next.Values == nil {
			next.Values = map[string]json.RawMessage{}
		}
		for _, k := range slices.Sorted(maps.Keys(u.Values)) {
			c := Change{Key: k, Old: orNull(next.Values[k]), New: orNull(u.Values[k])}
			if bytes.Equal(c.Old, c.New) {
				continue
			}
			next.Changes = append(next.Changes, c)
			if next.Values[k] = c.New; bytes.Equal(c.New, null) {
				delete(next.Values, k)
			}
		}
		if len(next.Changes) == 0 {
			return nil, nil
		}
		revision, err := s.write(ctx, u, next, have.Revision)
		if jsapi.IsConflict(err) {
			continue // by somebody else meanwhile
		}
		if err != nil {
			return nil, err
		}
		changed := Revision{Document: next, Plugin: u.Plugin, Channel: u.Channel, Revision: revision, At: time.Now()}
		s.view.apply(changed)
		return next.Changes, publish(ctx, bus, changed, nil)
	}
}

func orNull(v json.RawMessage) json.RawMessage {
	if len(v) == 0 {
		return null
	}
	return v
}

func (s *Store) write(ctx context.Context, u Update, d Document, revision uint64) (uint64, error) {
	revision, err := jsapi.UpdateJSON(ctx, s.kv, Key(u.Plugin, u.Channel), d, revision)
	if err != nil {
		return 0, fmt.Errorf("change the settings of %s: %w", u.Plugin, err)
	}
	return revision, nil
}

// publish stores the events of a revision, under IDs that it alone has, but for those of the
// keys that are stored.
func publish(ctx context.Context, bus *streams.Bus, r Revision, stored map[string]bool) error {
	for i, c := range r.Changes {
		if stored[c.Key] {
			continue
		}
		e, err := event.New(event.SubjectSettings, event.SettingChange{
			Plugin: r.Plugin, Channel: r.Channel, Key: c.Key, Old: c.Old, New: c.New, By: r.By, Reason: r.Reason,
			Revision: int64(r.Revision), Timestamp: float64(r.At.UnixMicro()) / 1e6,
		})
		if err != nil {
			return err
		}
		id := fmt.Sprintf("settings/%s/%d/%d", Key(r.Plugin, r.Channel), r.Revision, i+1)
		if _, err := bus.Publish(ctx, e, streams.WithMsgID(id), streams.WithRetry(30*time.Second)); err != nil {
			return fmt.Errorf("%s of %s is changed, but the event about it is not stored: %w", c.Key, r.Plugin, err)
		}
	}
	return nil
}

func lastReadable(revisions []Revision) Revision {
	for _, r := range slices.Backward(revisions) {
		if r.Err == nil {
			return r
		}
	}
	return Revision{}
}

// Undone returns the update that takes back the last change of a plugin's settings.
func Undone(revisions []Revision, by string) (Update, error) {
	if len(revisions) == 0 {
		return Update{}, event.Errorf(event.RecordNotFound, "nothing was changed there: see rosey settings history")
	}
	last := revisions[len(revisions)-1]
	u := Update{Plugin: last.Plugin, Channel: last.Channel, Values: map[string]json.RawMessage{}, By: by, Reason: fmt.Sprintf("undo of revision %d", last.Revision)}
	for _, c := range last.Changes {
		u.Values[c.Key] = c.Old
	}
	if last.Err != nil { // nobody's change, but damage to what there was
		maps.Copy(u.Values, lastReadable(revisions).Values)
	}
	return u, nil
}
