package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natsext"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/plugins/process"
)

// statusSubject is where a running bot answers with its status. No stream captures it.
const statusSubject = "rosey.status"

// Status is how a running bot is.
type Status struct {
	Host      string   `json:"host"`
	PID       int      `json:"pid"`
	Version   string   `json:"version"`
	Uptime    float64  `json:"uptime"`    // seconds
	Site      string   `json:"site"`      // of the first channel, which gets the sends that name none
	Channel   string   `json:"channel"`   // the first
	Connected bool     `json:"connected"` // whether the bot is in the first channel
	Ready     bool     `json:"ready"`
	Problem   string   `json:"problem,omitempty"` // what it waits for when it is not ready
	Plugins   []string `json:"plugins"`
	NATS      string   `json:"nats"`
	Store     string   `json:"store,omitempty"`
	Tracing   []string `json:"tracing,omitempty"`

	// Processes are the plugins that the bot runs as processes of their own.
	Processes []process.State `json:"processes,omitempty"`

	Channels  []ChannelStatus `json:"channels"`
	Connector cytube.Stats    `json:"connector"` // of the first channel
}

// Age returns how long the bot has run, in whole seconds.
func (s Status) Age() time.Duration {
	return time.Duration(s.Uptime * float64(time.Second)).Round(time.Second)
}

// ChannelStatus is how a bot fares in one of its channels.
type ChannelStatus struct {
	Site      string `json:"site"`
	Channel   string `json:"channel"`
	User      string `json:"user"`
	Connected bool   `json:"connected"`
	Holder    string `json:"holder,omitempty"` // the process that is in the channel instead of this one
	Problem   string `json:"problem,omitempty"`
	Lacks     []Lack `json:"lacks,omitempty"` // what plugins ask for that the bot's rank does not allow

	Connector cytube.Stats `json:"connector"`
}

func (l *lifecycle) status(ctx context.Context) Status {
	host, _ := os.Hostname()
	s := Status{
		Host: host, PID: os.Getpid(), Version: version.String(), Uptime: time.Since(l.began).Seconds(), Channels: convert(l.channels, (*channel).status),
		Plugins: l.plugins, NATS: l.server.url, Tracing: l.tracing,
	}
	registered, err := router.List(ctx, l.bus.JetStream())
	if err != nil {
		l.log.WarnContext(ctx, "registrations not read", "error", err)
	}
	for i, c := range l.channels {
		s.Channels[i].Lacks = c.lacks(registered)
	}
	s.Processes = l.programs.states()
	first := s.Channels[0]
	s.Site, s.Channel, s.Connected, s.Connector = first.Site, first.Channel, first.Connected, first.Connector
	if !l.settings.External() {
		s.Store = l.settings.Store
	}
	if err := l.ready(ctx); err != nil {
		s.Problem = err.Error()
	} else {
		s.Problem = problems(s.Channels)
	}
	s.Ready = s.Problem == ""
	return s
}

// problems joins the problems of channels; "" is none.
func problems(list []ChannelStatus) string {
	var found []string
	for _, s := range list {
		if s.Problem != "" {
			found = append(found, s.Problem)
		}
	}
	if len(found) > 3 {
		found = append(found[:3], fmt.Sprintf("%d more", len(found)-3))
	}
	return strings.Join(found, "; ")
}

// ErrNoAnswer is returned by QueryStatus where no bot is connected to the server.
var ErrNoAnswer = errors.New("no bot runs on the server: start one with rosey run")

// Limits of a request for the status.
const (
	statusTimeout = 2 * time.Second
	statusStall   = 300 * time.Millisecond // for one more bot to answer
)

// QueryStatus asks the bot on a server for its status.
func QueryStatus(ctx context.Context, nc *nats.Conn) (Status, error) {
	list, err := query(ctx, nc, natsext.RequestManyMaxMessages(1))
	if err != nil {
		return Status{}, err
	}
	return list[0], nil
}

// QueryStatuses asks every bot on a server: one on an embedded server, any number on a
// cluster. With an error it returns the answers that came before; without any there is
// always an error.
func QueryStatuses(ctx context.Context, nc *nats.Conn) ([]Status, error) {
	return query(ctx, nc, natsext.RequestManyStall(statusStall))
}

func query(ctx context.Context, nc *nats.Conn, until natsext.RequestManyOpt) (list []Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	answers, err := natsext.RequestMany(ctx, nc, statusSubject, nil, until)
	if err != nil {
		return nil, fmt.Errorf("ask the bot for its status: %w", err)
	}
	for msg, err := range answers {
		if errors.Is(err, nats.ErrNoResponders) {
			return nil, ErrNoAnswer
		}
		if err != nil {
			return list, fmt.Errorf("ask the bot for its status: %w", err)
		}
		var s Status
		if err := json.Unmarshal(msg.Data, &s); err != nil {
			return list, fmt.Errorf("read the bot's status: %w", err)
		}
		list = append(list, s)
	}
	if len(list) == 0 { // the iterator ends at the deadline without an error
		return nil, fmt.Errorf("ask the bot for its status: %w", cmp.Or(ctx.Err(), context.DeadlineExceeded))
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(strings.Compare(a.Host, b.Host), a.PID-b.PID) })
	return list, nil
}
