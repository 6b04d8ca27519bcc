package cmd

import (
	"context"
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
	channel := c.String("channel")
	if err := knowsChannel(ctx, cmd, channel); err != nil {
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
			status, err := bot.QueryStatus(ctx, cmd.Conn)
			if err != nil {
				return fmt.Errorf("an emote needs a channel, and the bot did not say which is its own: %w", err)
			}
			channel = status.Channel
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

// knowsChannel fails if a bot that runs has no channel of that name. Where none
// answers, the next one that starts may.
func knowsChannel(ctx context.Context, cmd command, channel string) error {
	if channel == "" {
		return nil
	}
	status, err := bot.QueryStatus(ctx, cmd.Conn)
	if err != nil {
		return nil
	}
	var names []string
	for _, ch := range status.Channels {
		if strings.EqualFold(ch.Channel, channel) {
			return nil
		}
		names = append(names, ch.Channel)
	}
	return fmt.Errorf("the bot is not in a channel %q: its channels are %s", channel, strings.Join(names, ", "))
}
