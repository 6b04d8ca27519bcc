// Package inspector is the plugin inspector: it reports to moderators, by private
// message, what the bot is doing.
package inspector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Name is the plugin's name.
const Name = "inspector"

// moderator is the rank that may use the command.
const moderator = 2

// timeout bounds the reading for one command.
const timeout = 10 * time.Second

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         Name,
		Version:      "1.0.0",
		Description:  "Tells moderators what the bot is doing",
		MinRank:      moderator,
		Concurrent:   true, // it only reads
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM, "read:>"},
		Commands: []plugins.Command{{
			Name:        "inspect",
			Aliases:     []string{"inspector"},
			Usage:       "[rates [5m] | recent [10] [SUBJECT or PLUGIN] | plugins | dead]",
			Description: "tells by private message what the bot is doing",
			Handle:      inspect,
		}},
	}
}

// views are the reports by name: each returns lines, which are sent one by one.
var views = map[string]func(context.Context, *plugins.Context, []string) ([]string, error){
	"rates":   viewRates,
	"recent":  viewRecent,
	"plugins": viewPlugins,
	"dead":    viewDead,
	"summary": viewSummary,
}

func inspect(c *plugins.Context) ([]event.Envelope, error) {
	name, args := "summary", c.Command.Args
	if len(args) > 0 {
		name, args = plugins.Fold(args[0]), args[1:]
	}
	ctx, cancel := context.WithTimeout(c, timeout)
	defer cancel()
	lines, err := []string(nil), error(event.Errorf(event.InvalidInput,
		"I do not know inspect %s: there are rates, recent, plugins and dead", plugins.Shorten(name, 30)))
	if view, ok := views[name]; ok {
		lines, err = view(ctx, c, args)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		lines = []string{fmt.Sprintf("❌ that took more than %s: ask for less", timeout)}
	case event.CodeOf(err) == event.InvalidInput:
		lines = []string{"❌ " + err.Error()} // privately, not in the channel
	case err != nil:
		return nil, err
	}
	var out []event.Envelope
	for _, line := range lines {
		out = append(out, c.PM(c.Command.User, "%s", line)...)
	}
	return out, nil
}

func viewSummary(ctx context.Context, c *plugins.Context, _ []string) ([]string, error) {
	minute, err := count(ctx, c, time.Minute)
	if err != nil {
		return nil, err
	}
	hour, err := count(ctx, c, time.Hour)
	if err != nil {
		return nil, err
	}
	sizes, err := sizes(ctx, c)
	if err != nil {
		return nil, err
	}
	states, err := states(ctx, c)
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("🔎 %d events in the last minute, %d in the last hour. %s", minute.total, hour.total, strings.Join(sizes, ", ")),
		"🔎 " + strings.Join(states, "; "),
	}, nil
}

func viewRates(ctx context.Context, c *plugins.Context, args []string) ([]string, error) {
	window := 5 * time.Minute
	if len(args) > 0 {
		d, err := timeparse.Duration(strings.Join(args, " "))
		if err != nil || d < time.Minute || d > maxWindow {
			return nil, event.Errorf(event.InvalidInput, "%s is no time to look at: write 1m to %s, for example 2h", plugins.Shorten(args[0], 30), model.Duration(maxWindow))
		}
		window = d
	}
	n, err := count(ctx, c, window)
	if err != nil {
		return nil, err
	}
	s := fmt.Sprintf("🔎 last %s: %d events, %s a minute", model.Duration(window), n.total, perMinute(n.total, window))
	if len(n.by) > 0 {
		s += ": " + n.top(10)
	}
	return []string{s}, nil
}

func viewRecent(ctx context.Context, c *plugins.Context, args []string) ([]string, error) {
	n, pattern := 5, ""
	for _, a := range args {
		if number, err := strconv.Atoi(plugins.Fold(a)); err == nil {
			if n = number; n < 1 || n > maxRecent {
				return nil, event.Errorf(event.InvalidInput, "I show 1 to %d events", maxRecent)
			}
			continue
		}
		pattern = a
	}
	patterns := []string{event.AllCytube, event.AllPlugin}
	switch {
	case strings.ContainsAny(pattern, ".*>"):
		patterns = []string{pattern}
	case pattern != "":
		if !event.ValidName(pattern) {
			return nil, event.Errorf(event.InvalidInput, "%s is neither a subject nor a plugin's name", plugins.Shorten(pattern, 30))
		}
		patterns = []string{"plugin." + pattern + ".>"}
	}
	return recent(ctx, c, n, patterns)
}

func viewDead(ctx context.Context, c *plugins.Context, _ []string) ([]string, error) {
	return recent(ctx, c, 5, []string{event.EventSubject("*", event.TypeDeadLetter)})
}

func viewPlugins(ctx context.Context, c *plugins.Context, _ []string) ([]string, error) {
	states, err := states(ctx, c)
	if err != nil {
		return nil, err
	}
	lines := make([]string, 0, len(states)/4+1)
	for part := range slices.Chunk(states, 4) {
		lines = append(lines, "🔎 "+strings.Join(part, "; "))
	}
	return lines, nil
}
