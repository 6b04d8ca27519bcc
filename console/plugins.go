package console

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/host"
)

type pluginsBody struct {
	Plugins []host.Status
	Prefix  string
	rights
}

func (c *Console) pluginsBody(r *http.Request) (any, error) {
	ctx := r.Context()
	list, err := host.Statuses(ctx, c.Bus.Conn(), c.js)
	if c.Processes != nil {
		list = host.WithProcesses(list, c.Processes())
	}
	return pluginsBody{Plugins: list, Prefix: c.Channels[0].Prefix, rights: c.auth.rights(r)}, err
}

// pluginActions are what an operator can do to a plugin, and what is said then.
var pluginActions = map[string]func(ctx context.Context, c *Console, name string) (string, error){
	"pause": func(ctx context.Context, c *Console, name string) (string, error) {
		return name + " is paused; its commands wait in the stream", host.Pause(ctx, c.js, name, time.Time{})
	},
	"resume": func(ctx context.Context, c *Console, name string) (string, error) {
		waiting, err := host.Resume(ctx, c.js, name)
		return fmt.Sprintf("%s is resumed, with %d event(s) waiting", name, waiting), err
	},
	"restart": func(ctx context.Context, c *Console, name string) (string, error) {
		told, err := host.Restart(ctx, c.Bus.Conn(), name)
		return fmt.Sprintf("told %d process(es) of %s to start over", told, name), err
	},
}

func (c *Console) changePlugin(w http.ResponseWriter, r *http.Request) error {
	do, ok := pluginActions[r.PathValue("action")]
	if !ok || !event.ValidName(r.PathValue("name")) {
		return errNotFound
	}
	said, err := do(r.Context(), c, r.PathValue("name"))
	if err != nil {
		return event.Errorf(event.InvalidInput, "%w", err)
	}
	return redirect(w, r, said, "/plugins")
}
