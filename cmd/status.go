package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/monitor"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "what runs, how large the streams are, how far behind each consumer is",
		Description: `Exits with 0 once the bot is ready, and with 1 when it is not or does not run.
With --output env it prints what other NATS tools need to reach the bot:

   rosey status
   eval "$(rosey status --output env)" && nats stream ls`,
		Flags: []cli.Flag{formatFlag("text, json (one object) or env", "text", "json", "env")},
		Action: func(c *cli.Context) error {
			if c.String("output") == "env" {
				return printEnv(c)
			}
			return reading(printStatus)(c)
		},
	}
}

// fullStatus is what rosey status --output json prints.
type fullStatus struct {
	Running   bool                    `json:"running"`
	Ready     bool                    `json:"ready"`
	Problem   string                  `json:"problem,omitempty"`
	Bot       *bot.Status             `json:"bot,omitempty"`
	Bots      []bot.Status            `json:"bots,omitempty"`     // all of them, when there are several
	Disabled  []router.Disabled       `json:"disabled,omitempty"` // what the settings switch off
	Streams   []streamStatus          `json:"streams"`
	Consumers []monitor.ConsumerState `json:"consumers"`
}

type streamStatus struct {
	Name      string    `json:"name"`
	Messages  uint64    `json:"messages"`
	Bytes     uint64    `json:"bytes"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	MaxAge    string    `json:"max_age"`
	MaxBytes  int64     `json:"max_bytes"`
	Consumers int       `json:"consumers"`
}

func gatherStatus(ctx context.Context, cmd command) (fullStatus, error) {
	var s fullStatus
	if cmd.Running {
		if err := s.ask(ctx, cmd); err != nil {
			s.Problem = err.Error()
		}
	} else {
		s.Problem = "no bot is running; this is what its store holds"
	}
	states, err := monitor.Streams(ctx, cmd.JS)
	for _, st := range states {
		s.Streams = append(s.Streams, streamStatus{
			Name: st.Name, Messages: st.Messages, Bytes: st.Bytes, First: st.First, Last: st.Last,
			MaxAge: retentionText(st.MaxAge), MaxBytes: st.MaxBytes, Consumers: st.Consumers,
		})
	}
	if err != nil {
		return s, err
	}
	settings, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return s, err
	}
	revisions, err := settings.List(ctx)
	if err != nil {
		return s, err
	}
	s.Disabled = router.DisabledBy(revisions)
	s.Consumers, err = monitor.Consumers(ctx, cmd.JS)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.Ready, s.Problem = false, "a stream does not exist: start a bot with rosey run"
		return s, nil
	}
	return s, err
}

// ask fills in what the bots say, of which there may be several on an external
// server.
func (s *fullStatus) ask(ctx context.Context, cmd command) error {
	if !cmd.settings.External() {
		bot, err := bot.QueryStatus(ctx, cmd.Conn)
		if err != nil {
			return err
		}
		s.Running, s.Bot, s.Ready, s.Problem = true, &bot, bot.Ready, bot.Problem
		return nil
	}
	bots, err := bot.QueryStatuses(ctx, cmd.Conn)
	if len(bots) == 0 {
		return err
	}
	s.Running, s.Ready, s.Bot = true, true, &bots[0]
	if len(bots) > 1 {
		s.Bots = bots
	}
	var problems []string
	for _, b := range bots {
		s.Ready = s.Ready && b.Ready
		if b.Problem != "" && !slices.Contains(problems, b.Problem) {
			problems = append(problems, b.Problem)
		}
	}
	s.Problem = strings.Join(problems, "; ")
	return err
}

func printStatus(ctx context.Context, c *cli.Context, cmd command) error {
	s, err := gatherStatus(ctx, cmd)
	if err != nil {
		return err
	}
	if wantJSON(c) {
		if err := encode(c, s); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.App.Writer, s.text())
	}
	if !s.Ready {
		return errUnhealthy
	}
	return nil
}

// all returns the bots that answered.
func (s fullStatus) all() []bot.Status {
	if len(s.Bots) == 0 && s.Bot != nil {
		return []bot.Status{*s.Bot}
	}
	return s.Bots
}

func (s fullStatus) text() string {
	var b strings.Builder
	switch {
	case s.Ready && len(s.Bots) > 1:
		fmt.Fprintf(&b, "ready: %d bots share %d channels\n", len(s.Bots), len(s.Bot.Channels))
	case s.Ready && len(s.Bot.Channels) > 1:
		fmt.Fprintf(&b, "ready: in %d channels as pid %d, for %s\n", len(s.Bot.Channels), s.Bot.PID, s.Bot.Age())
	case s.Ready:
		fmt.Fprintf(&b, "ready: in channel %s of %s as pid %d, for %s\n", s.Bot.Channel, s.Bot.Site, s.Bot.PID, s.Bot.Age())
	default:
		fmt.Fprintf(&b, "NOT ready: %s\n", s.Problem)
	}
	if s.Bot != nil {
		fmt.Fprintf(&b, "version %s, NATS %s", s.Bot.Version, s.Bot.NATS)
		if s.Bot.Store != "" {
			fmt.Fprintf(&b, ", store %s", s.Bot.Store)
		}
		fmt.Fprintf(&b, "\nplugins: %s\n", strings.Join(s.Bot.Plugins, ", "))
		for _, p := range s.Bot.Processes {
			fmt.Fprintf(&b, "process of plugin %s: %s\n", p.Plugin, p.Text())
		}
		if len(s.Bot.Tracing) > 0 {
			fmt.Fprintf(&b, "traces go to %s\n", strings.Join(s.Bot.Tracing, ", "))
		}
	}
	for _, bot := range s.all() {
		for _, c := range bot.Channels {
			for _, l := range c.Lacks {
				fmt.Fprintf(&b, "not allowed in %s: %s\n", c.Channel, l)
			}
		}
	}
	for _, d := range s.Disabled {
		fmt.Fprintf(&b, "switched off: %s\n", d)
	}
	for _, bot := range s.Bots {
		fmt.Fprintf(&b, "\n%s, pid %d, for %s:\n%s\n", bot.Host, bot.PID, bot.Age(), channelTable(bot.Channels))
	}
	if len(s.Bots) == 0 && s.Bot != nil && len(s.Bot.Channels) > 1 {
		b.WriteString("\n" + channelTable(s.Bot.Channels) + "\n")
	}
	b.WriteString("\n" + tableOf(s.Streams, table.Row{"stream", "events", "size", "oldest", "kept for", "kept below"}, func(st streamStatus) table.Row {
		oldest, most := "", "no limit"
		if st.Messages > 0 {
			oldest = humanize.Time(st.First)
		}
		if st.MaxBytes > 0 {
			most = humanize.IBytes(uint64(st.MaxBytes))
		}
		return table.Row{st.Name, humanize.Comma(int64(st.Messages)), humanize.IBytes(st.Bytes), oldest, st.MaxAge, most}
	}) + "\n")
	headers := table.Row{"consumer", "stream", "behind", "unacknowledged", "redelivered", "state"}
	b.WriteString("\n" + tableOf(s.Consumers, headers, func(cs monitor.ConsumerState) table.Row {
		return table.Row{cs.Name, cs.Stream, humanize.Comma(int64(cs.Lag)), cs.Unacked, cs.Redelivered, cs.Condition()}
	}) + "\n")
	return b.String()
}

// channelTable shows the state of each channel.
func channelTable(list []bot.ChannelStatus) string {
	headers := table.Row{"channel", "site", "user", "said", "unheard", "reconnects", "state"}
	return tableOf(list, headers, func(c bot.ChannelStatus) table.Row {
		state, n := "connected", c.Connector
		switch {
		case c.Holder != "":
			state = "stands by for " + c.Holder
		case c.Problem != "" && n.Connected:
			state = "NOT heard: " + c.Problem
		case c.Problem != "":
			state = "NOT connected: " + c.Problem
		case n.Rank >= 0:
			state = fmt.Sprintf("connected, rank %g", n.Rank)
		}
		return table.Row{c.Channel, c.Site, c.User, n.Echoed, n.Refused + n.Expired + n.Unconfirmed, max(n.Joins-1, 0), state}
	})
}

func retentionText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "ever"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	default:
		return d.String()
	}
}

// printEnv prints the variables by which NATS tools reach the running bot.
func printEnv(c *cli.Context) error {
	cfg, err := loadSettings(c)
	if err != nil {
		return err
	}
	if cfg.External() {
		return usagef("--output env is for the embedded server; with an external one, give your tools its own URL or context")
	}
	info, err := connect.Find(cfg.Store)
	if errors.Is(err, connect.ErrNotRunning) {
		return client.ErrNoBot(cfg.Store)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "export NATS_URL='%s' NATS_USER='%s' NATS_PASSWORD='%s'\n", info.URL, info.User, info.Password)
	return nil
}
