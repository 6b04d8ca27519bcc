package bot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/rosey-bot/rosey/cytube/localserver"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/streams"
)

// ErrNoInput is returned by Run where no channel is set and the terminal's input ended
// before a line.
var ErrNoInput = errors.New("no channel is set and the terminal's input is empty")

// run says the lines of the input in the channel and prints what is said there. It
// returns at the end of the input, once everything that it caused is done. Plugins that
// read the past go on with it at the next start.
func (l *localChannel) run(ctx context.Context, life *lifecycle) error {
	observer, err := localserver.Join(ctx, l.site.URL(), localName, "", "", l.print(false))
	if err != nil {
		return err
	}
	defer observer.Close()
	var recorded atomic.Int64
	sub, err := life.bus.Subscribe(ctx, event.SubjectChat, func(_ context.Context, s streams.Stored) {
		if chat, err := event.As[event.Chat](s.Envelope); err == nil && !life.channels.isBot(chat.Channel, chat.User) {
			recorded.Add(1)
		}
	})
	if err != nil {
		return err
	}
	defer sub.Stop()
	if err := l.site.WaitUser(ctx, localName, l.bot); err != nil {
		return nil // stopped before the bot came
	}
	if err := retry.Do(ctx, poll, life.ready); err != nil {
		return nil
	}
	if l.terminal.Interactive {
		fmt.Fprintf(l.terminal.Notices, "You are in the local channel as %s, and so is %s. Type a line, such as %sroll 2d6+3 or %shelp;\n"+
			"\"alice: hello\" speaks as alice. Ctrl-D ends.\n", localOperator, l.bot, life.settings.Prefix, life.settings.Prefix)
	}
	before, err := unreadPast(ctx, life.bus.JetStream())
	if err != nil {
		return err
	}
	err = l.sayInput(ctx)
	if ctx.Err() != nil || errors.Is(err, ErrNoInput) {
		return err
	}
	return errors.Join(l.drain(ctx, life, &recorded, before), err)
}

// sayInput says each line of the input, until it ends or ctx does.
func (l *localChannel) sayInput(ctx context.Context) error {
	lines := make(chan inputLine)
	go readLines(ctx, l.terminal.In, lines)
	for empty := !l.terminal.Optional; ; empty = false {
		var line inputLine
		select {
		case <-ctx.Done():
			return nil
		case next, ok := <-lines:
			if !ok && empty {
				return ErrNoInput
			}
			if !ok || next.last {
				return next.err
			}
			line = next
		}
		err := line.err
		if err == nil {
			err = l.speak(ctx, line.text)
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(l.terminal.Notices, "not said: %s\n", err)
		}
	}
}

// inputLine is a line of the input, or why there is none.
type inputLine struct {
	text string
	err  error
	last bool // nothing more can be read
}

// maxLine is the longest line that is read, in bytes. The channel takes less.
const maxLine = 1 << 20

// readLines sends each line of in. It may outlive ctx by one read, which cannot be
// interrupted.
func readLines(ctx context.Context, in io.Reader, lines chan<- inputLine) {
	defer close(lines)
	r := bufio.NewReader(in)
	for {
		line, err := readLine(r)
		ended := errors.Is(err, io.EOF)
		if ended && line == (inputLine{}) {
			return
		}
		if err != nil && !ended {
			line = inputLine{err: fmt.Errorf("read what is typed: %w", err), last: true}
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
func readLine(r *bufio.Reader) (inputLine, error) {
	var text []byte
	size := 0
	for {
		part, err := r.ReadSlice('\n')
		if size += len(part); size <= maxLine {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case size > maxLine:
			return inputLine{err: fmt.Errorf("a line of %d bytes, more than the %d that are read", size, maxLine)}, err
		default:
			return inputLine{text: strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")}, err
		}
	}
}
