package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/internal/client"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/access"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/msgid"
)

// RunPlugin runs one plugin in this process, for a bot that runs in another, until ctx
// ends. It waits for the bot to appear. Settings.Metrics is the bot's own address, and
// metrics that of this process; "" serves none.
func RunPlugin(ctx context.Context, s Settings, p plugins.Plugin, metrics string, log *slog.Logger) (err error) {
	c, err := newComposition(ctx, "rosey-plugin-"+p.Name, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	remote, err := client.Await(ctx, s, "rosey plugin run", log, client.ServerTimeout)
	if err != nil {
		return err
	}
	c.server = &server{conn: remote.Conn, js: remote.JS, stop: remote.Close}
	restricted, err := c.openPluginStreams(ctx, p.Name)
	if err != nil {
		return err
	}
	var g group
	if !restricted { // else it may only read them key by key
		g.add("settings", worker(func(ctx context.Context) error { return c.pluginSettings.Watch(ctx, c.log) }))
	}
	g.add("plugin "+p.Name, c.plugin(p, false))
	g.add("connection", worker(c.server.lost))
	g.add("message IDs", worker(func(ctx context.Context) error { return c.signer.Follow(ctx, c.server.js, log) }))
	if metrics != "" {
		if err := serveMetrics(&g, metrics, c.tel.Metrics, c.server.connected, log); err != nil {
			return err
		}
	}
	return c.server.explain(ctx, g.run(ctx, func(error) {}))
}

// connected returns an error while there is no connection.
func (srv *server) connected(context.Context) error {
	if !srv.conn.IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	return nil
}

// openPluginStreams opens the bus and the registrations for a plugin, and reports
// whether it is restricted, with credentials of its own.
func (c *composition) openPluginStreams(ctx context.Context, plugin string) (restricted bool, err error) {
	conn, js := c.server.conn, c.server.js
	options := []streams.BusOption{streams.WithObserver(c.tel.Metrics)}
	err = retry.Do(ctx, jsapi.RetryUnavailable(openTimeout, c.log), func(ctx context.Context) (err error) {
		var outdated bool
		if restricted, outdated, err = access.Restricted(conn); err != nil {
			return err
		}
		if !restricted {
			// The bot makes the secret, and makes it again: one of the plugin's own would be another.
			if c.signer, err = msgid.ReadSigner(ctx, js); err == nil && c.signer == (msgid.Signer{}) {
				err = fmt.Errorf("the bot has not stored its secret of message IDs yet: %w", nats.ErrNoResponders)
			}
			if err != nil {
				return err
			}
			return c.openPluginBuckets(ctx)
		}
		c.restricted = true
		if outdated {
			c.log.WarnContext(ctx, "the server's configuration for this plugin is of an earlier release and lets it forge replies: replace it by what "+
				"rosey plugin creds --output permissions prints", "plugin", plugin)
		}
		options = append(options, streams.WithManager(access.Delegate(js, plugin)))
		if c.signer, err = msgid.CredentialSigner(conn); err == nil {
			c.registrations, err = js.KeyValue(ctx, router.Bucket)
		}
		if err != nil {
			return err
		}
		if reads, err := access.ReadsSettings(conn); err != nil || !reads {
			c.log.WarnContext(ctx, "settings not readable with these permissions, defaults hold: replace them by what "+
				"rosey plugin creds --output permissions prints", "plugin", plugin)
			return err
		}
		c.pluginSettings, err = pluginsettings.Find(ctx, js)
		return err
	})
	if err != nil {
		return restricted, err
	}
	c.openBus(options...)
	return restricted, nil
}
