package cmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/bot"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/retry"
	"github.com/rosey-bot/rosey/internal/settings"
	"github.com/rosey-bot/rosey/plugins/host"
	pluginprocess "github.com/rosey-bot/rosey/plugins/process"
)

// manifestFile is the file of a plugin's folder that says how it runs and what it asks for.
const manifestFile = "rosey-plugin.yaml"

// manifest is what it holds.
type manifest struct {
	Name         string            `yaml:"name"`
	Run          string            `yaml:"run"`
	Capabilities []string          `yaml:"capabilities"`
	Memory       settings.Size     `yaml:"memory"`
	Env          map[string]string `yaml:"env"`
	Settings     map[string]any    `yaml:"settings"`
}

func addPluginCommand() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "have the bot run a plugin of somebody else, as a process of its own", ArgsUsage: "DIR|FILE",
		Description: `A folder has a file rosey-plugin.yaml that says how the plugin runs and what it asks for:

   name: greeter
   run: node greeter.js
   capabilities: [chat, storage]

Says what the plugin may do, asks, and adds it to the store. A bot that runs starts it at
once, another when it starts. rosey plugin rm takes it away again.

   rosey plugin add ./greeter
   rosey plugin add ./greeter --grant chat            less than it asks for
   rosey plugin add ./clock.sh --name clock --grant chat,read:chat --yes
` + capabilitiesHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "call the plugin `NAME` (default: what its folder says, or the file's name)"},
			&cli.StringFlag{Name: "run", Usage: "run `COMMAND`, such as 'node greeter.js' (default: what its folder says, or the file)"},
			&cli.StringSliceFlag{Name: "grant", Usage: "let it do `CAPABILITY,…` (default: what its folder asks for)"},
			&cli.StringFlag{Name: "memory", Usage: "let it use up to `SIZE` of memory, such as 256MB"},
			&cli.BoolFlag{Name: "watch", Usage: "start it again when its files change"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
		},
		Action: ofOne("folder or file", reading(addPlugin)),
	}
}

// readManifest returns what a folder or file says of the plugin, and where that runs.
func readManifest(path string) (m manifest, dir string, err error) {
	path, err = filepath.Abs(settings.ExpandHome(path))
	if err != nil {
		return m, "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return m, "", usagef("there is no folder or file %s", path)
	}
	if !info.IsDir() {
		base := filepath.Base(path)
		return manifest{Name: strings.TrimSuffix(base, filepath.Ext(base)), Run: "'./" + base + "'"}, filepath.Dir(path), nil
	}
	text, err := os.ReadFile(filepath.Join(path, manifestFile))
	if err != nil {
		return manifest{Name: filepath.Base(path)}, path, nil // the flags say how it runs
	}
	if err := yaml.UnmarshalWithOptions(text, &m, yaml.Strict()); err != nil {
		return m, "", usagef("%s: %s", filepath.Join(path, manifestFile), yaml.FormatError(err, false, true))
	}
	return m, path, nil
}

// programToAdd returns the plugin that the arguments describe, and what it may do.
func programToAdd(c *cli.Context) (name string, p settings.Program, may []string, err error) {
	m, dir, err := readManifest(c.Args().First())
	if err != nil {
		return "", p, nil, err
	}
	p = settings.Program{Dir: dir, Memory: m.Memory, Env: m.Env, Watch: c.Bool("watch")}
	if len(m.Settings) > 0 {
		p.Settings, _ = settings.ReadValues(m.Settings)
	}
	name = cmp.Or(c.String("name"), m.Name)
	run := cmp.Or(c.String("run"), m.Run)
	grant := m.Capabilities
	if c.IsSet("grant") {
		grant = c.StringSlice("grant")
	}
	switch {
	case !event.ValidName(name):
		return "", p, nil, usagef("%q is not a plugin's name, which is 1 to %d of A-Z a-z 0-9 _ -: give another with --name", name, event.MaxNameLength)
	case run == "":
		return "", p, nil, usagef("%s has no %s that says how the plugin runs: give --run, such as --run 'node greeter.js'", dir, manifestFile)
	}
	if text := c.String("memory"); text != "" {
		if err := p.Memory.UnmarshalText([]byte(text)); err != nil {
			return "", p, nil, usagef("--memory: %w", err)
		}
	}
	if p.Run, err = pluginprocess.Split(run); err == nil {
		err = pluginprocess.Command{Args: p.Run, Dir: p.Dir}.Check()
	}
	if err != nil {
		return "", p, nil, usagef("%w", err)
	}
	may, err = checkCapabilities(grant)
	return name, p, may, err
}

func addPlugin(ctx context.Context, c *cli.Context, cmd command) error {
	name, p, may, err := programToAdd(c)
	if err != nil {
		return err
	}
	if _, err := bot.FindPlugin(pluginsOf(c.App), name); err == nil {
		return usagef("a plugin that ships is called %s: give yours another name with --name", name)
	}
	if _, ok := cmd.settings.Plugins.Programs[name]; ok {
		return usagef("the settings file has a plugin %s already", name)
	}
	w := c.App.Writer
	before, _ := settings.Added(cmd.settings.Store) // a file that is not well is replaced
	if of, ok := before[name]; ok && of.Run != nil {
		fmt.Fprintf(w, "It takes the place of the plugin %s, with its records, events and settings, that runs as: %s\n  in %s; to keep both, give this one another name with --name\n",
			name, strings.Join(of.Run, " "), of.Dir)
	}
	fmt.Fprintf(w, "%s runs as: %s\n  in %s, as the user of the bot, with what files and network that user has\n", name, strings.Join(p.Run, " "), p.Dir)
	fmt.Fprintln(w, "In the bot it may handle its own commands, keep its own events and timers, and")
	for _, capability := range may {
		fmt.Fprintf(w, "  - %s (%s)\n", event.Describe(capability), capability)
	}
	if len(may) == 0 {
		fmt.Fprintln(w, "  - nothing else: it cannot even speak; see --grant")
	}
	if !c.Bool("yes") {
		fmt.Fprint(w, "Add it? [y/N] ")
		answer, _ := bufio.NewReader(c.App.Reader).ReadString('\n')
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return errors.New("not added")
		}
	}
	kv, err := router.OpenBucket(ctx, cmd.JS, cmd.settings.Replicas)
	if err != nil {
		return err
	}
	if err := router.SetCapabilities(ctx, kv, name, may...); err != nil {
		return err
	}
	if err := settings.Add(cmd.settings.Store, name, p); err != nil {
		return err
	}
	said := "the bot starts it when it starts"
	if cmd.Running {
		if after, err := settings.Added(cmd.settings.Store); err == nil && reflect.DeepEqual(before[name], after[name]) {
			_, _ = host.Restart(ctx, cmd.Conn, name) // its files may be newer; if none runs the bot starts it anyway
		}
		said = "the bot starts it now: rosey plugin info " + name + " says how it is"
	}
	fmt.Fprintf(w, "added %s; %s\n", name, said)
	return nil
}

// removeAdded takes a plugin away that was added to the store, waits until it has ended, and
// reports whether there was one.
func removeAdded(ctx context.Context, cmd command, name string) (added bool, err error) {
	if _, ok := cmd.settings.Plugins.Programs[name]; ok {
		return false, usagef("%s stands in the settings file, as plugins.%s: take it out there, and start the bot again", name, name)
	}
	added, err = settings.RemoveAdded(cmd.settings.Store, name)
	if err != nil || !added || !cmd.Running {
		return added, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*pluginprocess.DefaultGrace)
	defer cancel()
	return true, retry.Do(ctx, retry.Every(retry.DefaultInitial), func(ctx context.Context) error {
		running, err := host.Instances(ctx, cmd.Conn)
		if err != nil {
			return err
		}
		if len(running[name]) > 0 {
			return fmt.Errorf("%s still runs", name)
		}
		bots, err := bot.QueryStatuses(ctx, cmd.Conn)
		for _, b := range bots {
			for _, p := range b.Processes {
				if p.Plugin == name {
					return fmt.Errorf("the bot still runs %s", name)
				}
			}
		}
		return err
	})
}
