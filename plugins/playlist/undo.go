package playlist

import (
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/restore"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

const keptUndone = 100

// undo handles !undo: the last change of the playlist that was not undone yet is planned
// backwards, and done a few steps at a time.
func undo(c *plugins.Context) ([]event.Envelope, error) {
	word := strings.ToLower(c.Text(0))
	if word == "stop" {
		return stop(c)
	}
	kind, known := kinds[word]
	if word != "" && !known {
		return nil, usage(c, "undo")
	}
	set := settings(c)
	changes, err := changesOf(c, c.Now().Add(-set.UndoWithin))
	if err != nil {
		return nil, err
	}
	var r record
	return change(c, &r, func() ([]event.Envelope, error) {
		if err := r.busy(c); err != nil {
			return nil, err
		}
		for {
			last := r.lastOf(changes, kind)
			if last == nil {
				return nil, c.Refuse(event.RecordNotFound, set.Unchanged, plugins.Values{"within": set.UndoWithin})
			}
			r.Undone = kept(r.Undone, last.id)
			if out, err := r.undo(c, set, last); err != nil || len(out) > 0 {
				r.Undos = kept(r.Undos, c.Event.CorrelationID)
				return out, err
			} // nothing is left of that change
		}
	})
}

// undo begins to undo a change; it returns nothing where nothing is left of it.
func (r *record) undo(c *plugins.Context, set Settings, last *made) ([]event.Envelope, error) {
	if last.kind == kindLock {
		a := newAsked(c, "undo")
		a.Title = last.title(c, set)
		return r.ask(a, c.Lock(!last.locked).For(a.User).Events()), nil
	}
	title := c.Render(set.Undoing, plugins.Values{
		"change": last.title(c, set), "kind": last.word(), "ago": max(time.Second, c.Now().Sub(last.last).Round(time.Second)),
	})
	j := job{Title: title, Undo: last.revert(), Total: last.removed()}
	before, err := c.StateOf(c.Channel(), time.UnixMilli(j.Undo.Before), plugins.Playlist)
	if err != nil {
		return nil, err
	}
	if err := r.keepWishes(c, before, j.Undo); err != nil {
		return nil, err
	}
	return r.start(c, j)
}

func kept(list []string, id string) []string {
	list = append(list, id)
	return list[max(0, len(list)-keptUndone):]
}

// kinds are the words for kinds of changes.
var kinds = map[string]string{
	"add": kindAdd, "remove": kindRemove, "move": kindMove, "shuffle": kindShuffle, "clear": kindClear, "lock": kindLock, "skip": kindSkip,
}

// lastOf returns the last change, of a kind if one is given, that was not undone, and that no !undo made.
func (r *record) lastOf(changes []*made, kind string) *made {
	for _, m := range slices.Backward(changes) {
		if (kind == "" || m.kind == kind) && !m.void() && !slices.Contains(r.Undone, m.id) && (m.correlation == "" || !slices.Contains(r.Undos, m.correlation)) {
			return m
		}
	}
	return nil
}

// keepWishes keeps who added what comes back, as the bot queues it then.
func (r *record) keepWishes(c *plugins.Context, before *plugins.State, u *revert) error {
	now, err := look(c)
	if err != nil {
		return err
	}
	for _, i := range before.Playlist {
		if u.gone(i) && i.QueuedBy != "" && !strings.EqualFold(i.QueuedBy, now.BotName) {
			r.wish(now, wish{URL: i.URL, Type: i.Type, User: i.QueuedBy})
		}
	}
	return nil
}

// undoMore plans what is left to be undone, from what the channel is now, and returns the
// first steps.
func (r *record) undoMore(c *plugins.Context) (sends []event.Envelope, err error) {
	j, u := r.Job, r.Job.Undo
	before, err := c.StateOf(c.Channel(), time.UnixMilli(u.Before), plugins.Playlist, plugins.Playing)
	if err != nil {
		return nil, err
	}
	now, err := c.State(plugins.Playlist, plugins.Playing, plugins.Users, plugins.Lock, plugins.Permissions, view.PartOptions)
	if err != nil {
		return nil, err
	}
	steps := u.plan(before, now)
	if u.failed(steps) { // without what failed, other steps follow
		steps = u.plan(before, now)
	}
	u.Batch = nil
	for _, s := range steps {
		subject, payload, can := s.Send()
		if s.Cannot != "" {
			j.Why, j.Denied = s.Cannot, j.Denied || subject != ""
		}
		if !can || slices.Contains(u.Failed, s.ID()) {
			continue
		}
		if u.Batch = append(u.Batch, s.ID()); len(u.Batch) > batch {
			u.Batch = u.Batch[:batch]
			break
		}
		sends = append(sends, c.Ask(subject, payload).For(j.User).Because("undo").Events()...)
	}
	return sends, nil
}

func (u *revert) plan(before, now *plugins.State) []restore.Step {
	want := now.View
	want.Playlist = u.merge(before.Playlist, now.Playlist)
	if u.Plays {
		if steps := u.hold(before, now); len(steps) > 0 {
			return steps
		}
		want.Playing = before.Playing
		for n, i := range want.Playlist {
			want.Playlist[n].Temp = i.Temp || slices.Contains(u.Held, i.UID)
		}
	}
	return restore.Plan(&now.View, &want, now.BotName, []string{view.PartPlaylist})
}

// hold returns the step after which what plays now does not leave the playlist when something
// else does. It is temporary again in the end.
func (u *revert) hold(before, now *plugins.State) []restore.Step {
	at := now.Current()
	if at < 0 || !now.Playlist[at].Temp || before.Playing == nil || before.Playing.URL == now.Playlist[at].URL {
		return nil
	}
	want := now.View
	want.Playlist = slices.Clone(now.Playlist)
	want.Playlist[at].Temp = false
	steps := restore.Plan(&now.View, &want, now.BotName, []string{view.PartPlaylist})
	if len(steps) != 1 || steps[0].Cannot != "" || slices.Contains(u.Failed, steps[0].ID()) {
		return nil
	}
	if !slices.Contains(u.Held, now.Playlist[at].UID) {
		u.Held = append(u.Held, now.Playlist[at].UID)
	}
	return steps
}

// failed notes the steps of the last batch that are still to be done: they could not be. It
// reports whether there are any; items among them are given up.
func (u *revert) failed(steps []restore.Step) (some bool) {
	for _, s := range steps {
		if !slices.Contains(u.Batch, s.ID()) {
			continue
		}
		u.Failed, some = append(u.Failed, s.ID()), true
		if i, adds := s.Item(); adds {
			if u.Lost == nil {
				u.Lost = map[string]int{}
			}
			u.Lost[mediaOf(i).key()]++
		}
	}
	return some
}
