package settings

import (
	"cmp"
	"regexp"
	"strings"
	"unicode"
)

// Channel holds the settings of one channel. What one of several leaves empty is
// as the setting of the same name outside of Channels says.
type Channel struct {
	Site                string `yaml:"site"`
	Name                string `yaml:"channel"`
	ChannelPasswordFile string `yaml:"channel_password_file"`
	User                string `yaml:"user"`
	PasswordFile        string `yaml:"password_file"`
	Prefix              string `yaml:"prefix"`
	MessageLimit        int    `yaml:"message_limit"`
	Rate                Rate   `yaml:"rate"`
}

// Rate limits what the bot says in a channel. Zeros leave it to the channel.
type Rate struct {
	Burst     int     `yaml:"burst"`      // lines at once
	PerSecond float64 `yaml:"per_second"` // lines a second after that
}

// ChannelList returns the channels that the bot joins, each with all its settings.
// The first gets the sends that name none; there is one, without a name, where
// the bot opens a channel of its own.
func (s *Settings) ChannelList() []Channel {
	list := s.Channels
	if !s.Several() {
		list = []Channel{s.Channel}
	}
	channels := make([]Channel, 0, len(list))
	for _, c := range list {
		channels = append(channels, Channel{
			Site: cmp.Or(c.Site, s.Site), Name: cmp.Or(c.Name, s.Channel.Name), ChannelPasswordFile: c.ChannelPasswordFile,
			User: cmp.Or(c.User, s.User, DefaultUser), PasswordFile: cmp.Or(c.PasswordFile, s.PasswordFile),
			Prefix: cmp.Or(c.Prefix, s.Prefix), MessageLimit: cmp.Or(c.MessageLimit, s.MessageLimit), Rate: cmp.Or(c.Rate, s.Rate),
		})
	}
	return channels
}

var channelName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,30}$`)

// isPrefix reports whether commands can start with a text.
func isPrefix(text string) bool { return text != "" && !strings.ContainsFunc(text, unicode.IsSpace) }

// checkChannels checks the channel, or the list of channels.
func (s *Settings) checkChannels() error {
	switch {
	case s.Several() && (s.Channel.Name != "" || s.ChannelPasswordFile != ""):
		return Errorf("channel and channels do not go together: leave out --channel (or channel: and channel_password_file: in the file), or the list of channels")
	case !s.Several() && s.Channel.Name != "" && !channelName.MatchString(s.Channel.Name):
		return Errorf("%q is no channel: a name is 1 to 30 of a-z A-Z 0-9 - _", s.Channel.Name)
	case !s.Several():
		return nil
	}
	sites := map[string]string{}
	for i, c := range s.ChannelList() {
		name := strings.ToLower(c.Name)
		site, twice := sites[name]
		sites[name] = c.Site
		switch {
		case twice && site == c.Site:
			return Errorf("channels: %s is listed twice; leave one of them out", c.Name)
		case twice:
			return Errorf("channels: %s is listed twice; events name the channel and not the site: give one of them a bot of its own, on another store or NATS account", c.Name)
		case !channelName.MatchString(c.Name):
			return Errorf("channels, number %d: %q is no channel: a name is 1 to 30 of a-z A-Z 0-9 - _", i+1, c.Name)
		case !isPrefix(c.Prefix):
			return Errorf("channels, %s: the prefix %q is empty or has a space in it", c.Name, c.Prefix)
		case c.MessageLimit < 20:
			return Errorf("channels, %s: message_limit must be 20 or more, not %d", c.Name, c.MessageLimit)
		case c.Rate.Burst < 0 || c.Rate.PerSecond < 0:
			return Errorf("channels, %s: a rate must not be below 0", c.Name)
		}
	}
	return nil
}
