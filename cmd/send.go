package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/event"
)

func sendCommand() *cli.Command {
	return &cli.Command{
		Name:      "send",
		Usage:     "speak in a channel",
		ArgsUsage: "TEXT…",
		Description: `The line is stored as a cytube.send event and spoken by the bot that runs. On an
external server (--nats), it waits up to two minutes for one that starts.

   rosey send Movie night starts at eight
   rosey send --pm alice "Your turn"
   rosey send --emote waves
   rosey send --channel lounge Hello, lounge`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "pm", Usage: "send it to `USER` alone"},
			&cli.BoolFlag{Name: "emote", Usage: "say it as an action, /me …"},
			&cli.StringFlag{Name: "channel", Usage: "channel `NAME`; the bot's own, or its first, when left out"},
			outputFlag(),
		},
		Action: running(send),
	}
}

func send(ctx context.Context, c *cli.Context, cmd command) error {
	text := strings.Join(c.Args().Slice(), " ")
	if text == "" {
		return usagef("say what to send: rosey send TEXT")
	}
	channel, err := channelFor(ctx, cmd, c.String("channel"))
	if err != nil {
		return err
	}
	subject, payload := event.SubjectSendChat, any(event.SendChat{Message: text, Channel: channel})
	switch {
	case c.String("pm") != "" && c.Bool("emote"):
		return usagef("--pm and --emote do not go together")
	case c.String("pm") != "":
		subject, payload = event.SubjectSendPM, event.SendPM{To: c.String("pm"), Message: text, Channel: channel}
	case c.Bool("emote"):
		if channel == "" {
			return errors.New("an emote needs a channel, and no bot runs on the server: start one with rosey run, or name the channel with --channel")
		}
		subject, payload = event.SubjectSendEmote, event.SendEmote{Emote: text, Channel: channel}
	}
	e, err := event.New(subject, payload)
	if err != nil {
		return &usageError{err}
	}
	e.CorrelationID = event.NewCorrelationID()
	ack, err := cmd.Bus.Publish(ctx, e)
	if err != nil {
		return err
	}
	if wantJSON(c) {
		return encode(c, map[string]any{
			"subject": subject, "stream": ack.Ref.Stream, "seq": ack.Ref.Seq, "correlation_id": e.CorrelationID,
		})
	}
	fmt.Fprintf(c.App.Writer, "stored as %s, correlation %s\n", ack.Ref, e.CorrelationID)
	return nil
}

// channelFor returns the channel to speak in, that of the bot that runs if none is named.
// It fails if the bot has no channel of that name. Where no bot answers, the next one that
// starts may have it.
func channelFor(ctx context.Context, cmd command, channel string) (string, error) {
	status, err := bot.QueryStatus(ctx, cmd.Conn)
	if err != nil {
		return channel, nil //nolint:nilerr // it does not run
	}
	if channel == "" {
		return status.Channel, nil
	}
	var names []string
	for _, ch := range status.Channels {
		if strings.EqualFold(ch.Channel, channel) {
			return channel, nil
		}
		names = append(names, ch.Channel)
	}
	return "", fmt.Errorf("the bot is not in a channel %q: its channels are %s", channel, strings.Join(names, ", "))
}
