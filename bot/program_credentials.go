package bot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins/process"
	"github.com/rosey-bot/rosey/streams/access"
)

// environment returns the environment of a program, with credentials that are made for this
// start of it.
func (p *programs) environment(ctx context.Context, name string, program settings.Program) ([]string, error) {
	if p.c.settings.External() {
		return externalEnvironment(p.c.settings, p.c.server, name, program)
	}
	creds, err := p.issue(ctx, name)
	if err != nil {
		return nil, err
	}
	return process.Environment(p.c.server.url, creds, name, program.Env), nil
}

// externalEnvironment returns the environment of a program with an external server, which has
// users of its own.
func externalEnvironment(s Settings, srv *server, name string, program settings.Program) ([]string, error) {
	if program.Env["NATS_CREDS"] == "" && program.Env["NATS_USER"] == "" {
		return nil, settings.Errorf("plugin %s has no credentials for the external NATS server: add what rosey plugin creds %s --output permissions prints "+
			"to the server's configuration, and set NATS_USER and NATS_PASSWORD, or NATS_CREDS, in plugins.%s.env", name, name, name)
	}
	at := "nats://" + srv.conn.ConnectedAddr()
	if s.NATS != "" {
		at = withoutUsers(s.NATS)
	}
	return process.Environment(at, "", name, program.Env), nil
}

// withoutUsers returns URLs, separated by commas, without the bot's own user.
func withoutUsers(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil && u.User != nil {
			u.User = nil
			list[i] = u.String()
		}
	}
	return strings.Join(list, ",")
}

// credentialsOf is the file with the credentials of a program, readable by the bot's user alone.
func credentialsOf(store, name string) string {
	return filepath.Join(store, "plugin-creds", name+".creds")
}

// issue makes credentials for a program and ends the connections of those before.
func (p *programs) issue(ctx context.Context, name string) (path string, err error) {
	p.issuing.Lock()
	defer p.issuing.Unlock()
	if path, err = filepath.Abs(credentialsOf(p.c.settings.Store, name)); err != nil {
		return "", fmt.Errorf("write credentials: %w", err)
	}
	if err := access.WriteCredentials(ctx, p.c.server.js, p.c.settings.Store, name, path); err != nil {
		return "", err
	}
	_, err = access.AnnounceCredentials(p.c.server.conn)
	return path, err
}

// revoke ends the credentials of a program that does not run any more.
func (p *programs) revoke(name string) {
	if p.c.settings.External() {
		return
	}
	p.issuing.Lock()
	defer p.issuing.Unlock()
	found, err := access.RevokeCredentials(p.c.settings.Store, name)
	if found && err == nil && p.c.server.conn.IsConnected() {
		_, err = access.AnnounceCredentials(p.c.server.conn)
	}
	if removed := os.Remove(credentialsOf(p.c.settings.Store, name)); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if err != nil {
		p.log.Warn("credentials of a stopped plugin not revoked", "plugin", name, "error", err)
	}
}
