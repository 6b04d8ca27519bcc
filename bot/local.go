package bot

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rosey-bot/rosey/cytube/localserver"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
)

// Terminal is where a user of the bot's own channel types and reads, if no channel is
// set. The zero Terminal has no input, so that Run returns ErrNoInput.
type Terminal struct {
	In      io.Reader // each line is said in the channel; nil has none
	Out     io.Writer // what the channel hears; nil discards
	Notices io.Writer // gets messages for the user beside the chat; nil discards

	// Interactive says that a person types: they get hints and the console, and their
	// own lines are not printed again.
	Interactive bool
	// Optional says that In may end without a line.
	Optional bool
	// Listen is an address at which websocket clients reach the channel, too.
	Listen string
}

func (t Terminal) withDefaults() Terminal {
	t.In, t.Out, t.Notices = cmp.Or[io.Reader](t.In, strings.NewReader("")), cmp.Or(t.Out, io.Discard), cmp.Or(t.Notices, io.Discard)
	return t
}

// Names in the local channel.
const (
	localName     = "local"
	localOperator = "operator"
)

// localChannel is a CyTube channel in this process, with the terminal as its user. The
// bot joins it like any other.
type localChannel struct {
	site     *localserver.Server
	terminal Terminal
	bot      string // the bot's name
	password string // of the bot's account, and the terminal's user's

	speaking sync.Mutex // one line at a time, from the terminal and the browser

	mu        sync.Mutex
	elsewhere map[string]int // lines from the browser whose echo has not been printed
	users     map[string]*localserver.User
	said      int // lines sent to the channel
	printed   int // chat lines printed
}

// openLocal opens a local channel, if no other is set, and makes the settings name it.
func (c *composition) openLocal(ctx context.Context) error {
	if !c.settings.Local() {
		return nil
	}
	s, t := &c.settings, c.terminal
	s.User = cmp.Or(s.User, settings.DefaultUser)
	password := event.NewCorrelationID()
	site, err := localserver.Start(localserver.Config{
		Addr:     t.Listen,
		Accounts: []localserver.Account{{Name: localOperator, Password: password}, {Name: s.User, Password: password}},
		Channels: []localserver.ChannelConfig{{Name: localName, Open: true, Ranks: map[string]float64{localOperator: 3, s.User: 2}}},
	})
	if err != nil && t.Listen != "" {
		return &ListenError{Setting: "listen-channel", Address: t.Listen, Err: fmt.Errorf("%w (choose another address)", err)}
	}
	if err != nil {
		return fmt.Errorf("open the local channel: %w", err)
	}
	s.Site, s.Channel.Name, s.PasswordFile = site.URL(), localName, ""
	l := &localChannel{
		site: site, terminal: t, bot: s.User, password: password, users: map[string]*localserver.User{}, elsewhere: map[string]int{},
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if l.users[localOperator], err = localserver.Join(ctx, site.URL(), localName, localOperator, password, l.print(true)); err != nil {
		site.Close()
		return fmt.Errorf("enter the local channel: %w", err)
	}
	c.local = l
	return nil
}

func (l *localChannel) close() {
	l.speaking.Lock()
	defer l.speaking.Unlock()
	for _, u := range l.users {
		u.Close()
	}
	l.site.Close()
}

var namedLine = regexp.MustCompile(`^([A-Za-z0-9_-]{1,20}): (.*)$`)

// speak says a line in the channel, as operator or as the user whom it names.
func (l *localChannel) speak(ctx context.Context, line string) error {
	l.speaking.Lock()
	defer l.speaking.Unlock()
	name, text := localOperator, line
	if m := namedLine.FindStringSubmatch(line); m != nil {
		name, text = strings.ToLower(m[1]), m[2]
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	u, ok := l.users[name]
	if !ok {
		var err error
		if u, err = localserver.Join(ctx, l.site.URL(), localName, name, "", nil); err != nil {
			return fmt.Errorf("%s cannot enter the channel: %w", name, err)
		}
		l.users[name] = u
	}
	if err := u.Say(ctx, text); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said++
	return nil
}

// sayFromBrowser says a line like one from the terminal, and has its echo printed.
func (l *localChannel) sayFromBrowser(ctx context.Context, line string) error {
	if strings.ContainsAny(line, "\r\n") {
		return settings.Errorf("one line at a time")
	}
	if !namedLine.MatchString(line) {
		l.mu.Lock()
		l.elsewhere[line]++
		l.mu.Unlock()
	}
	return l.speak(ctx, line)
}

// print returns a function that prints the chat that a user receives, or with private
// only the private messages.
func (l *localChannel) print(private bool) func(localserver.Message) {
	return func(m localserver.Message) {
		if m.Private != private {
			return
		}
		form := "%s: %s\n"
		switch {
		case m.Private:
			form = "%s (private): %s\n"
		case m.Action:
			form = "* %s %s\n"
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		typed := m.From == localOperator
		fromBrowser := typed && l.elsewhere[m.Text] > 0
		if fromBrowser {
			l.elsewhere[m.Text]--
		}
		if m.Private || !typed || fromBrowser || m.From == l.bot || !l.terminal.Interactive {
			fmt.Fprintf(l.terminal.Out, form, terminal.Escape(m.From), terminal.Escape(m.Text))
		}
		if !m.Private {
			l.printed++
		}
	}
}
