package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
)

type historyRow struct {
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	pluginsettings.Change
}

// historyOf returns the changes of a plugin's settings, and what settings it has. A plugin
// that is gone may have been changed, one that never was may not.
func historyOf(ctx context.Context, c *cli.Context, cmd command) ([]pluginsettings.Revision, pluginsettings.Properties, error) {
	registered, err := router.List(ctx, cmd.JS)
	if err != nil {
		return nil, nil, err
	}
	store, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return nil, nil, err
	}
	revisions, err := store.History(ctx, c.Args().First(), c.String("channel"))
	if err != nil {
		return nil, nil, err
	}
	properties, err := propertiesOf(registered, c.Args().First())
	if len(revisions) > 0 {
		err = nil
	}
	return revisions, properties, err
}

// settingText returns a value of a setting as it is shown in what was changed.
func settingText(properties pluginsettings.Properties, key string, value json.RawMessage, unset string) string {
	if len(value) == 0 || string(value) == "null" {
		return unset
	}
	return properties[key].Text(value)
}

func settingsHistory(ctx context.Context, c *cli.Context, cmd command) error {
	revisions, properties, err := historyOf(ctx, c, cmd)
	if err != nil {
		return err
	}
	rows := []historyRow{}
	for _, r := range revisions {
		if r.Err != nil {
			rows = append(rows, historyRow{Revision: r.Revision, At: r.At, Reason: r.Err.Error()})
		}
		for _, change := range r.Changes {
			rows = append(rows, historyRow{r.Revision, r.At, r.By, r.Reason, change})
		}
	}
	if len(rows) == 0 && !wantJSON(c) {
		fmt.Fprintf(c.App.Writer, "nothing was changed %s\n", where(c.String("channel")))
		return nil
	}
	return printList(c, rows, table.Row{"when", "setting", "was", "is", "by", "why"}, func(r historyRow) table.Row {
		if r.Key == "" {
			return table.Row{r.At.Local().Format(time.DateTime), "(damaged)", "", "", r.By, r.Reason}
		}
		text := func(value json.RawMessage) string { return settingText(properties, r.Key, value, "(default)") }
		return table.Row{r.At.Local().Format(time.DateTime), r.Key, text(r.Old), text(r.New), r.By, r.Reason}
	})
}

func undoSetting(ctx context.Context, c *cli.Context, cmd command) error {
	revisions, properties, err := historyOf(ctx, c, cmd)
	if err != nil {
		return err
	}
	update, err := pluginsettings.Undone(revisions, operator())
	if err != nil {
		return err
	}
	store, err := pluginsettings.Find(ctx, cmd.JS)
	if err != nil {
		return err
	}
	changes, err := store.Apply(ctx, cmd.Bus, update)
	if err != nil {
		return err
	}
	return printChanges(c, properties, c.Args().First(), c.String("channel"), changes)
}
