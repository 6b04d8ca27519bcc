package cytube

import (
	"cmp"
	"slices"
	"strings"
)

// Member is somebody who is in the channel.
type Member struct {
	Name string
	Rank int // as in the contract: 0 guest, 1 user, 2 moderator, 3 admin and up
}

// Present lists who is in the channel, the highest rank first. While the bot is
// not there it is who was there last. The channel's guests without a name are
// not counted.
func (c *Connector) Present() []Member {
	if list := c.stats.users.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// presenceFrames are the frames that change who is here.
var presenceFrames = map[string]bool{"userlist": true, "addUser": true, "userLeave": true, "setUserRank": true}

// noteUsers keeps who is here where others may read it, after a frame.
func (s *counters) noteUsers(r *room, frame string) {
	if !presenceFrames[frame] {
		return
	}
	list := r.present()
	s.users.Store(&list)
}

func (r *room) present() []Member {
	list := make([]Member, 0, len(r.users))
	for _, m := range r.users {
		list = append(list, Member{m.name, contractRank(m.rank)})
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
	return list
}
