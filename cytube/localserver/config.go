package localserver

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Config describes a site. The zero Config is a site without accounts, with no limit but those that every CyTube site
// has.
type Config struct {
	// Addr is the address to listen on; 127.0.0.1:0 if empty.
	Addr string

	// Accounts are the registered users.
	Accounts []Account

	// Channels are the registered channels. Any other valid name is an unregistered channel: open to everybody, with
	// an open playlist.
	Channels []ChannelConfig

	// MaxMessage is the length in UTF-16 units to which chat lines are cut; 320 if 0.
	MaxMessage int

	// NoPages says that the site has no pages, so that nobody knows of MaxMessage.
	NoPages bool

	// Buffer is how many chat lines are kept for those who join; 15 if 0.
	Buffer int

	// GuestDelay is the least time between two guest logins from one address. The real server's is one minute.
	GuestDelay time.Duration

	// Connects limits connections from one address, Events the events of one connection. Zero is no limit. The real
	// server's Connects is {5, 0.1}.
	Connects, Events Limit

	// Sockets is how many connections an address may have; 0 is no limit. The real server's is 10.
	Sockets int

	// Address returns the address that votes and bans take a user for. Nil takes the connection's.
	Address func(name string) string

	// Protocol is 0 for a server that speaks Engine.IO 4 and 3, 4 for one that refuses 3, and 3 for an old one that
	// speaks 3 whatever it is asked for.
	Protocol int

	// PingInterval and PingTimeout are announced and kept, in whole milliseconds; 25 s and 120 s if 0.
	PingInterval, PingTimeout time.Duration

	// Lookup finds the title and length of queued media; its error becomes the user's queueFail. It may take its time, and
	// is not called for live media and embeds. Nil makes up a title and a length of three minutes.
	Lookup func(kind, id string) (Media, error)

	// List finds the videos of a queued YouTube playlist. Nil makes up three.
	List func(id string) ([]Media, error)

	// Hooks watch the server or interfere with it.
	Hooks Hooks
}

// Hooks are called, if set, one at a time. They must not call the Server.
type Hooks struct {
	// Connect returns why a connection is refused, or "".
	Connect func() (refusal string)
	// Frame is called with each frame from a client. user is "" while the client is anonymous.
	Frame func(user string, frame []byte)
	// Event is called for each event from a client that is in a channel, in place of handling it, which next does.
	Event func(c *Session, name string, next func())
	// Line is called with each line that was accepted.
	Line func(Line)
}

// Account is a registered user.
type Account struct {
	Name     string
	Password string
	Rank     float64 // the rank on the whole site; 1 if 0, 255 is a site admin
	Since    time.Time
}

// ChannelConfig describes a registered channel.
type ChannelConfig struct {
	Name     string
	Password string             // asked from all but moderators, unless empty
	Ranks    map[string]float64 // ranks in this channel, by account name
	Flood    Flood              // the channel's own flood control; zero is off
	MOTD     string
	Open     bool // whether everybody may queue media
}

// Flood is a channel's chat_antiflood_params. CyTube's own default is {4, 1, 4}.
type Flood struct {
	Burst     int     // lines at once
	Sustained float64 // lines a second after that
	Cooldown  float64 // seconds of silence after which the burst is back; Burst/Sustained if 0
}

// Limit is a token bucket.
type Limit struct {
	Burst     int
	PerSecond float64
}

var (
	validChannel = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,30}$`)
	validUser    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,20}$`)
	reservedUser = regexp.MustCompile(`(?i)^(.*[-_])?(admin(istrator)?|owner)([-_].*)?$`)
)

func (c Config) withDefaults() Config {
	c.Addr = cmp.Or(c.Addr, "127.0.0.1:0")
	c.MaxMessage = cmp.Or(c.MaxMessage, 320)
	c.Buffer = cmp.Or(c.Buffer, 15)
	c.PingInterval = cmp.Or(c.PingInterval, 25*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 120*time.Second)
	if c.Lookup == nil {
		c.Lookup = makeUpMedia
	}
	if c.List == nil {
		c.List = makeUpList
	}
	return c
}

func makeUpList(id string) (list []Media, err error) {
	for _, part := range []string{"1", "2", "3"} {
		m, _ := makeUpMedia("yt", id+"-"+part)
		list = append(list, m)
	}
	return list, nil
}

func makeUpMedia(kind, id string) (Media, error) {
	if id == "" {
		return Media{}, errors.New("the media has no id")
	}
	title := mediaLink(kind, id)
	if title == "" {
		title = id
	}
	return Media{ID: id, Type: kind, Title: title, Seconds: 180}, nil
}

// accounts returns the accounts by lower-case name.
func (c Config) accounts() (map[string]Account, error) {
	byName := map[string]Account{}
	for _, a := range c.Accounts {
		if !validUser.MatchString(a.Name) || a.Password == "" {
			return nil, fmt.Errorf("account %q: it needs a name of 1 to 20 of a-z A-Z 0-9 - _ and a password", a.Name)
		}
		a.Rank = cmp.Or(a.Rank, 1)
		byName[strings.ToLower(a.Name)] = a
	}
	return byName, nil
}

func (s *Server) openChannels() error {
	for _, c := range s.cfg.Channels {
		if !validChannel.MatchString(c.Name) {
			return fmt.Errorf("channel %q: its name must be 1 to 30 of a-z A-Z 0-9 - _", c.Name)
		}
		ch := newChannel(s, strings.ToLower(c.Name), &c)
		s.channels[ch.name] = ch
	}
	return nil
}
