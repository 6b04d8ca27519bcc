package localserver

import (
	"fmt"
	"math"
)

// skipVote is a vote on skipping the item that plays: the addresses that ask for it.
type skipVote map[string]bool

// voteskip handles a user's vote. An address has one, and none while nothing plays.
func (ch *Channel) voteskip(c *Session) {
	if !ch.options.AllowVoteskip || len(ch.list.items) == 0 || ch.skip[c.ip] {
		return
	}
	if ch.skip == nil {
		ch.skip = skipVote{}
	}
	ch.skip[c.ip] = true
	ch.touch(c)
	ch.countSkipVotes()
}

// withdrawSkipVote takes back the vote of somebody who goes AFK or leaves.
func (ch *Channel) withdrawSkipVote(c *Session) { delete(ch.skip, c.ip) }

// countSkipVotes skips the item that plays if enough ask for it, and otherwise says how many do.
func (ch *Channel) countSkipVotes() {
	if ch.skip == nil || !ch.options.AllowVoteskip || len(ch.list.items) == 0 {
		return
	}
	total, afk, denied := len(ch.users), 0, 0
	for _, u := range ch.users {
		switch {
		case !ch.may(u, "voteskip"):
			denied++
		case u.afk:
			afk++
		}
	}
	eligible, ratio := total-afk-denied, ch.options.VoteskipRatio
	need := math.Ceil(float64(eligible) * ratio)
	if float64(len(ch.skip)) < max(need, 1) {
		ch.broadcastTo("viewvoteskip", "voteskip", object{"count": len(ch.skip), "need": need})
		return
	}
	ch.notice("[voteskip]", fmt.Sprintf(
		"Voteskip passed: %d/%d skipped; eligible voters: %d = total (%d) - AFK (%d) - no permission (%d); ratio = %g",
		len(ch.skip), eligible, eligible, total, afk, denied, ratio), -1)
	ch.resetSkipVotes()
	ch.PlayNext()
}

func (ch *Channel) resetSkipVotes() {
	ch.skip = nil
	ch.broadcastTo("viewvoteskip", "voteskip", object{"count": 0, "need": 0})
}
