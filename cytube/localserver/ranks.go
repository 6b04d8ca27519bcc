package localserver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func (ch *Channel) rankCommand(c *Session, args string) {
	words := strings.Fields(args)
	rank := 0.0
	if len(words) >= 2 {
		rank, _ = strconv.ParseFloat(words[1], 64)
	}
	switch {
	case c.rank() < 3:
	case rank == 0:
		c.Emit("noflood", object{"action": "/rank",
			"msg": "Syntax: /rank <username> <rank>.  <rank> must be a positive integer > 1"})
	default:
		ch.setChannelRank(c, rankChange{words[0], rank})
	}
}

type rankChange struct {
	Name string
	Rank float64
}

func (ch *Channel) setChannelRank(c *Session, data rankChange) {
	const failed = "Updating user rank failed: "
	fail := func(text string) { c.Emit("channelRankFail", object{"msg": text}) }
	name, rank, mine := data.Name, data.Rank, c.rank()
	tooHigh := func(r float64) bool { return r >= mine && (mine != 4 || r != 4) }
	switch {
	case mine < 3:
	case !validUser.MatchString(name):
		fail("Invalid target name " + name)
	case rank < 1 || tooHigh(rank):
		fail(failed + "You can't promote someone to a rank equal or higher than yourself, or demote them to below rank 1.")
	case c.is(name):
		fail(failed + "You can't promote or demote yourself.")
	case !ch.registered:
		fail(failed + "in an unregistered channel, a user must be online in the channel in order to have their rank changed.")
	case tooHigh(ch.rankOf(name)):
		fail(failed + "You can't promote or demote someone who has equal or higher rank than yourself")
	default:
		ch.setRank(name, rank)
		if target := ch.User(name); target == nil {
			ch.broadcast("setUserRank", object{"name": name, "rank": rank, "userrank": mine})
			ch.tell(fmt.Sprintf("%s set %s's rank to %g", c.name, name, rank), 3)
		} else if !target.registered {
			fail("The user you promoted is not a registered account.  Any rank changes are temporary and not stored in the database.")
		}
	}
}

// setRank changes a user's rank in the channel, now and for the future. What is below 2 is not kept, nor what a guest has.
// Everybody gets the name as it was given.
func (ch *Channel) setRank(name string, rank float64) {
	target := ch.User(name)
	if target == nil || target.registered {
		delete(ch.ranks, strings.ToLower(name))
		if rank >= 2 {
			ch.ranks[strings.ToLower(name)] = rank
		}
	}
	if target == nil {
		return
	}
	before := target.rank()
	target.channelRank = rank
	ch.rankChanged(target, before)
	target.Emit("rank", target.rank())
	ch.broadcast("setUserRank", object{"name": name, "rank": target.rank()})
	ch.srv.notify()
}

// rankOf returns the rank of a user who may be absent.
func (ch *Channel) rankOf(name string) float64 {
	if u := ch.User(name); u != nil {
		return u.rank()
	}
	return max(ch.ranks[strings.ToLower(name)], ch.srv.accounts[strings.ToLower(name)].Rank)
}

// rankOfAddress returns the highest rank of those who were ever seen from an address or a range.
func (ch *Channel) rankOfAddress(ip string) (rank float64) {
	for name, addresses := range ch.srv.seen {
		if slices.ContainsFunc(addresses, (ban{ip: ip}).covers) {
			rank = max(rank, ch.rankOf(name))
		}
	}
	return rank
}

func (ch *Channel) sendChannelRanks(c *Session) {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(ch.ranks)) {
		spelled := cmp.Or(ch.srv.accounts[name].Name, name)
		list = append(list, object{"name": spelled, "rank": ch.ranks[name], "channel": ch.name})
	}
	c.Emit("channelRanks", list)
}

// sendLog answers readChanLog. This server keeps no log.
func (ch *Channel) sendLog(c *Session) { c.Emit("readChanLog", object{"success": true, "data": ""}) }
