package localserver

// describe returns what one user sees of another: moderators see more.
func (ch *Channel) describe(c, viewer *Session) object {
	return object{
		"name": c.name, "rank": c.rank(),
		"profile": object{"image": "", "text": ""},
		"meta":    ch.meta(c, viewer),
	}
}

func (ch *Channel) meta(c, viewer *Session) object {
	if viewer.rank() < 2 {
		return object{"afk": c.afk, "muted": c.muted && !c.shadowMuted}
	}
	ip := c.ip
	if viewer.rank() < 255 {
		ip = cloak(ip)
	}
	return object{
		"afk": c.afk, "muted": c.muted, "smuted": c.shadowMuted,
		"aliases": []string{c.name}, "ip": ip,
	}
}

func (ch *Channel) sendMeta(c *Session, minRank float64) {
	for _, u := range ch.users {
		if u.rank() >= minRank {
			u.Emit("setUserMeta", object{"name": c.name, "meta": ch.meta(c, u)})
		}
	}
}

func (ch *Channel) sendUserlist(c *Session) {
	list := []any{}
	for _, u := range ch.users {
		if u.loggedIn() {
			list = append(list, ch.describe(u, c))
		}
	}
	c.Emit("userlist", list)
}
