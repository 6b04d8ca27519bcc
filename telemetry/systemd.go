package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Supervised reports the state of a service of Type=notify to systemd: READY=1 once Ready
// returns nil, STATUS= whenever that changes, WATCHDOG=1 while Alive returns nil, and
// STOPPING=1 at the end.
type Supervised struct {
	Ready  func(context.Context) error // nil, or the reason why not
	Alive  func(context.Context) error // nil, or why systemd should restart the process
	Logger *slog.Logger                // nil discards

	every time.Duration // interval of checks; a second unless set
}

// Run reports until ctx ends. Where systemd asks for no reports it only waits for that.
func (s Supervised) Run(ctx context.Context) error {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.every == 0 {
		s.every = time.Second
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read systemd's watchdog interval: %w", err)
	}
	told, err := daemon.SdNotify(false, "STATUS=starting")
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	if !told {
		<-ctx.Done()
		return nil
	}
	defer s.notify(context.WithoutCancel(ctx), daemon.SdNotifyStopping+"\nSTATUS=stopping")
	every := s.every
	if watchdog > 0 {
		every = min(every, watchdog/2) // what systemd asks for
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last string
	for {
		if state := s.look(ctx, watchdog > 0, &last); state != "" {
			s.notify(ctx, state)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look returns the next report, "" for none; last is the last reported status.
func (s Supervised) look(ctx context.Context, watched bool, last *string) string {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var state []string
	status := "ready"
	if err := s.Ready(ctx); err != nil {
		// A line break would let the text set other variables of the protocol.
		status = "waiting: " + strings.Join(strings.Fields(err.Error()), " ")
	} else if *last != status {
		state = append(state, daemon.SdNotifyReady) // repeating it does no harm
	}
	if status != *last {
		*last = status
		state = append(state, "STATUS="+status)
	}
	if watched {
		if err := s.Alive(ctx); err != nil {
			s.Logger.ErrorContext(ctx, "not alive, systemd will restart the process", "error", err)
		} else {
			state = append(state, daemon.SdNotifyWatchdog)
		}
	}
	return strings.Join(state, "\n")
}

func (s Supervised) notify(ctx context.Context, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Logger.WarnContext(ctx, "systemd notification failed", "error", err)
	}
}
