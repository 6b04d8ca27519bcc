package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/common/model"
	"github.com/urfave/cli/v2"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/lease"
	"github.com/rosey-bot/rosey/telemetry"
)

// config are all settings, after defaults, file, environment and flags.
type config struct {
	ChannelConfig  `yaml:",inline"`     // of the one channel, or what the others have unless they say otherwise
	Channels       []ChannelConfig      `yaml:"channels"`         // instead of channel, when there are several
	JoinsPerSecond float64              `yaml:"joins_per_second"` // connections to one site, all channels together
	Plugins        nameList             `yaml:"plugins"`          // all shipped ones when empty
	Heartbeat      duration             `yaml:"heartbeat"`
	RequestTimeout duration             `yaml:"request_timeout"`
	Store          string               `yaml:"store"`
	Listen         string               `yaml:"listen"`
	SyncAlways     bool                 `yaml:"sync_always"`
	StoreReserve   size                 `yaml:"store_reserve"` // of the store's disk, which stays free
	StoreMax       size                 `yaml:"store_max"`     // of what the store holds; 0 is as much as there is room for
	NATS           string               `yaml:"nats"`
	Context        string               `yaml:"context"`
	Creds          string               `yaml:"creds"`
	Replicas       int                  `yaml:"replicas"`
	LeaseTerm      duration             `yaml:"lease_term"`
	TLSCA          string               `yaml:"tls_ca"`
	TLSCert        string               `yaml:"tls_cert"`
	TLSKey         string               `yaml:"tls_key"`
	Retention      map[string]retention `yaml:"retention"` // by stream
	Metrics        string               `yaml:"metrics"`   // address of /metrics, /healthz and /readyz
	Console        string               `yaml:"console"`   // address of the browser console
	ConsoleAccess  consoleAccess        `yaml:"console_access"`
	TraceURL       string               `yaml:"trace_url"` // where a tracing backend shows the trace {id}
	DatabaseMemory size                 `yaml:"database_memory"`
	LogLevel       string               `yaml:"log_level"`
	LogFormat      string               `yaml:"log_format"`
}

type retention struct {
	MaxAge   duration `yaml:"max_age"`
	MaxBytes size     `yaml:"max_bytes"`
}

func defaults() config {
	return config{
		ChannelConfig: ChannelConfig{Site: "https://cytu.be", Prefix: "!", MessageLimit: 240}, Heartbeat: duration(time.Minute), RequestTimeout: duration(streams.DefaultTimeout),
		Store: defaultStore(), Listen: "127.0.0.1:0", Replicas: 1, LeaseTerm: duration(lease.Term), LogFormat: "text",
		StoreReserve: streams.DefaultReserve, JoinsPerSecond: cytube.DefaultJoinsPerSecond,
	}
}

// settings maps flags to the fields they set.
func (f *config) settings() map[string]any {
	return map[string]any{
		"site": &f.Site, "channel": &f.Channel, "channel-password-file": &f.ChannelPasswordFile, "user": &f.User, "password-file": &f.PasswordFile,
		"prefix": &f.Prefix, "heartbeat": &f.Heartbeat, "store": &f.Store, "listen": &f.Listen,
		"sync-always": &f.SyncAlways, "nats": &f.NATS, "context": &f.Context, "creds": &f.Creds, "replicas": &f.Replicas,
		"metrics": &f.Metrics, "console": &f.Console, "console-password-file": &f.ConsoleAccess.PasswordFile,
		"console-viewer-password-file": &f.ConsoleAccess.ViewerPasswordFile, "trace-url": &f.TraceURL, "log-level": &f.LogLevel, "log-format": &f.LogFormat, "plugins": (*[]string)(&f.Plugins),
		"lease-term": &f.LeaseTerm, "tlsca": &f.TLSCA, "tlscert": &f.TLSCert, "tlskey": &f.TLSKey,
	}
}

// loadConfig puts the settings together: flag, environment, file, default.
func loadConfig(c *cli.Context) (config, error) {
	if err := checkVariables(c.App); err != nil {
		return config{}, err
	}
	cfg := defaults()
	path, given := settingsFile(c)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		// A file that says nothing, as when all of it is commented out, would be
		// read as null, and that as a config of zeros.
		var said any
		if err := yaml.Unmarshal(text, &said); err == nil && said == nil {
			break
		}
		if err := yaml.UnmarshalWithOptions(text, &cfg, yaml.Strict()); err != nil {
			explain(err)
			return config{}, usagef("settings in %s: %s", path, strings.TrimSpace(yaml.FormatError(wanted(err), false, true)))
		}
	case given || !errors.Is(err, fs.ErrNotExist):
		return config{}, usagef("read settings: %w", err)
	}
	for name, field := range cfg.settings() {
		var err error
		switch field := field.(type) {
		case *string:
			if v, ok := lookup(c, name, (*cli.Context).String); ok {
				*field = v
			}
		case *bool:
			if v, ok := lookup(c, name, (*cli.Context).Bool); ok {
				*field = v
			}
		case *int:
			if v, ok := lookup(c, name, (*cli.Context).Int); ok {
				*field = v
			}
		case *[]string:
			if v, ok := lookup(c, name, (*cli.Context).StringSlice); ok {
				*field = v
			}
		case *duration:
			if v, ok := lookup(c, name, (*cli.Context).String); ok {
				err = field.UnmarshalText([]byte(v))
			}
		}
		if err != nil {
			return config{}, usagef("--%s: %w", name, err)
		}
	}
	for _, path := range cfg.paths() {
		*path = atHome(*path)
	}
	return cfg, cfg.check()
}

// settingsFile is where the settings are read from, and whether the user says so.
func settingsFile(c *cli.Context) (path string, given bool) {
	if path, given = lookup(c, "config", (*cli.Context).String); !given {
		path = defaultConfig()
	}
	return atHome(path), given
}

// paths are the settings that name a file or a directory.
func (f *config) paths() []*string {
	list := []*string{
		&f.Store, &f.Creds, &f.TLSCA, &f.TLSCert, &f.TLSKey, &f.ConsoleAccess.PasswordFile, &f.ConsoleAccess.ViewerPasswordFile,
		&f.PasswordFile, &f.ChannelPasswordFile,
	}
	for i := range f.Channels {
		list = append(list, &f.Channels[i].PasswordFile, &f.Channels[i].ChannelPasswordFile)
	}
	return list
}

// atHome is a path whose ~ is the user's home directory, as a shell makes it where
// it sees one: not in a file, a variable or behind --store=.
func atHome(path string) string {
	below, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, below)
}

func (f *config) check() error {
	switch {
	case !isPrefix(f.Prefix):
		return usagef("the prefix %q is empty or has a space in it: people type it in front of each command, as in !help", f.Prefix)
	case f.Store == "":
		return usagef("the store has no name: name a directory with --store")
	case f.Heartbeat <= 0:
		return usagef("the heartbeat must be longer than 0: 60s is usual")
	case f.RequestTimeout <= 0:
		return usagef("request_timeout must be longer than 0: 5s is usual")
	case f.Replicas < 1 || f.Replicas > 5:
		return usagef("replicas must be 1 to 5, not %d", f.Replicas)
	case f.StoreReserve < 1<<20:
		return usagef("store_reserve must be 1MiB or more: what the bot has begun needs room to be finished")
	case f.StoreMax != 0 && f.StoreMax < 10<<20:
		return usagef("store_max must be 10MiB or more, or left out")
	case f.MessageLimit < 20:
		return usagef("message_limit must be 20 or more, not %d", f.MessageLimit)
	case f.Rate.Burst < 0 || f.Rate.PerSecond < 0:
		return usagef("a rate must not be below 0: leave it out, or write for example rate: {burst: 3, per_second: 1}")
	case !(f.JoinsPerSecond > 0):
		return usagef("joins_per_second must be above 0: %d is usual", cytube.DefaultJoinsPerSecond)
	case f.Replicas > 1 && !f.external():
		return usagef("replicas: %d needs an external NATS cluster: give its --nats URL", f.Replicas)
	case f.TraceURL != "" && (!strings.HasPrefix(f.TraceURL, "http") || !strings.Contains(f.TraceURL, "{id}")):
		return usagef("trace_url must be an address with {id} in it, such as http://localhost:16686/trace/{id}")
	case time.Duration(f.LeaseTerm) < shortestLease:
		return usagef("lease_term must be %s or more, not %s: a bot that is only slow would lose its channels", shortestLease, time.Duration(f.LeaseTerm))
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return usagef("--tlscert and --tlskey go together: give both")
	case f.TLSCA+f.TLSCert != "" && f.NATS == "":
		return usagef("--tlsca, --tlscert and --tlskey are for an external server: give its --nats URL (a --context names its own files)")
	case f.NATS != "" && f.Context != "":
		return usagef("--nats and --context both name a server: give one of them")
	}
	for name, address := range map[string]string{"listen": f.Listen, "metrics": f.Metrics, "console": f.Console} {
		if _, _, err := net.SplitHostPort(address); err != nil && address != "" && (name != "console" || address != consoleOff) {
			return usagef("%s: %w: write HOST:PORT, for example 127.0.0.1:8484", name, err)
		}
	}
	return f.checkChannels()
}

const shortestLease = 2 * time.Second

// external reports whether another NATS server than the embedded one is used.
func (f *config) external() bool { return f.NATS != "" || f.Context != "" }

// local reports whether the bot has no channel to go to.
func (f *config) local() bool { return f.Channel == "" && !f.several() }

func (f *config) limits() map[string]streams.Limits {
	limits := map[string]streams.Limits{}
	for stream, r := range f.Retention {
		limits[strings.ToUpper(stream)] = streams.Limits{MaxAge: time.Duration(r.MaxAge), MaxBytes: int64(r.MaxBytes)}
	}
	return limits
}

// Variables that are a secret themselves.
const (
	passwordVariable              = "ROSEY_PASSWORD"
	channelPasswordVariable       = "ROSEY_CHANNEL_PASSWORD"
	consolePasswordVariable       = "ROSEY_CONSOLE_PASSWORD"
	consoleViewerPasswordVariable = "ROSEY_CONSOLE_VIEWER_PASSWORD"
)

var secretVariables = []string{passwordVariable, channelPasswordVariable, consolePasswordVariable, consoleViewerPasswordVariable}

// secret reads a secret from a file, or from the environment when there is no
// file. A secret is never a flag's value, where other users could read it.
func secret(file, env string) (telemetry.Secret, error) {
	if file == "" {
		return telemetry.NewSecret(os.Getenv(env)), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return telemetry.Secret{}, fmt.Errorf("read a password: %w", err)
	}
	return telemetry.NewSecret(strings.TrimRight(string(text), "\r\n")), nil
}

// duration is a time.Duration that is written with days, weeks and years too.
type duration time.Duration

// nameList is a list of names, or a text of names with commas between.
type nameList []string

// UnmarshalYAML reads [a, b], or a, b as the flag does.
func (l *nameList) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if unmarshal(&text) != nil {
		return unmarshal((*[]string)(l))
	}
	*l = nil
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			*l = append(*l, name)
		}
	}
	return nil
}

// UnmarshalText reads 90s, 5m, 1d12h, 52w or 1y.
func (d *duration) UnmarshalText(text []byte) error {
	if v, err := time.ParseDuration(string(text)); err == nil {
		*d = duration(v)
		return nil
	}
	v, err := model.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write for example 90s, 5m or 30d", text)
	}
	*d = duration(v)
	return nil
}

// size is a number of bytes.
type size int64

// UnmarshalText reads 500MB, 10GiB or plain bytes.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size: write for example 500MB or 10GiB", text)
	}
	*s = size(n)
	return nil
}

// defaultStore is below the user's state directory.
func defaultStore() string {
	return filepath.Join(userDir("XDG_STATE_HOME", ".local/state"), "rosey")
}

func defaultConfig() string {
	return filepath.Join(userDir("XDG_CONFIG_HOME", ".config"), "rosey", "config.yaml")
}

func userDir(env, below string) string {
	if dir := os.Getenv(env); filepath.IsAbs(dir) {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "."
	}
	return filepath.Join(home, filepath.FromSlash(below))
}
