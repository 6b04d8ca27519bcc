package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
	"github.com/rosey-bot/rosey/internal/settings"
)

const siteTimeout = 10 * time.Second

// checkSite asks the CyTube site for each channel's socket.
func (c *checkup) checkSite(ctx context.Context) {
	if c.bot == nil && c.settings.Local() {
		c.ok("the bot opens a channel of its own; there is nothing to reach")
		return
	}
	channels := c.settings.ChannelList()
	if c.bot != nil {
		channels = channels[:0]
		for _, c := range c.bot.Channels {
			channels = append(channels, settings.Channel{Site: c.Site, Name: c.Channel})
		}
	}
	for _, channel := range channels {
		within, cancel := context.WithTimeout(ctx, siteTimeout)
		socket, err := socketio.Discover(within, nil, channel.Site, channel.Name)
		cancel()
		if err != nil && len(channels) > 1 {
			err = fmt.Errorf("channel %s: %w", channel.Name, err)
		}
		if err != nil {
			c.fail("correct --site and --channel, or wait until the site is back", "%v", err)
			continue
		}
		c.ok("%s has channel %s at %s", channel.Site, channel.Name, socket)
	}
}
