package localserver

import (
	"encoding/json"

	"github.com/google/uuid"
)

// administer handles initACP, which opens the site's administration to its admins.
func (c *Session) administer(request) {
	if c.channel == nil {
		return
	}
	if c.siteRank < 255 {
		c.Kick("Attempted initACP from non privileged user.  This incident will be reported.")
		return
	}
	c.administers = true
	c.Emit("acp-gbanlist", []any{})
}

// announce tells everybody on the site something, and those who connect later.
func (c *Session) announce(r request) {
	var data struct{ Title, Content string }
	if !c.administers || json.Unmarshal(r.arg, &data) != nil {
		return
	}
	c.srv.announcement = object{"id": uuid.NewString(), "title": data.Title, "text": data.Content, "from": c.name}
	for other := range c.srv.sessions {
		if other.connected {
			other.Emit("announcement", c.srv.announcement)
		}
	}
}

// clearAnnouncement ends an announcement, and tells nobody.
func (c *Session) clearAnnouncement(request) {
	if c.administers {
		c.srv.announcement = nil
	}
}

// borrowRank gives a site admin another rank in the channel.
func (c *Session) borrowRank(r request) {
	var rank float64
	if c.channel == nil || c.siteRank < 255 || json.Unmarshal(r.arg, &rank) != nil || rank > c.siteRank {
		return
	}
	c.siteRank, c.channelRank = rank, rank
	c.Emit("rank", rank)
	c.channel.broadcast("setUserRank", object{"name": c.name, "rank": rank})
}
