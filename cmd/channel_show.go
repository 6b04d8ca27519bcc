package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/past"
	"github.com/rosey-bot/rosey/cytube/view"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/replay"
)

func channelShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "the channel as it is or was",
		ArgsUsage: "[" + strings.Join(view.Parts(), "|") + "…]",
		Description: `Without a part it shows what people see; a part is shown in full. It is read from the
stored events, of a running bot or of a stopped one's store.

   rosey channel show
   rosey channel show --at 'yesterday 20:00'
   rosey channel show emotes filters --channel lounge
   rosey channel show playlist --at 2h --output json`,
		Flags: []cli.Flag{inChannelFlag(), &cli.StringFlag{Name: "at", Usage: "as it was at `TIME`: an age (90m, 2d), RFC 3339, or yesterday 20:00"}, outputFlag()},
		Action: func(c *cli.Context) error {
			for _, part := range c.Args().Slice() {
				if _, err := view.ChangesOf(part); err != nil {
					return &usageError{err}
				}
			}
			at, err := momentOf(c.String("at"), "--at")
			if err != nil {
				return err
			}
			return reading(func(ctx context.Context, c *cli.Context, cmd command) error {
				m, err := channelAt(ctx, c, cmd, at)
				if err != nil {
					return err
				}
				if wantJSON(c) {
					return showJSON(c, m, at)
				}
				show(c.App.Writer, m, at, c.Args().Slice())
				return nil
			})(c)
		},
	}
}

// momentOf parses a moment of the past; "" is now, the zero time.
func momentOf(text, what string) (time.Time, error) {
	if text == "" || text == "now" {
		return time.Time{}, nil
	}
	at, err := replay.ParseTime(text, time.Now())
	switch {
	case err != nil:
		return at, usagef("%s: %w", what, err)
	case at.After(time.Now()):
		return at, usagef("%s lies in the future: %s", what, at.Format(time.DateTime))
	}
	return at, nil
}

// channelAt reads the channel that --channel names, or the only one.
func channelAt(ctx context.Context, c *cli.Context, cmd command, at time.Time) (past.Moment, error) {
	name, err := oneChannel(ctx, c, cmd)
	if err != nil {
		return past.Moment{}, err
	}
	m, err := past.At(ctx, cmd.JS, name, at)
	if err == nil && m.Empty() {
		return m, fmt.Errorf("nothing is known of channel %s then: no event says it", name)
	}
	return m, err
}

// oneChannel returns the channel that --channel names, that of the settings, or the only
// one that the bot was in.
func oneChannel(ctx context.Context, c *cli.Context, cmd command) (string, error) {
	if name := c.String("channel"); name != "" {
		return name, nil
	}
	if !cmd.settings.Several() && !cmd.settings.Local() {
		return cmd.settings.Channel.Name, nil
	}
	names, err := cytube.Channels(ctx, cmd.JS)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", errors.New("the bot was in no channel yet")
	case len(names) > 1:
		return "", usagef("the bot was in several channels: give --channel %s", strings.Join(names, ", or "))
	}
	return names[0], nil
}

// showJSON prints one object with what was asked for.
func showJSON(c *cli.Context, m past.Moment, at time.Time) error {
	parts := c.Args().Slice()
	if len(parts) == 0 {
		parts = append(view.Parts(), past.Extra...)
	}
	if at.IsZero() {
		at = time.Now()
	}
	all := map[string]any{"channel": m.Channel, "at": at.UTC().Format(time.RFC3339Nano)}
	for _, part := range parts {
		value, err := m.Show(part)
		if err != nil {
			return err
		}
		all[part] = value
	}
	return encode(c, all)
}

// show prints the parts, or what people see of the channel.
func show(w io.Writer, m past.Moment, at time.Time, parts []string) {
	when := "now"
	if !at.IsZero() {
		when = at.Local().Format(time.DateTime)
	}
	fmt.Fprintf(w, "%s, %s\n", terminal.Escape(m.Channel), when)
	if at.IsZero() {
		at = time.Now()
	}
	if len(parts) == 0 {
		showPlaying(w, m.View, at)
		parts = []string{view.PartPlaylist, view.PartUsers, view.PartPoll, view.PartMOTD}
	}
	for _, part := range parts {
		showPart(w, m.View, part)
	}
}

func showPlaying(w io.Writer, v *view.View, at time.Time) {
	p := v.Playing
	if p == nil {
		fmt.Fprintln(w, "\nnothing plays")
		return
	}
	position := seconds(p.PositionAt(at.UnixMilli()))
	if p.Duration > 0 {
		position += " of " + seconds(float64(p.Duration))
	}
	if p.Paused {
		position += ", paused"
	}
	leader := ""
	if v.Leader != "" {
		leader = ", led by " + terminal.Escape(v.Leader)
	}
	fmt.Fprintf(w, "\nplays: %s (%s%s)  %s  %s\n", terminal.Escape(p.Title), position, leader, terminal.Escape(p.QueuedBy), terminal.Escape(p.URL))
}

// seconds formats a position as 1:02:03.
func seconds(s float64) string {
	d := time.Duration(s) * time.Second
	if d < time.Hour {
		return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}

// showPart prints a part with one line for each of its elements.
func showPart(w io.Writer, v *view.View, part string) {
	value := v.Part(part)
	lines := view.Lines(part, value)
	heading := part
	switch known := string(value) != "null"; {
	case !known && part == view.PartPoll:
		heading = "no poll is open"
	case !known:
		heading += ": not known"
	case part == view.PartPlaylist && v.Lock != nil:
		heading = fmt.Sprintf("%s: %d, %s", part, len(v.Playlist), map[bool]string{true: "locked", false: "open to all"}[*v.Lock])
	case part == view.PartUsers && v.Count != nil && *v.Count > len(v.Users): // it may come late
		heading = fmt.Sprintf("%s: %d, %d with those who have no name", part, len(v.Users), *v.Count)
	case slices.Contains([]string{view.PartEmotes, view.PartFilters, view.PartBans, view.PartRanks, view.PartUsers, view.PartPlaylist}, part):
		heading = fmt.Sprintf("%s: %d", part, len(lines))
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, line := range lines {
		fmt.Fprintf(w, "   %s\n", terminal.Escape(line))
	}
}
