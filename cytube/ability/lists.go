package ability

import (
	"cmp"

	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// lists are the account's saved playlists in a frame: how many items each has.
func lists(f *channel.Frame) map[string]int {
	var list []struct {
		Name  string
		Count int
	}
	counts := map[string]int{}
	if f != nil && f.Decode(&list) == nil {
		for _, l := range list {
			counts[l.Name] = l.Count
		}
	}
	return counts
}

func inList(f *channel.Frame, name string) bool { _, ok := lists(f)[name]; return ok }

var saveList = rule[event.SendList]{
	options: options{least: 1}, // guests have no saved playlists
	frames: func(_ *Call, p event.SendList) []Frame {
		return []Frame{{"clonePlaylist", []any{map[string]any{"name": p.Name}}}}
	},
	shown: func(_ *Call, p event.SendList, f channel.Frame) bool {
		return f.Name == "listPlaylists" && inList(&f, p.Name)
	},
}

var listsQuestion = options{question: &Frame{Name: "listPlaylists"}, reply: "listPlaylists", least: 1}

// hasList refuses a saved playlist that there is not.
func (c *Call) hasList(name string) *Outcome {
	if inList(c.answer, name) {
		return nil
	}
	return refuse(event.RecordNotFound, "the bot's account has no saved playlist %q", name)
}

// hasItems also refuses one with nothing on it, of which the server says nothing.
func (c *Call) hasItems(name string) *Outcome {
	if o := c.hasList(name); o != nil || lists(c.answer)[name] > 0 {
		return o
	}
	return refuse(event.RecordNotFound, "the saved playlist %q is empty", name)
}

var deleteList = rule[event.SendList]{
	options: listsQuestion,
	check:   func(c *Call, p event.SendList) *Outcome { return c.hasList(p.Name) },
	so:      func(c *Call, p event.SendList) bool { return c.Past != nil && c.hasList(p.Name) != nil },
	frames: func(_ *Call, p event.SendList) []Frame {
		return []Frame{{"deletePlaylist", []any{map[string]any{"name": p.Name}}}}
	},
	shown: func(_ *Call, p event.SendList, f channel.Frame) bool {
		return f.Name == "listPlaylists" && !inList(&f, p.Name)
	},
}

var queueList = rule[event.SendQueueList]{
	options: options{
		queues: true, slow: true, question: listsQuestion.question, reply: listsQuestion.reply, least: 1, needs: []string{"playlistadd", "playlistaddlist"},
	},
	check: func(c *Call, p event.SendQueueList) *Outcome {
		if p.Position == event.PositionNext {
			return first(c.needs("playlistnext"), c.hasItems(p.Name))
		}
		return c.hasItems(p.Name)
	},
	events: func(c *Call, p event.SendQueueList) int { return lists(c.answer)[p.Name] },
	frames: func(_ *Call, p event.SendQueueList) []Frame {
		arg := map[string]any{"name": p.Name, "pos": cmp.Or(p.Position, event.PositionEnd), "temp": p.Temp}
		return []Frame{{"queuePlaylist", []any{arg}}}
	},
	seen: func(c *Call, _ event.SendQueueList, e channel.Event) bool {
		q, ok := as[event.MediaQueue](e.Envelope, event.SubjectMediaQueue)
		return ok && c.byBot(q.QueuedBy)
	},
	since: func(c *Call, _ event.SendQueueList) *Outcome {
		for _, item := range c.State.Items() {
			if c.byBot(item.By) && item.UID > c.Past.LastUID {
				return c.Past.queued(item.UID)
			}
		}
		return nil
	},
}
