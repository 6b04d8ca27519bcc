package cytube_test

import (
	"fmt"
	"maps"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
)

// channelOf is the channel of a case of a table.
func channelOf(i int) string { return fmt.Sprint(lounge, i) }

// withChannels adds a channel for each case of a table, made like the first and changed, as to
// start a site and a NATS server for each case takes longer than most cases do.
func withChannels(n int, change func(i int, c *cytubetest.Channel)) func(*cytubetest.Config, *cytube.Config) {
	return func(site *cytubetest.Config, _ *cytube.Config) {
		for i := range n {
			c := site.Channels[0]
			c.Name, c.Ranks = channelOf(i), maps.Clone(c.Ranks)
			if change != nil {
				change(i, &c)
			}
			site.Channels = append(site.Channels, c)
		}
	}
}
