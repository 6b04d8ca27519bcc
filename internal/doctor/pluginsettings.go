package doctor

import (
	"context"
	"fmt"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
)

// checkPluginSettings says what the settings switch off. It says nothing where that is
// nothing.
func (c *checkup) checkPluginSettings(ctx context.Context) {
	store, err := pluginsettings.Find(ctx, c.client.JS)
	var revisions []pluginsettings.Revision
	if err == nil {
		revisions, err = store.List(ctx)
	}
	if err != nil {
		c.fail("see rosey status", "%v", err)
	}
	for _, r := range revisions {
		if r.Err != nil {
			c.fail(fmt.Sprintf("commands of %s are not handled until they can be read: rosey settings history %[1]s shows them, rosey settings undo %[1]s takes back the last change", r.Plugin), "%v", r.Err)
		}
	}
	for _, d := range router.DisabledBy(revisions) {
		c.ok("switched off: %s", d)
	}
	for _, name := range c.settings.Plugins.Off {
		c.ok("switched off: %s in the settings file", name)
	}
}
