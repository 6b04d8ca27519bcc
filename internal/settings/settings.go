// Package settings holds every setting of a bot: its type, default and check, and
// the file that it is read from.
package settings

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/lease"
)

// Settings are all settings of a bot. Default gives those that nobody has changed.
// docs/settings.md says what each means.
type Settings struct {
	Channel        `yaml:",inline"`     // the one channel, or what Channels take where they say nothing
	Channels       []Channel            `yaml:"channels"` // in place of Channel where there are several
	Suggest        bool                 `yaml:"suggest_commands"`
	JoinsPerSecond float64              `yaml:"joins_per_second"` // connections to one site, all channels together
	Plugins        Plugins              `yaml:"plugins"`          // those to run, and their settings
	Heartbeat      time.Duration        `yaml:"heartbeat"`
	RequestTimeout time.Duration        `yaml:"request_timeout"`
	Store          string               `yaml:"store"`
	Listen         string               `yaml:"listen"`
	SyncAlways     bool                 `yaml:"sync_always"`
	StoreReserve   Size                 `yaml:"store_reserve"` // of the store's disk, which stays free
	StoreMax       Size                 `yaml:"store_max"`     // 0 is as much as the disk has room for
	NATS           string               `yaml:"nats"`
	Context        string               `yaml:"context"`
	Creds          string               `yaml:"creds"`
	Replicas       int                  `yaml:"replicas"`
	LeaseTerm      time.Duration        `yaml:"lease_term"`
	TLSCA          string               `yaml:"tls_ca"`
	TLSCert        string               `yaml:"tls_cert"`
	TLSKey         string               `yaml:"tls_key"`
	Retention      map[string]Retention `yaml:"retention"` // by stream
	Metrics        string               `yaml:"metrics"`   // address of /metrics, /healthz and /readyz
	Console        string               `yaml:"console"`   // address of the browser console, or ConsoleOff
	ConsoleAccess  ConsoleAccess        `yaml:"console_access"`
	TraceURL       string               `yaml:"trace_url"` // of the page that shows the trace {id}
	DatabaseMemory Size                 `yaml:"database_memory"`
	LogLevel       string               `yaml:"log_level"`
	LogFormat      string               `yaml:"log_format"`
}

// Retention limits what a stream keeps; zeros leave the stream's own limits.
type Retention struct {
	MaxAge   time.Duration `yaml:"max_age"`
	MaxBytes Size          `yaml:"max_bytes"`
	// AcceptLoss is the day, as 2006-01-02, before which events were stored that a lower
	// limit may delete.
	AcceptLoss string `yaml:"accept_loss"`
}

func (r Retention) acceptLoss() (time.Time, error) {
	if r.AcceptLoss == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(time.DateOnly, r.AcceptLoss, time.Local)
}

// DefaultUser is the name that the bot logs in with.
const DefaultUser = "rosey"

// Default returns the settings of a bot for which nobody has set anything.
func Default() Settings {
	return Settings{
		Channel:   Channel{Site: "https://cytu.be", Prefix: "!"},
		Heartbeat: time.Minute, RequestTimeout: streams.DefaultTimeout, Store: DefaultStore(), Listen: "127.0.0.1:0",
		Replicas: 1, LeaseTerm: lease.Term, LogFormat: "text", StoreReserve: embedded.DefaultReserve, JoinsPerSecond: cytube.DefaultJoinsPerSecond, Suggest: true,
	}
}

// Error is a mistake in the settings, rather than a failure of what they ask for.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Errorf returns an Error, formatted like fmt.Errorf.
func Errorf(format string, args ...any) error { return &Error{fmt.Errorf(format, args...)} }

// Changed returns the keys of the file whose values differ between two settings.
func Changed(a, b Settings) []string { return changed("", reflect.ValueOf(a), reflect.ValueOf(b)) }

func changed(key string, a, b reflect.Value) (keys []string) {
	if a.Kind() != reflect.Struct || a.Type() == reflect.TypeFor[Plugins]() {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			keys = append(keys, key)
		}
		return keys
	}
	for i := range a.NumField() {
		name, options, _ := strings.Cut(a.Type().Field(i).Tag.Get("yaml"), ",")
		at := strings.TrimPrefix(key+"."+name, ".")
		if options == "inline" {
			at = key
		}
		keys = append(keys, changed(at, a.Field(i), b.Field(i))...)
	}
	return keys
}

// Level returns the level of the log: a local channel's user sees warnings only.
func (s *Settings) Level() string {
	switch {
	case s.LogLevel != "":
		return s.LogLevel
	case s.Local():
		return "warn"
	}
	return "info"
}

// External reports whether the bot uses another NATS server than the embedded one.
func (s *Settings) External() bool { return s.NATS != "" || s.Context != "" }

// Local reports whether no channel is set, so that the bot opens one of its own.
func (s *Settings) Local() bool { return s.Channel.Name == "" && !s.Several() }

// Several reports whether the channels are a list.
func (s *Settings) Several() bool { return len(s.Channels) > 0 }

// SharesSends reports whether several connectors, here or elsewhere, read the sends.
func (s *Settings) SharesSends() bool { return s.Several() || s.External() }

// StreamLimits returns what Retention says, by the stream's name.
func (s *Settings) StreamLimits() map[string]streams.Limits {
	limits := map[string]streams.Limits{}
	for stream, r := range s.Retention {
		accepted, _ := r.acceptLoss() // checked by Check
		limits[strings.ToUpper(stream)] = streams.Limits{MaxAge: r.MaxAge, MaxBytes: int64(r.MaxBytes), AcceptLoss: accepted}
	}
	return limits
}
