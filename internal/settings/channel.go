package settings

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rosey-bot/rosey/internal/timeparse"
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
	AFK                 *bool  `yaml:"afk"`        // whether the bot goes AFK; nil is false
	AfterKick           string `yaml:"after_kick"` // how long the bot stays away, or "never"
	UndeliveredPM       string `yaml:"undelivered_pm"`
}

// afterKickNever is the AfterKick of a bot that does not come back by itself.
const afterKickNever = "never"

// KickWait returns what AfterKick says: 0 if it says nothing, below 0 for never.
func (c Channel) KickWait() time.Duration {
	if c.AfterKick == afterKickNever {
		return -1
	}
	d, _ := timeparse.Duration(c.AfterKick) // checked by check
	return d
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
			AFK: cmp.Or(c.AFK, s.AFK), AfterKick: cmp.Or(c.AfterKick, s.AfterKick),
			UndeliveredPM: cmp.Or(c.UndeliveredPM, s.UndeliveredPM),
		})
	}
	return channels
}

var channelName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,30}$`)

// check returns an Error for the first setting that no bot could have in a channel.
func (c Channel) check() error {
	switch {
	case c.Name != "" && !channelName.MatchString(c.Name):
		return Errorf("%q is no channel: a name is 1 to 30 of a-z A-Z 0-9 - _", c.Name)
	case c.Prefix == "" || strings.ContainsFunc(c.Prefix, unicode.IsSpace):
		return Errorf("the prefix %q is empty or has a space in it: people type it in front of each command, as in !help", c.Prefix)
	case c.MessageLimit != 0 && c.MessageLimit < 20:
		return Errorf("message_limit must be 20 or more, not %d, or left out for the server's own", c.MessageLimit)
	case c.Rate.Burst < 0 || c.Rate.PerSecond < 0:
		return Errorf("a rate must not be below 0: leave it out, or write for example rate: {burst: 3, per_second: 1}")
	}
	if d, err := timeparse.Duration(c.AfterKick); c.AfterKick != "" && c.AfterKick != afterKickNever && (err != nil || d < 0) {
		return Errorf("after_kick must be a duration such as 30s, or never, not %q", c.AfterKick)
	}
	if !slices.Contains([]string{"", "drop", "wait", "chat"}, c.UndeliveredPM) {
		return Errorf("undelivered_pm must be drop, wait or chat, not %q", c.UndeliveredPM)
	}
	return nil
}

func (s *Settings) checkChannels() error {
	if s.Several() && (s.Channel.Name != "" || s.ChannelPasswordFile != "") {
		return Errorf("channel and channels do not go together: leave out --channel (or channel: and channel_password_file: in the file), or the list of channels")
	}
	if !s.Several() {
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
		case name == "":
			return Errorf("channels, number %d: \"\" is no channel: give its name", i+1)
		}
		if err := c.check(); err != nil {
			return Errorf("channels, number %d: %w", i+1, err)
		}
	}
	return nil
}
