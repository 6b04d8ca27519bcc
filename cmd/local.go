package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube/localserver"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/streams"
)

// Names in the local room.
const (
	localChannel  = "local"
	localOperator = "operator"
)

// drainLimit is how long the local room waits at the end of its input for what
// is still under way.
const drainLimit = 30 * time.Second

// localRoom is a CyTube room in this process, with the terminal as its user. The
// bot joins it like any other.
type localRoom struct {
	site   *localserver.Server
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	echo   bool // whether what is typed is printed again, as others hear it
	bot    string
	quiet  bool // no hints: nobody sits at the terminal
	wanted bool // somebody asked for a local room, rather than for no channel

	speaking sync.Mutex // one line at a time, from the terminal and the browser

	mu        sync.Mutex
	elsewhere map[string]int // lines from the browser that were not heard yet
	users     map[string]*localserver.User
	said      int // lines that went into the room from here
	printed   int // chat lines that were printed
}

// openRoom starts the room and points the configuration at it.
func openRoom(cfg *settings.Settings, c *cli.Context) (*localRoom, error) {
	app, listen := c.App, c.String("listen-room")
	if cfg.User == "" {
		cfg.User = settings.DefaultUser
	}
	password := event.NewCorrelationID()
	site, err := localserver.Start(localserver.Config{
		Addr:     listen,
		Accounts: []localserver.Account{{Name: localOperator, Password: password}},
		Channels: []localserver.ChannelConfig{{Name: localChannel, Open: true, Ranks: map[string]float64{localOperator: 3}}},
	})
	if err != nil && listen != "" {
		return nil, fmt.Errorf("--listen-room %s: %w (choose another address)", listen, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the local room: %w", err)
	}
	site.SetRank(localChannel, cfg.User, 2)
	cfg.Site, cfg.Channel.Name, cfg.PasswordFile = site.URL(), localChannel, ""
	terminal := isTerminal(app.Reader)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l := &localRoom{
		site: site, stdin: app.Reader, stdout: app.Writer, stderr: app.ErrWriter, bot: cfg.User, echo: !terminal, quiet: !terminal,
		wanted: terminal || listen != "" || c.Bool("local"),
		users:  map[string]*localserver.User{}, elsewhere: map[string]int{},
	}
	if l.users[localOperator], err = localserver.Join(ctx, site.URL(), localChannel, localOperator, password, l.print(true)); err != nil {
		site.Close()
		return nil, fmt.Errorf("enter the local room: %w", err)
	}
	return l, nil
}

func (l *localRoom) close() {
	l.speaking.Lock()
	defer l.speaking.Unlock()
	for _, u := range l.users {
		u.Close()
	}
	l.site.Close()
}

// run speaks the lines of the input in the room and prints what is heard there.
// It returns at the end of the input, once everything under way is done.
func (l *localRoom) run(ctx context.Context, bot *platform) error {
	observer, err := localserver.Join(ctx, l.site.URL(), localChannel, "", "", l.print(false))
	if err != nil {
		return err
	}
	defer observer.Close()
	var recorded counter
	sub, err := bot.bus.Subscribe(ctx, event.SubjectChat, func(_ context.Context, s streams.Stored) {
		if chat, err := event.As[event.Chat](s.Envelope); err == nil && !bot.channels.isBot(chat.Channel, chat.User) {
			recorded.add()
		}
	})
	if err != nil {
		return err
	}
	defer sub.Stop()
	if err := l.site.WaitUser(ctx, localChannel, l.bot); err != nil {
		return nil // told to stop before the bot came
	}
	if err := until(ctx, func() bool { return bot.ready(ctx) == nil }); err != nil {
		return nil
	}
	if !l.quiet {
		fmt.Fprintf(l.stderr, "You are in the local room as %s, and so is %s. Type a line, such as %sroll 2d6+3 or %shelp;\n"+
			"\"alice: hello\" speaks as alice. Ctrl-D ends.\n", localOperator, l.bot, bot.cfg.Prefix, bot.cfg.Prefix)
	}
	lines := make(chan typed)
	go readLines(ctx, l.stdin, lines)
	for spoken := l.wanted; ; spoken = true {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok && !spoken {
				return usagef("no channel is set and there is nobody to type: set --channel (or ROSEY_CHANNEL), or use --local")
			}
			if !ok {
				return l.drain(ctx, bot, &recorded)
			}
			if line.broken {
				return errors.Join(l.drain(ctx, bot, &recorded), line.err)
			}
			err := line.err
			if err == nil {
				err = l.speak(ctx, line.text)
			}
			if err != nil && ctx.Err() == nil {
				fmt.Fprintf(l.stderr, "not said: %s\n", err)
			}
		}
	}
}

// typed is a line of the input, or why there is none.
type typed struct {
	text   string
	err    error
	broken bool // nothing more can be read
}

// maxTyped is the longest line that is read, in bytes. The room takes less.
const maxTyped = 1 << 20

// readLines sends each line of in. It may outlive ctx by one read, which cannot
// be interrupted.
func readLines(ctx context.Context, in io.Reader, lines chan<- typed) {
	defer close(lines)
	r := bufio.NewReader(in)
	for {
		line, err := readLine(r)
		ended := errors.Is(err, io.EOF)
		if ended && line == (typed{}) {
			return
		}
		if err != nil && !ended {
			line = typed{err: fmt.Errorf("read what is typed: %w", err), broken: true}
		}
		select {
		case lines <- line:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// readLine reads a line to its end, also where it is too long to be kept.
func readLine(r *bufio.Reader) (line typed, err error) {
	var text []byte
	size := 0
	for {
		var part []byte
		part, err = r.ReadSlice('\n')
		if size += len(part); size <= maxTyped {
			text = append(text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	if size > maxTyped {
		return typed{err: fmt.Errorf("a line of %d bytes, more than the %d that are read", size, maxTyped)}, err
	}
	return typed{text: strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")}, err
}

var asSomebody = regexp.MustCompile(`^([A-Za-z0-9_-]{1,20}): (.*)$`)

// speak says a line in the room, as operator or as whom it names.
func (l *localRoom) speak(ctx context.Context, line string) error {
	l.speaking.Lock()
	defer l.speaking.Unlock()
	name, text := localOperator, line
	if m := asSomebody.FindStringSubmatch(line); m != nil {
		name, text = strings.ToLower(m[1]), m[2]
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	u, ok := l.users[name]
	if !ok {
		var err error
		if u, err = localserver.Join(ctx, l.site.URL(), localChannel, name, "", nil); err != nil {
			return fmt.Errorf("%s cannot enter the room: %w", name, err)
		}
		l.users[name] = u
	}
	if err := u.Say(ctx, text); err != nil {
		return err
	}
	l.mu.Lock()
	l.said++
	l.mu.Unlock()
	return nil
}

// print returns a function that prints the chat that a user receives, or with private only the private messages.
func (l *localRoom) print(private bool) func(localserver.Message) {
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
		fromBrowser := l.ours(m.From) && l.elsewhere[m.Text] > 0
		if fromBrowser {
			l.elsewhere[m.Text]--
		}
		if m.Private || l.echo || m.From == l.bot || !l.ours(m.From) || fromBrowser {
			fmt.Fprintf(l.stdout, form, terminal.Escape(m.From), terminal.Escape(m.Text))
		}
		if !m.Private {
			l.printed++
		}
	}
}

// ours reports whether a name speaks through this terminal.
func (l *localRoom) ours(name string) bool { return name == localOperator }

// drain waits until everything that was said is recorded, every consumer has
// nothing left to do but those of plugins in other processes that are away, and
// everything heard is printed.
func (l *localRoom) drain(ctx context.Context, bot *platform, recorded *counter) error {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	err := until(ctx, func() bool { return recorded.value() >= l.said })
	busy := ""
	if err == nil {
		var before uint64
		err = until(ctx, func() bool {
			name, last, ierr := workLeft(ctx, bot)
			quiet := ierr == nil && name == "" && last == before
			if ierr == nil {
				busy = name
			}
			before = last
			return quiet
		})
	}
	if err == nil {
		err = until(ctx, func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.printed >= l.site.ChatLines()
		})
	}
	if errors.Is(err, context.DeadlineExceeded) {
		if busy != "" {
			busy = ", not by " + busy
		}
		return fmt.Errorf("not everything was done within %s%s: see rosey status", drainLimit, busy)
	}
	return nil
}

// workLeft names a consumer that has not settled the last event that is for it, or
// nothing, and says how far the streams are. What a consumer says of its pending
// events is not enough: the server tells it of a new event only after the publisher.
func workLeft(ctx context.Context, bot *platform) (busy string, last uint64, err error) {
	js := bot.bus.JetStream()
	err = streams.EachConsumer(ctx, js, func(info *jetstream.ConsumerInfo) {
		plugin, ofPlugin := strings.CutPrefix(info.Name, streams.Durable(""))
		ours := !ofPlugin || slices.Contains(bot.plugins, plugin)
		if busy == "" && !info.Paused && (ours || streams.Attended(info)) && !settled(ctx, js, info) {
			busy = info.Name
		}
	})
	for _, name := range []string{streams.Cytube, streams.Plugin} {
		if s, serr := js.Stream(ctx, name); serr == nil {
			last += s.CachedInfo().State.LastSeq
		} else {
			err = errors.Join(err, serr)
		}
	}
	return busy, last, err
}

func settled(ctx context.Context, js jetstream.JetStream, info *jetstream.ConsumerInfo) bool {
	stream, err := js.Stream(ctx, info.Stream)
	if err != nil {
		return false
	}
	for _, filter := range streams.Filters(info.Config) {
		event, err := stream.GetLastMsgForSubject(ctx, filter)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil || event.Sequence > info.AckFloor.Stream:
			return false
		}
	}
	return true
}

// until waits for a condition.
func until(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add()       { c.mu.Lock(); c.n++; c.mu.Unlock() }
func (c *counter) value() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }
