package dryrun

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// The settings in the sandbox are those that the event's handler saw, where that is kept,
// and else those of the time at which the event was handled. What commands need, and who
// was granted what, are no settings here: the events are those that the router let through.

// override is a setting that holds in the sandbox whatever was set then.
type override struct {
	router.Setting
	value json.RawMessage
}

// overrides checks the settings that the caller gives.
func overrides(p plugins.Plugin, list []router.Setting) (checked []override, err error) {
	entry := router.Entry{Name: p.Name, Registration: p.Registration()}
	for _, set := range list {
		if router.IsPolicy(set.Key[strings.LastIndexByte(set.Key, '.')+1:]) {
			return nil, event.Errorf(event.InvalidInput, "%s decides whether a command comes to the plugin, and a dry run has those that came: leave it out", set.Key)
		}
		o := override{Setting: set}
		if o.value, err = set.Value([]router.Entry{entry}); err != nil {
			return nil, err
		}
		checked = append(checked, o)
	}
	return checked, nil
}

// override sets what is overridden and may not have been set then.
func (s *sandbox) override(ctx context.Context) error {
	for _, o := range s.overrides {
		key := pluginsettings.Key(o.Plugin, o.Channel)
		if _, err := s.buckets[settings].Put(ctx, key, s.overridden(key, nil)); err != nil {
			return err
		}
	}
	return nil
}

// overridden returns a document of settings with what is overridden in it: what holds for
// all channels holds in each. A nil document has none.
func (s *sandbox) overridden(key string, document json.RawMessage) json.RawMessage {
	var d pluginsettings.Document
	if document != nil && json.Unmarshal(document, &d) != nil {
		return document
	}
	changed := false
	for _, o := range s.overrides {
		ofChannel := key == pluginsettings.Key(o.Plugin, o.Channel)
		if !ofChannel && (o.Channel != "" || !strings.HasPrefix(key, o.Plugin+".")) {
			continue
		}
		if d.Values == nil {
			d.Values = map[string]json.RawMessage{}
		}
		d.Values[o.Key], changed = o.value, true
	}
	if !changed {
		return document
	}
	raw, err := event.Encode(d)
	if err != nil {
		return document
	}
	return raw
}

// viewLag is how much later than a setting was made a handler may have seen it.
const viewLag = time.Second

// set makes the settings those that an event's handler saw, as its outputs say, or what is
// kept of it. Of outputs of earlier releases it is kept, unless none were set: then the
// handler saw none that had just been made.
func (s *sandbox) set(ctx context.Context, e Event) (err error) {
	s.opened[settings] = slices.DeleteFunc(s.opened[settings], func(c revision) bool {
		due := !c.At.After(s.now)
		plugin, _, _ := strings.Cut(string(c.ID), ".")
		seen, known := e.sawSettings()
		switch {
		case plugin != s.c.Plugin:
		case known:
			due = c.Seq <= seen
		case e.exchanges == nil && len(e.Recorded) > 0:
			due = !c.At.Add(viewLag).After(s.now)
		}
		if due && err == nil {
			err = s.write(ctx, settings, c)
		}
		return due
	})
	return err
}
