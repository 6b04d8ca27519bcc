package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

const (
	// restartInterval is the least time between two restarts of JetStream.
	restartInterval = 5 * time.Second
	// refireRounds is how often timers are refired once the store has capacity
	// again. Those that the server may be about to try are left alone, and may turn
	// out to have been tried while the store was still full.
	refireRounds  = 3
	refireTimeout = 10 * time.Second
)

// serverError makes watch look for damage after the server logged an error.
func (g *diskGuard) serverError() {
	select {
	case g.errors <- struct{}{}:
	default:
	}
}

// problem says what is wrong with JetStream, or is "".
func (g *diskGuard) problem() string {
	if !g.ns.JetStreamEnabled() {
		return "JetStream is off"
	}
	account := g.ns.GlobalAccount().Name
	entries, _ := os.ReadDir(filepath.Join(g.store, server.JetStreamStoreDir, account, "streams"))
	for _, e := range entries {
		h := g.ns.Healthz(&server.HealthzOptions{Account: account, Stream: e.Name()})
		if strings.Contains(h.Error, "write error") || strings.Contains(h.Error, "could not be recovered") {
			return h.Error
		}
	}
	return ""
}

func (g *diskGuard) restartJetStream() {
	if time.Since(g.repaired) < restartInterval {
		return
	}
	g.repaired = time.Now()
	g.log.Error("restarting JetStream", "reason", cmp.Or(g.problem(), "it did not start"))
	c := server.JetStreamConfig{MaxStore: unlimited}
	if had := g.ns.JetStreamConfig(); had != nil {
		c = *had
	}
	c.StoreDir = g.store
	if err := g.ns.ShutdownJetStream(); err != nil {
		g.log.Warn("JetStream shutdown failed", "error", err)
	}
	err := g.ns.EnableJetStream(&c)
	if problem := g.problem(); err == nil && problem != "" {
		err = errors.New(problem)
	}
	if g.damaged = err != nil; g.damaged {
		g.log.Error("JetStream restart failed, retrying", "error", err)
	}
	g.limit = -1 // a restart forgets it
}

// refireOverdueTimers sets the timers anew that came due while the store was full:
// the server tries each only once.
func (g *diskGuard) refireOverdueTimers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refireTimeout)
	defer cancel()
	js, err := jetstream.New(g.nc)
	if err != nil {
		return err
	}
	timers, err := js.Stream(ctx, streams.Timer)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := timers.Info(ctx, jetstream.WithSubjectFilter(event.AllSchedules))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		m, err := timers.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339, strings.TrimPrefix(m.Header.Get(jetstream.ScheduleHeader), "@at "))
		if err != nil || time.Since(at) < checkInterval {
			continue
		}
		m.Header.Del(jetstream.MsgIDHeader)
		g.log.Debug("refiring overdue timer", "timer", subject)
		_, err = js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: m.Header, Data: m.Data}, jetstream.WithExpectLastSequencePerSubject(m.Sequence))
		if err != nil && !jsapi.IsConflict(err) { // it fired or was cancelled meanwhile
			return fmt.Errorf("set %s anew: %w", subject, err)
		}
	}
	return nil
}
